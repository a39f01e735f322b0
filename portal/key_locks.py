"""One at a time makes or destroys an organization's data keys."""

from __future__ import annotations

from typing import Final

from portal import roles, tenancy

CLASS: Final = 0x646B_6579  # any number of our own


def hold() -> None:
    """Until this transaction ends, nobody else makes or destroys the organization's data keys.

    Rows that a later statement reads are those that whoever held it before has left. Jobs are held
    before this lock is taken, never after it.
    """
    with roles.connection().cursor() as cursor:
        here = str(tenancy.organization_id())
        cursor.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", [CLASS, here])
