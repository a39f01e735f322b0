"""Products by slug, also those that are no longer on the allow-list: their connections remain."""

from __future__ import annotations

from urllib.parse import urlsplit

from connections import registry
from connections.contracts import BASE_URL, Manifest, Method
from connections.flows import plan
from connections.models import Connection

NOT_INSTALLED = "connector not installed"


def manifest_of(slug: str) -> Manifest | None:
    """The manifest, None when the connector is not allowed here (any more)."""
    found = registry.connectors().get(slug)
    return found.manifest if found else None


def name_of(slug: str) -> str:
    manifest = manifest_of(slug)
    return manifest.name if manifest else f"{slug} ({NOT_INSTALLED})"


def method_of(slug: str, key: str) -> Method | None:
    manifest = manifest_of(slug)
    return next((m for m in manifest.methods if m.key == key), None) if manifest else None


def hosts(connection: Connection) -> set[str]:
    """Where people open the product that this connection is to, as an address names the host."""
    manifest = manifest_of(connection.connector)
    api = registry.browser_url(manifest.api_url) if manifest else ""
    places = (str(connection.fields.get(BASE_URL, "")), api)
    return {urlsplit(place).netloc.lower() for place in places if "://" in place}


def web_address(url: str) -> str:
    """The address if a browser may follow it; "" for any other scheme a vendor may have sent."""
    return url if url.startswith(("https://", "http://")) else ""


def has_lists(slug: str) -> bool:
    """Whether anything of this product is ever read into lists here; of an unknown one, perhaps."""
    found = registry.connectors().get(slug)
    return found is None or bool(found.streams)


def has_repositories(slug: str) -> bool:
    """Whether its containers hold repositories that are read here; of an unknown one, perhaps."""
    found = registry.connectors().get(slug)
    return found is None or any(stream.key == plan.REPOSITORIES for stream in found.streams)


def container_word(slug: str) -> str:
    """What the product calls its containers."""
    manifest = manifest_of(slug)
    return manifest.workspace_word if manifest else "workspace"


def choices() -> list[tuple[str, str]]:
    """Slug and name of every product that can be linked."""
    return [(slug, each.manifest.name) for slug, each in registry.connectors().items()]
