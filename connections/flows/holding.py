"""While a vendor's breaker is open, nobody is mailed about a single connection of that vendor.

The notice is in the inbox; most of it is over before anybody has to be told (trust.md §5.5).
"""

from __future__ import annotations

from uuid import UUID

from connections.flows import breaker, told_kinds, vendors
from connections.models import Connection
from portal import notices, tenancy
from portal.models import Notice


def of_open_breakers(found: list[Notice]) -> set[UUID]:
    """Those about connections whose vendor is in trouble now."""
    with tenancy.transaction():
        subjects = [notice.subject_id for notice in found]
        concerned = Connection.objects.filter(id__in=subjects).only("id", "connector", "fields")
        asked = {connection.id: vendors.of(connection) for connection in concerned}
        in_trouble = {where for where in set(asked.values()) if breaker.is_open(where)}
    return {notice.id for notice in found if asked.get(notice.subject_id) in in_trouble}


for _kind in (told_kinds.REFUSED, told_kinds.NEEDS_LINK):
    notices.on_hold(_kind, of_open_breakers)
