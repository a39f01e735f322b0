"""Which connections a vendor's dated change hits, by what each holds and really used."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from django.db.models import Exists, OuterRef, Q, QuerySet

from connections import registry
from connections.contracts import VendorChange
from connections.models import Connection, Credential, UsedEndpoint
from portal import clock

USED_WITHIN: Final = timedelta(days=90)


def every() -> list[tuple[str, VendorChange]]:
    """Each connector's changes with its slug, in order of their day."""
    found = [
        (slug, change)
        for slug, connector in registry.connectors().items()
        for change in connector.manifest.changes
    ]
    return sorted(found, key=lambda pair: (pair[1].on, pair[0], pair[1].key))


def find(name: str) -> tuple[str, VendorChange] | None:
    """The change of this name, "<connector>:<key>"; None when there is none."""
    return next((pair for pair in every() if name_of(*pair) == name), None)


def name_of(slug: str, change: VendorChange) -> str:
    return f"{slug}:{change.key}"


def hit(slug: str, change: VendorChange) -> QuerySet[Any]:
    """The connections that it hits; those of teams that are not shown here are not among them."""
    live: QuerySet[Any] = Connection.objects.exclude(state=Connection.State.REVOKED)
    return live.filter(_fits(change), connector=slug)


def used_since() -> Any:
    """From when on a use counts."""
    return clock.now() - USED_WITHIN


def _fits(change: VendorChange) -> Q:
    found = Q(pk__in=[])
    current = Credential.objects.filter(connection_id=OuterRef("pk"), replaced_at=None)
    if change.credential_kinds:
        found |= Q(Exists(current.filter(kind__in=sorted(change.credential_kinds))))
    if change.scopes:
        found |= Q(Exists(current.filter(scopes__overlap=sorted(change.scopes))))
    if change.endpoints:
        uses = UsedEndpoint.objects.filter(connection_id=OuterRef("pk"))
        asked = uses.filter(endpoint__in=change.endpoints, last_at__gte=used_since())
        found |= Q(Exists(asked))
    return found
