"""Products by slug, also those that are no longer on the allow-list: their connections remain."""

from __future__ import annotations

from connections import registry
from connections.contracts import Manifest, Method


def manifest_of(slug: str) -> Manifest | None:
    """The manifest, None when the connector is not allowed here (any more)."""
    found = registry.connectors().get(slug)
    return found.manifest if found else None


def name_of(slug: str) -> str:
    manifest = manifest_of(slug)
    return manifest.name if manifest else slug


def method_of(slug: str, key: str) -> Method | None:
    manifest = manifest_of(slug)
    return next((m for m in manifest.methods if m.key == key), None) if manifest else None


def web_address(url: str) -> str:
    """The address if a browser may follow it; "" for any other scheme a vendor may have sent."""
    return url if url.startswith(("https://", "http://")) else ""


def choices() -> list[tuple[str, str]]:
    """Slug and name of every product that can be linked."""
    return [(slug, each.manifest.name) for slug, each in registry.connectors().items()]
