"""Which connections a vendor's dated change hits, by what each holds and really used."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery

from connections import registry
from connections.contracts import VendorChange
from connections.models import Check, Connection, Credential, UsedEndpoint, Verification
from portal import clock

USED_WITHIN: Final = timedelta(days=90)
VERSION: Final = "version"  # the line of a verification that tells it


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
    live = live.filter(connector=slug)
    return live.filter(_fits(change) | _by_version(live, change))


def linked() -> set[str]:
    """The products of the connections that live here."""
    found = Connection.objects.exclude(state=Connection.State.REVOKED).order_by()
    return set(found.values_list("connector", flat=True).distinct())


def used_since() -> datetime:
    """From when on a use counts."""
    return clock.now() - USED_WITHIN


def made_before(change: VendorChange) -> datetime | None:
    """The moment before which a credential was made that the change hits by its kind."""
    day = change.made_before
    return datetime(day.year, day.month, day.day, tzinfo=UTC) if day else None


def _by_version(live: QuerySet[Any], change: VendorChange) -> Q:
    """Those whose latest verification was told such a version; unknown ones are not among them.

    Few products have versions, and few connections lead to one.
    """
    if not change.is_by_version:
        return Q(pk__in=[])
    latest = Verification.objects.filter(connection_id=OuterRef("pk"), finished_at__isnull=False)
    seen = Subquery(latest.order_by("-started_at").values("id")[:1])
    said = dict(live.annotate(seen=seen).exclude(seen=None).values_list("seen", "pk"))
    told = Check.objects.filter(verification_id__in=said, key=VERSION)
    pairs = told.values_list("verification_id", "detail")
    return Q(pk__in=[said[seen] for seen, text in pairs if _has(change, _numbers(text))])


def _has(change: VendorChange, version: tuple[int, ...]) -> bool:
    """Whether a server of this version has the change: older than one, or in one of the lines
    from the version on that brought it there, or newer than them all."""
    if not version:
        return False
    if version < _numbers(change.before_version):
        return True
    firsts = sorted(map(_numbers, change.from_versions))
    return any(version >= first and version[:2] == first[:2] for first in firsts) or (
        bool(firsts) and version >= firsts[-1]
    )


def _numbers(version: str) -> tuple[int, ...]:
    """As versions are compared; empty for a text that is none."""
    found = re.match(r"\d{1,4}(?:\.\d{1,4})*", version, re.ASCII)
    return tuple(map(int, found[0].split("."))) if found else ()


def _fits(change: VendorChange) -> Q:
    found = Q(pk__in=[])
    current = Credential.objects.filter(connection_id=OuterRef("pk"), replaced_at=None)
    if change.credential_kinds:
        of_kind = current.filter(kind__in=sorted(change.credential_kinds))
        if before := made_before(change):
            of_kind = of_kind.filter(Q(created_at__lt=before) | Q(expires_at=None))
        found |= Q(Exists(of_kind))
    if change.scopes:
        found |= Q(Exists(current.filter(scopes__overlap=sorted(change.scopes))))
    if change.endpoints:
        uses = UsedEndpoint.objects.filter(connection_id=OuterRef("pk"))
        asked = uses.filter(endpoint__in=change.endpoints, last_at__gte=used_since())
        found |= Q(Exists(asked))
    return found
