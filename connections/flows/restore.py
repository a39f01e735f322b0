"""After a restored backup: what must not be sent is found, held back, and its people are asked.

Compares the database with the high-water marks when a worker starts. A refresh token that was spent
since the backup is asked about once more while the vendor's grace lasts, and never after.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby, islice
from uuid import UUID

from connections import high_water, places
from connections.flows import health, key_stops, telling, verify
from connections.high_water import Mark
from connections.models import Connection, Credential, HeldBack, RefreshAttempt
from portal import audit, clock, everybody, roles, tenancy, vault
from portal.models import Organization, Tombstone
from portal.policy import SYSTEM

log = logging.getLogger(__name__)

GRACE = timedelta(minutes=9, seconds=30)  # of the vendor's ten, the rest is for the way there
ASK_AGAIN = "ask_again"
PORTION = 1000
LOCK = 0x7265_7374  # any number of our own
Because = HeldBack.Because


@dataclass(frozen=True, slots=True)
class Behind:
    """A connection that had come further than the database knows; `finding` says how."""

    mark: Mark
    finding: str


def settle() -> list[Behind]:
    """Whatever is behind its mark is asked again, or held back and told. Before any work begins.

    Service keys that were revoked since the backup live again, so all of then are frozen first.
    """
    found: list[Behind] = []
    noticed = compare()
    if not noticed:
        return found
    newest = max(max(one.mark.received_at, one.mark.linked_at) for one in noticed)
    everybody.for_each(everybody.organizations(), lambda: _freeze_keys(newest))
    for portion in _portions():
        with tenancy.acting_for(portion[0].organization_id), tenancy.transaction():
            _one_at_a_time()
            behind = list(_compared(portion))
            for one in behind:
                _settle(one)
        found += behind
    high_water.lower(one.mark.connection_id for one in found if one.finding == Because.MISSING)
    log.error("restore.noticed", extra={"behind": len(found)})
    return found


def _freeze_keys(made_by: datetime) -> None:
    with tenancy.transaction():
        key_stops.freeze_restored(made_by)


def compare() -> list[Behind]:
    """What is behind its mark and not held back yet; changes nothing."""
    found: list[Behind] = []
    for portion in _portions():
        with tenancy.acting_for(portion[0].organization_id), tenancy.transaction():
            found += _compared(portion)
    return found


def _portions() -> Iterator[list[Mark]]:
    """The marks of organizations that there are, at most so many of one at a time.

    One that is being erased loses its connections by intent: nothing of it was lost by a restore.
    """
    with roles.using_role("sweeper"):
        known = set(Organization.objects.values_list("id", flat=True))
    known -= set(Tombstone.objects.values_list("erased_id", flat=True))
    marks = (mark for mark in high_water.standing() if mark.organization_id in known)
    for _, theirs in groupby(marks, key=lambda mark: mark.organization_id):
        while portion := list(islice(theirs, PORTION)):
            yield portion


def _one_at_a_time() -> None:
    """Two workers that start together hold back each connection once."""
    with roles.connection().cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])


def _compared(marks: list[Mark]) -> Iterator[Behind]:
    ids = [mark.connection_id for mark in marks]
    connections = Connection.objects.only("id", "organization_id", "state", "linked_at")
    links = connections.in_bulk(ids)
    told = dict(HeldBack.objects.order_by("at").values_list("connection_id", "at"))
    credentials = Credential.objects.only("id", "organization_id", "connection_id", "version")
    current = {
        credential.connection_id: credential
        for credential in credentials.filter(connection_id__in=ids, replaced_at=None)
    }
    for mark in marks:
        connection, at = links.get(mark.connection_id), told.get(mark.connection_id)
        finding = _finding(mark, connection, current.get(mark.connection_id))
        if finding and (at is None or at < mark.linked_at):
            yield Behind(mark, finding)


def _finding(mark: Mark, connection: Connection | None, credential: Credential | None) -> str:
    if connection is None:
        return "" if mark.revoked else Because.MISSING
    if connection.state == Connection.State.REVOKED:
        return ""
    if mark.revoked:
        return Because.REVOKED
    if connection.linked_at < mark.linked_at:
        return Because.RELINKED
    if credential is None or credential.id != mark.credential_id:
        return ""
    if credential.version >= mark.generation or not _is_spent(credential):
        return ""
    spent_by_the_last = mark.generation == credential.version + 1
    is_recent = clock.now() - mark.received_at < GRACE
    return ASK_AGAIN if spent_by_the_last and is_recent else Because.SPENT


def _is_spent(credential: Credential) -> bool:
    """Whether a later answer replaced its refresh token; some vendors give the same one again."""
    if not vault.holds(places.of_credential(credential, places.REFRESH)):
        return False
    attempts = RefreshAttempt.objects.filter(credential_id=credential.id)
    last = attempts.exclude(received_version=None).order_by("-at").first()
    return last is None or last.received not in {"", last.spent}


def _settle(behind: Behind) -> None:
    mark, finding = behind.mark, behind.finding
    if finding == ASK_AGAIN:
        _ask_again(mark.credential_id)
        return
    held = HeldBack.objects.create(
        connection_id=mark.connection_id, name=mark.name, because=finding
    )
    connection = Connection.objects.filter(id=mark.connection_id).first()
    if connection is None:
        telling.lost_by_restore(held)
        return
    telling.held_back(connection, held)  # first: one notice says all that follows from it
    if finding == Because.REVOKED:
        connection.paused_at = connection.paused_at or clock.now()
        connection.save(update_fields=["paused_at"])
    credential = Credential.objects.filter(connection_id=connection.id, replaced_at=None).first()
    if credential is not None:
        _quarantine(connection, credential)
    audit.record(
        audit.Action.CONNECTION_HELD_BACK, actor=SYSTEM, subject=connection, because=finding
    )


def _ask_again(credential_id: UUID) -> None:
    """In doubt: the sweeper repeats the call with the parent that the backup has, now."""
    now = clock.now()
    for credential in Credential.objects.filter(id=credential_id):
        Credential.objects.filter(id=credential.id, version=credential.version).update(
            intent_version=credential.version,
            intent_at=now,
            refresh_due_at=now,
            lease_owner=None,
            lease_until=None,
        )


def _quarantine(connection: Connection, credential: Credential) -> None:
    """Its refresh token is never sent; a living access token may tell how the vendor stands."""
    now = clock.now()
    Credential.objects.filter(id=credential.id).update(
        quarantined_at=now,
        refresh_due_at=None,
        intent_version=None,
        lease_owner=None,
        lease_until=None,
    )
    if _lives(credential, now):
        verify.start(connection, requested_by="")
    else:
        health.refused(connection, "restored", at_once=True)


def _lives(credential: Credential, now: datetime) -> bool:
    return credential.expires_at is None or credential.expires_at > now
