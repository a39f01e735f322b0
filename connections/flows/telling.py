"""What people are told of connections: one function for each kind, called where it happens.

Each belongs to the transaction of what happened, and says it to the people who may mend that
connection. Called again for the same trouble it changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Q
from django.urls import reverse

from connections import registry
from connections.flows import told_kinds as kinds
from connections.models import Breaker, Connection, Credential, HeldBack, SyncRun, Verification
from portal import notices, tenancy
from portal.models import Notice, Organization
from portal.policy import Permission

NAMED_CHANGES = 3


@dataclass(frozen=True, slots=True)
class Named:
    """Something to tell of that has no row of its own here."""

    id: UUID
    name: str

    def __str__(self) -> str:
        return self.name


# ── The grant ─────────────────────────────────────────────────────────────────────────────────


def refused(connection: Connection) -> None:
    """The vendor refused the credential once; we look again before we believe it."""
    if not _is_told_of_restore(connection):
        _tell(kinds.REFUSED, connection, page="connection")


def needs_link(connection: Connection) -> None:
    """It is believed: the grant is gone, and only a new link helps.

    Of what a restore left behind people were asked that already.
    """
    notices.resolve(_cause(kinds.REFUSED, connection))
    if not _is_told_of_restore(connection):
        _tell(kinds.NEEDS_LINK, connection, page="connection")


def recovered(connection: Connection) -> None:
    """It works again; who had been told of the trouble is told that."""
    restored(connection)
    causes = [_cause(kind, connection) for kind in (kinds.REFUSED, kinds.NEEDS_LINK)]
    for at_fault in (connection.id, connection.consumer_id, connection.connector):
        causes.append(stop_cause(at_fault))
    _recovered(Q(dedupe__in=causes))


def stop_cause(at_fault: UUID | str | None) -> str:
    """The cause that connections stand still: one of them, their consumer, or their connector."""
    return f"{kinds.STOPPED}:{at_fault}"


def menders(connection: Connection) -> set[UUID]:
    """Who may mend this connection."""
    return notices.who_may(
        Permission.CONNECTION_MEND,
        team_id=connection.team_id,
        granted_by=connection.granted_by_id,
    )


def over(connection: Connection) -> None:
    """It was revoked: nobody needs to do anything about it any more. Nobody is told."""
    causes = Notice.objects.filter(subject_id=connection.id, resolved_at=None)
    for cause in list(causes.values_list("dedupe", flat=True)):
        notices.resolve(cause)


def owner_left(connection: Connection, body: str = "") -> None:
    """Who granted it is gone, here or at the vendor; a successor is asked."""
    _tell(
        kinds.OWNER_LEFT,
        connection,
        page="connection",
        permission=Permission.CONNECTION_MANAGE,
        body=body,
    )


def owner_found(connection: Connection) -> None:
    """Somebody linked it again in their own name."""
    notices.resolve(_cause(kinds.OWNER_LEFT, connection))


# ── What a verification or a sync found ───────────────────────────────────────────────────────


def drift(connection: Connection, verification: Verification) -> None:
    """The vendor allows something else than it did at the verification before."""
    _tell(
        kinds.DRIFT,
        connection,
        page="connection_verification",
        dedupe=f"{kinds.DRIFT}:{verification.id}",
        body=_changes(verification.drift),
    )


def quarantined(connection: Connection, run: SyncRun) -> None:
    """So much is gone that nothing was removed; a person decides."""
    missing = sum(held["missing"] for held in run.shrink)
    before = sum(held["before"] for held in run.shrink)
    _tell(
        kinds.QUARANTINED,
        connection,
        page="connection_sync",
        permission=Permission.CONNECTION_MANAGE,
        title=f"{connection}: {missing} of {before} rows seem to be gone",
    )


def quarantine_over(connection: Connection) -> None:
    """Somebody agreed, or a later sync saw everything again."""
    notices.resolve(_cause(kinds.QUARANTINED, connection))


# ── After a restored backup ───────────────────────────────────────────────────────────────────


def held_back(connection: Connection, held: HeldBack) -> None:
    """The restored backup is older than this connection's credential, which is not used."""
    _forget_restores(connection.id)
    _tell(
        kinds.RESTORED,
        connection,
        page="connection",
        dedupe=_of_restore(held),
        body=f"{held.get_because_display()}. Link it again.",
    )


def lost_by_restore(held: HeldBack) -> None:
    """The connection was made after the backup that was restored; only its name is known."""
    _forget_restores(held.connection_id)
    notices.tell(
        kinds.RESTORED,
        subject=Named(held.connection_id, held.name),
        audience=notices.who_may(Permission.CONNECTION_MANAGE),
        dedupe=_of_restore(held),
        url=page_of("connections"),
        title=f"{held.name} is missing after a restore",
        body="It was linked after the backup was made. Link one of the same name to have it back.",
    )


def restored(connection: Connection) -> None:
    """What a restore left behind is over with another credential, or for what was missing with
    another connection of its name; names are never used twice."""
    credentials = Credential.objects.filter(connection_id=connection.id, replaced_at=None)
    if not credentials.exclude(quarantined_at=None).exists():
        theirs = Q(subject_id=connection.id) | Q(subject_name=connection.name)
        _recovered(Q(kind=kinds.RESTORED) & theirs)


def _of_restore(held: HeldBack) -> str:
    """The cause; a later restore is another one."""
    return f"{kinds.RESTORED}:{held.id}"


def _forget_restores(connection_id: UUID) -> None:
    """What an earlier restore left behind is told anew."""
    earlier = Notice.objects.filter(kind=kinds.RESTORED, subject_id=connection_id, resolved_at=None)
    for cause in list(earlier.values_list("dedupe", flat=True)):
        notices.resolve(cause)


def _is_told_of_restore(connection: Connection) -> bool:
    told = Notice.objects.filter(kind=kinds.RESTORED, subject_id=connection.id, resolved_at=None)
    return bool(told.exists())


# ── A vendor in trouble ───────────────────────────────────────────────────────────────────────


def storm_cause(breaker: Breaker) -> str:
    """The cause that whoever the breaker is about is in trouble; a server's two parts are one."""
    return f"{kinds.STORM}:{breaker.server or breaker.id}"


def provider_storm(breaker: Breaker) -> None:
    """So many grants of one vendor fail that we stopped believing it. Operators are told.

    Call it acting for the platform.
    """
    notices.tell(
        kinds.STORM_OPERATORS,
        subject=breaker,
        audience=notices.operators(),
        dedupe=storm_cause(breaker),
        url=reverse("platform_connectors"),
    )


def provider_well(breaker: Breaker) -> None:
    """The vendor answers as usual again. Call it acting for the platform."""
    notices.recovered(storm_cause(breaker), kind=kinds.STORM_OVER_OPERATORS)


def provider_storm_here(breaker: Breaker) -> None:
    """It lasts for hours: the acting organization's people are told, in one notice."""
    product = registry.get(breaker.connector).manifest.name
    notices.tell(
        kinds.STORM,
        subject=Named(breaker.id, product),
        audience=notices.who_may(Permission.CONNECTION_MEND),
        dedupe=storm_cause(breaker),
        url=page_of("connections"),
    )


def provider_well_here(breaker: Breaker) -> None:
    """The vendor answers as usual again, for the acting organization's people."""
    notices.recovered(storm_cause(breaker), kind=kinds.STORM_OVER)


def _recovered(which: Q) -> None:
    still_open = Notice.objects.filter(which, resolved_at=None)
    for cause in list(still_open.values_list("dedupe", flat=True)):
        notices.recovered(cause, kind=kinds.RECOVERED)


def _tell(
    kind: str,
    connection: Connection,
    *,
    page: str,
    permission: Permission = Permission.CONNECTION_MEND,
    dedupe: str = "",
    **words: Any,
) -> None:
    notices.tell(
        kind,
        subject=connection,
        audience=notices.who_may(
            permission, team_id=connection.team_id, granted_by=connection.granted_by_id
        ),
        dedupe=dedupe or _cause(kind, connection),
        url=page_of(page, connection.id),
        team_id=connection.team_id,
        **words,
    )


def _cause(kind: str, connection: Connection) -> str:
    return f"{kind}:{connection.id}"


def page_of(name: str, *ids: UUID) -> str:
    """The address of this page of the acting organization."""
    slug = Organization.objects.get(id=tenancy.organization_id()).slug
    return reverse(name, args=[slug, *ids])


def _changes(found: list[dict[str, Any]]) -> str:
    """The first changes in words, and how many more there are."""
    lines = [_change(one) for one in found[:NAMED_CHANGES]]
    more = len(found) - NAMED_CHANGES
    return "; ".join([*lines, *([f"{more} more"] if more > 0 else [])]) + "."


def _change(one: dict[str, Any]) -> str:
    what, before, after = one["what"], one["before"], one["after"]
    if not after:
        return f"{what} {before} is gone"
    return f"{what} {after} is new" if not before else f"{what}: {before} became {after}"
