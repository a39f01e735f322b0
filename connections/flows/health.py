"""When a refusal is believed: suspect at first, needs_reauthorization after a third look."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from connections.models import Connection
from portal import audit
from portal.policy import SYSTEM

SUSPECT_FOR = timedelta(minutes=10)
LOOK_AGAIN = (timedelta(seconds=90), timedelta(minutes=12))


def refused(connection: Connection, code: str, *, at_once: bool = False) -> None:
    """Suspect first; the third look, ten minutes later, makes it needs_reauthorization."""
    now = timezone.now()
    connection.failed(code)
    suspect_since = connection.suspect_since
    if at_once or (suspect_since is not None and now - suspect_since >= SUSPECT_FOR):
        connection.state = Connection.State.NEEDS_REAUTHORIZATION
        connection.save(update_fields=["state"])
        audit.record(
            audit.Action.CONNECTION_STATE_CHANGED,
            actor=SYSTEM,
            subject=connection,
            state=connection.state,
            because=code,
        )
        return
    wait = LOOK_AGAIN[0] if suspect_since is None else LOOK_AGAIN[1]
    connection.suspect_since = suspect_since or now
    connection.next_verification_at = now + wait
    connection.save(update_fields=["suspect_since", "next_verification_at"])
