"""What the platform permits beyond the public internet, as the network door reads it."""

from __future__ import annotations

from uuid import UUID

from connections import origins
from connections.hostnames import bracketed
from portal import roles


def entries(organization_id: UUID) -> tuple[origins.AllowEntry, ...]:
    """The entries in force for this organization; one made for it alone comes before a general one.

    Read anew each time, so that a withdrawal holds from the next call on. Callable inside and
    outside of transactions.
    """
    with roles.connection().cursor() as cursor:
        cursor.execute(
            "SELECT host, networks, ports, http, ca_pem FROM connections_allowed(%s)",
            [organization_id],
        )
        return tuple(
            origins.allow_entry(
                bracketed(host), networks, ports=ports, http=http, ca_pem=ca_pem or None
            )
            for host, networks, ports, http, ca_pem in cursor.fetchall()
        )
