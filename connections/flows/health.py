"""When a refusal is believed: suspect at first, needs_reauthorization after a third look."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from connections.models import Connection, Verification
from portal import audit
from portal.policy import SYSTEM

SUSPECT_FOR = timedelta(minutes=10)
LOOKS = 3
LOOK_AGAIN = (timedelta(seconds=90), timedelta(minutes=12))


def refused(connection: Connection, code: str, *, at_once: bool = False) -> None:
    """Suspect first; the third look, ten minutes later, makes it needs_reauthorization."""
    now = timezone.now()
    connection.failed(code)
    since = connection.suspect_since
    if connection.state == Connection.State.NEEDS_REAUTHORIZATION:
        return
    is_old = since is not None and now - since >= SUSPECT_FOR
    if at_once or (is_old and _looks(connection) >= LOOKS):
        _turn(connection, Connection.State.NEEDS_REAUTHORIZATION, code)
        return
    wait = LOOK_AGAIN[0] if since is None else LOOK_AGAIN[1]
    connection.suspect_since = since or now
    connection.next_verification_at = now + wait
    connection.save(update_fields=["suspect_since", "next_verification_at"])


def accepted(connection: Connection) -> None:
    """The vendor answers for the linked account: active, without suspicion."""
    if connection.state == Connection.State.NEEDS_REAUTHORIZATION:
        _turn(connection, Connection.State.ACTIVE, "verified")
    connection.state = Connection.State.ACTIVE
    connection.save(update_fields=["state"])
    connection.succeeded()


def _looks(connection: Connection) -> int:
    """How many verifications were refused since the suspicion arose, the one that raised it too.

    That one had ended a moment before it did.
    """
    later: int = Verification.objects.filter(
        connection_id=connection.id,
        outcome=Verification.Outcome.FAILED,
        finished_at__gt=connection.suspect_since,
    ).count()
    return later + 1


def _turn(connection: Connection, state: str, because: str) -> None:
    connection.state = state
    connection.save(update_fields=["state"])
    audit.record(
        audit.Action.CONNECTION_STATE_CHANGED,
        actor=SYSTEM,
        subject=connection,
        state=state,
        because=because,
    )
