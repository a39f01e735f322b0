"""settings.CONNECTORS → connectors, by dotted name; origins replaced where a sandbox stands in."""

from __future__ import annotations

from functools import cache
from importlib import import_module

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from connections.contracts import CONTRACT_VERSION, Connector
from connections.errors import NotInstalled


@cache
def connectors() -> dict[str, Connector]:
    """Every allowed connector by slug; a broken one stops start-up by its name."""
    found: dict[str, Connector] = {}
    for dotted in settings.CONNECTORS:
        connector: Connector = import_module(dotted).CONNECTOR
        _require_version(dotted, connector.manifest.contract_version)
        if connector.manifest.slug in found:
            raise ImproperlyConfigured(f"{dotted} repeats the slug {connector.manifest.slug}.")
        found[connector.manifest.slug] = connector
    return found


def _require_version(dotted: str, said: int) -> None:
    """A connector is not asked to keep promises that it never read."""
    if not said:
        raise ImproperlyConfigured(
            f"{dotted} does not say for which version of the contract it was written: its manifest"
            f" needs a contract_version. This portal has version {CONTRACT_VERSION}."
        )
    if said != CONTRACT_VERSION:
        age = "an older" if said < CONTRACT_VERSION else "a newer"
        raise ImproperlyConfigured(
            f"{dotted} was written for {age} version of the contract ({said}; this portal has"
            f" {CONTRACT_VERSION}). Install a release of it that fits, or take its line out of"
            " CONNECTORS: what was linked stays."
        )


def get(slug: str) -> Connector:
    """The connector with this slug; NotInstalled, a KeyError, when it is not allowed here."""
    try:
        return connectors()[slug]
    except KeyError:
        raise NotInstalled(f"The connector {slug} is not installed.") from None


def is_installed(slug: str) -> bool:
    return slug in connectors()


def browser_url(url: str) -> str:
    """A vendor page's address for a browser: the sandbox's where that stands in."""
    for real, replacement in settings.CONNECTOR_ORIGINS.items():
        if url.startswith(f"{real}/") or url == real:
            return replacement + url[len(real) :]
    return url
