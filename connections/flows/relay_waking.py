"""Targets that have something due and no job, and what is kept of links no longer than needed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.db import connections as databases

from connections.errors import RateLimited
from connections.flows import relay_capture, relay_outbox
from connections.models import Link, LinkState, RelayAttempt, RelayItem, RelayState
from portal import clock, everybody, tenancy, work

KEPT: Final = timedelta(days=30)
PORTION: Final = 2000

_DUE: Final = """
SELECT l.organization_id, array_agg(DISTINCT l.target_id) FROM connections_link l
  JOIN connections_connection c ON c.organization_id = l.organization_id AND c.id = l.target_id
 WHERE l.state IN ('active', 'removing') AND (l.waits_until IS NULL OR l.waits_until <= %(now)s)
   AND c.paused_at IS NULL AND c.state <> 'revoked'
   AND (l.state = 'removing'
        OR EXISTS (SELECT FROM connections_relayitem i
                    WHERE i.organization_id = l.organization_id AND i.link_id = l.id
                      AND i.due_at <= %(now)s
                      AND (i.lease_until IS NULL OR i.lease_until < %(now)s))
        OR EXISTS (SELECT FROM connections_smartdeed d
                    WHERE d.organization_id = l.organization_id AND d.link_id = l.id
                      AND d.due_at <= %(now)s))
 GROUP BY 1
"""


@work.every("connections.wake_relays", settings.SWEEP_SECONDS)
def wake() -> None:
    """Every target with something due has a job. Twice does no harm."""
    with databases["sweeper"].cursor() as cursor:
        cursor.execute(_DUE, {"now": clock.now()})
        due = cursor.fetchall()
    for organization_id, targets in due:
        with tenancy.acting_for(organization_id), tenancy.transaction():
            for target_id in sorted(targets):
                relay_outbox.ask(target_id, hurry=True)


def freed(target_id: UUID) -> None:
    """The target takes its credential again: what waited for somebody to mend it goes at once."""
    rows = Link.objects.filter(target_id=target_id, waits_until__isnull=False)
    rows = rows.filter(state__in=(LinkState.ACTIVE, LinkState.REMOVING))
    if rows.exclude(waits_for=RateLimited.code).update(waits_for="", waits_until=None):
        relay_capture.ask_after_commit(target_id)


@work.every("connections.forget_relayed", 6 * 3600)
def forget() -> None:
    """The log of a month ago goes, and what never was at a target."""
    everybody.for_each(everybody.organizations(), forget_here)


def forget_here() -> None:
    """The same for the acting organization; outside of transactions."""
    before = clock.now() - KEPT
    _delete(RelayAttempt, at__lt=before)
    _delete(
        RelayItem,
        state__in=(RelayState.NOTHING, RelayState.DISCARDED),
        subjects=[],
        due_at=None,
        changed_at__lt=before,
    )
    _delete(
        RelayItem,
        link__state=LinkState.REMOVED,
        link__removal_ended_at__lt=before,
    )


def _delete(model: type[Any], **which: Any) -> None:
    """These go, a portion to a transaction."""
    deleted = PORTION
    while deleted >= PORTION:
        with tenancy.transaction():
            ids = list(model.objects.filter(**which).values_list("id", flat=True)[:PORTION])
            deleted = len(ids)
            model.objects.filter(id__in=ids).delete()
