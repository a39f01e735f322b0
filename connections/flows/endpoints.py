"""Writes down which endpoints connections used: one row each, touched at most twice a day."""

from __future__ import annotations

import logging
from itertools import groupby
from operator import itemgetter

from connections import used
from portal import clock, roles, tenancy

log = logging.getLogger(__name__)

# Joined with the connection, because it may be gone by now.
_KEEP = """
INSERT INTO connections_usedendpoint AS known
       (id, organization_id, connection_id, endpoint, first_at, last_at)
SELECT gen_random_uuid(), c.organization_id, c.id, new.endpoint, %(now)s, %(now)s
  FROM unnest(%(connections)s::uuid[], %(endpoints)s::text[]) AS new (connection_id, endpoint)
  JOIN connections_connection c ON c.id = new.connection_id
    ON CONFLICT (organization_id, connection_id, endpoint) DO UPDATE
   SET last_at = excluded.last_at
 WHERE known.last_at < excluded.last_at - interval '12 hours'
"""


def keep() -> None:
    """What this process noted is kept; what could not be is tried again at the next sweep."""
    waiting = used.take()
    for organization_id, uses in groupby(waiting, itemgetter(0)):
        of_one = list(uses)
        try:
            with tenancy.elsewhere(organization_id), tenancy.transaction():
                _write(of_one)
        except Exception:
            used.give_back(of_one)
            log.exception("endpoints.not_kept", extra={"count": len(of_one)})


def _write(uses: list[used.Use]) -> None:
    with roles.connection().cursor() as cursor:
        cursor.execute(
            _KEEP,
            {
                "now": clock.now(),
                "connections": [connection for _, connection, _ in uses],
                "endpoints": [endpoint for _, _, endpoint in uses],
            },
        )
