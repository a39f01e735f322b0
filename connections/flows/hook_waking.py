"""Webhooks at vendors that are due for a look, or for a container that is new: each minute.

Found through the sweeper's role in all organizations at once.
"""

from __future__ import annotations

from typing import Final

from django.db import connections as databases

from connections.flows import hook_rounds
from connections.models import Connection
from portal import clock, tenancy, work

EVERY_SECONDS: Final = 60

_DUE: Final = """
SELECT p.organization_id, array_agg(p.connection_id) FROM connections_hookplan p
  JOIN connections_connection c ON c.organization_id = p.organization_id AND c.id = p.connection_id
 WHERE p.next_at <= %s AND c.paused_at IS NULL AND c.state <> 'revoked'
 GROUP BY 1
"""


@work.every("connections.wake_hooks", EVERY_SECONDS)
def wake() -> None:
    """Every connection with such a container has a job. Twice does no harm."""
    with databases["sweeper"].cursor() as cursor:
        cursor.execute(_DUE, [clock.now()])
        due = cursor.fetchall()
    for organization_id, ids in due:
        with tenancy.acting_for(organization_id), tenancy.transaction():
            for connection in Connection.objects.filter(id__in=ids).order_by("id"):
                hook_rounds.ask(connection)
