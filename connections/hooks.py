"""What the ground floor's pages say of connections: who leaves what behind, how many there are."""

from __future__ import annotations

from uuid import UUID

from connections.flows import departure, restore
from connections.lookups import connections_by_organization
from portal import people, platform, startup
from portal.phrases import plural

NAMED = 3


@people.on_departure
def granted_by(user_id: UUID) -> list[str]:
    """The connections that act by this person's consent: they may end at the vendor with them."""
    granted = departure.granted_by(user_id)
    count = granted.count()
    if not count:
        return []
    names = ", ".join(granted.order_by("name").values_list("name", flat=True)[:NAMED])
    more = f" and {count - NAMED} more" if count > NAMED else ""
    return [
        f"{plural(count, 'connection rests,connections rest')} on this person's consent:"
        f" {names}{more}. They go on until the vendor withdraws it; have somebody else link them"
        " again."
    ]


startup.before_work(restore.settle)
platform.on_counts("Connections", connections_by_organization)
