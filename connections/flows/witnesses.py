"""Other connections to a server that refused one are asked: is it the server, or that credential?

Idle ones are asked every quarter of an hour only. By then the first suspicion would be believed.
"""

from __future__ import annotations

from typing import Final

from connections.contracts import BASE_URL
from connections.models import Connection
from portal import work

LOOK: Final = "look_at_connection"
ASKED: Final = 4  # with the refused one enough to say that a server refuses everybody, or does not


def look(connection: Connection) -> None:
    """Look at it now, whatever the schedule says. Call it inside a transaction."""
    work.later(
        LOOK,
        priority=work.WAITING,
        dedupe=f"look:{connection.id}",
        connection_id=connection.id,
    )


def ask(refused: Connection) -> None:
    """Some others of this organization at the same server are looked at: who was well last, first.

    Nobody is asked for a vendor of everybody: there others are heard all the time.
    """
    base_url = refused.fields.get(BASE_URL, "")
    if not base_url:
        return
    others = Connection.objects.filter(
        connector=refused.connector,
        fields__base_url=base_url,
        state=Connection.State.ACTIVE,
        paused_at=None,
        suspect_since=None,
    )
    for other in others.exclude(id=refused.id).order_by("-last_success_at", "id")[:ASKED]:
        look(other)
