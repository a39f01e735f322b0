"""Scopes of tokens that are leased: which of them only read, and which the vendor did not grant."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, lru_cache

from connections import registry
from connections.contracts import Manifest


@cache
def reading() -> str:
    """Each scope that only reads, after its connector, as PostgreSQL writes an array.

    A scope that nobody knows counts as one that can change something.
    """
    words = sorted(
        f"{slug} {scope}"
        for slug, each in registry.connectors().items()
        for scope in reading_scopes(each.manifest)
    )
    return "{" + ",".join(f'"{word}"' for word in words) + "}"


def reading_scopes(manifest: Manifest) -> frozenset[str]:
    """The scopes that no capability which changes something needs, and others do."""
    reads = (c for c in manifest.capabilities if not c.writes)
    words = frozenset(s for c in reads for spoken in c.scopes.values() for s in spoken)
    changes = (c for c in manifest.capabilities if c.writes)
    alone = frozenset(s for c in changes for spoken in c.scopes.values() for s in spoken)
    return manifest.closure(words) - (alone - words)


def missing_scopes(
    connector: str, vocabulary: str, capabilities: Sequence[str], scopes: Sequence[str] | None
) -> list[str]:
    """Scopes that the capabilities need and the vendor did not grant; none when it does not say."""
    if scopes is None:
        return []
    return list(_missing(connector, vocabulary, tuple(capabilities), tuple(scopes)))


@lru_cache(maxsize=4096)
def _missing(
    slug: str, vocabulary: str, capabilities: tuple[str, ...], scopes: tuple[str, ...]
) -> tuple[str, ...]:
    connector = registry.connectors().get(slug)
    if connector is None:
        return ()
    manifest = connector.manifest
    held = manifest.closure(frozenset(scopes))
    wanted = (c for c in manifest.capabilities if c.key in capabilities)
    needed = {scope for c in wanted for scope in c.scopes.get(vocabulary, ())}
    return tuple(sorted(needed - held))
