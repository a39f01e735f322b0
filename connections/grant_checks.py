"""The doctor's check of grants: each one that renews itself will be renewed, and in time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from uuid import UUID

from django.db import connections as databases

from connections.models import Connection, Credential
from portal import clock, doctor, fairness, tenancy
from portal.problem import Problem

# A renewal that a full budget or an open breaker holds up is asked for again by every sweep.
_FORGOTTEN: Final = """
SELECT count(*) FROM connections_credential c
 WHERE c.refresh_due_at < %(now)s - interval '1 minute' AND c.quarantined_at IS NULL
   AND (c.lease_until IS NULL OR c.lease_until < %(now)s)
   AND NOT EXISTS (
       SELECT FROM portal_job j
        WHERE j.organization_id = c.organization_id
          AND j.kind IN ('refresh_due', 'refresh_credential')
          AND (j.done_at IS NULL OR j.done_at > now() - interval '1 minute'))
"""


@doctor.check("grants")
def grants() -> Iterator[Problem]:
    """An active grant that can be refreshed has a time for it, ahead or with a job at work."""
    without = sum(map(_without_a_time, _organizations()))
    if without:
        yield Problem(
            f"{without} active grants can be refreshed and have no time for it.",
            "Verify their connections: each verification plans the next refresh.",
        )
    if not fairness.hands():
        return  # the check of workers says so
    with databases["sweeper"].cursor() as cursor:
        cursor.execute(_FORGOTTEN, {"now": clock.now()})
        (forgotten,) = cursor.fetchone()
    if forgotten:
        yield Problem(
            f"{forgotten} grants should have been refreshed over a minute ago, and no job does.",
            "Read the workers' logs for refresh and schedules.",
        )


def _organizations() -> list[UUID]:
    with databases["sweeper"].cursor() as cursor:
        cursor.execute("SELECT id FROM portal_organization")
        return [row[0] for row in cursor.fetchall()]


def _without_a_time(organization_id: UUID) -> int:
    with tenancy.acting_for(organization_id), tenancy.transaction():
        found = Credential.objects.filter(
            connection__state=Connection.State.ACTIVE,
            connection__paused_at=None,
            refreshable=True,
            replaced_at=None,
            quarantined_at=None,
            intent_version=None,
            refresh_due_at=None,
        )
        return int(found.count())
