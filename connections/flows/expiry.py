"""Warnings before something ends: at thirty, fourteen, seven and one day, each once.

Credentials that do not renew themselves, keys of other services, what a rotation policy wants
replaced, and campaigns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial
from math import ceil
from uuid import UUID

from connections.flows import policies, telling, telling_campaigns, telling_due, told_kinds
from connections.flows.policies import Rule
from connections.models import Campaign, Connection, Credential, RotationPolicy, ServiceKey
from portal import clock, everybody, notices, tenancy, work
from portal.models import Notice

MARKS = (1, 7, 14, 30)
LAST = timedelta(days=MARKS[-1])
MOST_OVERDUE = 50  # single notices; above it there is one for all of them
KINDS = (
    *(told_kinds.EXPIRES, told_kinds.KEY_EXPIRES, told_kinds.ROTATION_DUE),
    *(told_kinds.ROTATION_OVERDUE, told_kinds.ROTATION_ESCALATED, told_kinds.ROTATION_MANY),
    told_kinds.ROTATION_PERSONAL,
)

Warning = tuple[str, Callable[[], None]]  # the cause, and what tells of it


@work.every("connections.expiry", 3600)
def warn_everybody() -> None:
    """Every organization's warnings are as its credentials and keys are now."""
    everybody.for_each(everybody.organizations(), _warn)


def _warn() -> None:
    with tenancy.transaction():
        warn()


def warn() -> None:
    """The acting organization's: one open warning for each that ends, and none that is over."""
    now = clock.now()
    due = dict([*_credentials(now), *_keys(now), *_rotations(now), *_forbidden()])
    still_open = Notice.objects.filter(kind__in=KINDS, resolved_at=None)
    for cause in still_open.values_list("dedupe", flat=True):
        if cause not in due:
            notices.resolve(cause)
    for tell in due.values():
        tell()
    for campaign in Campaign.objects.filter(ended_at=None, cancelled_at=None):
        telling_campaigns.remind(campaign)


def mark_of(expires_at: datetime, now: datetime) -> int:
    """Which of the warnings it is time for."""
    return next(mark for mark in MARKS if expires_at - now <= timedelta(days=mark))


def days_left(at: datetime, now: datetime) -> int:
    """How many days are left, the day that has begun included."""
    return ceil((at - now) / timedelta(days=1))


def _credentials(now: datetime) -> Iterator[Warning]:
    """Those in use that end within thirty days and cannot renew themselves."""
    found = Credential.objects.select_related("connection").filter(
        replaced_at=None,
        refreshable=False,
        expires_at__gt=now,
        expires_at__lte=now + LAST,
        connection__paused_at=None,
    )
    for one in found.exclude(connection__state=Connection.State.REVOKED):
        assert one.expires_at is not None
        cause = telling.expiry(one.connection, mark_of(one.expires_at, now))
        days = days_left(one.expires_at, now)
        yield cause, partial(telling.expires, one.connection, days, cause)


def _keys(now: datetime) -> Iterator[Warning]:
    """Keys of services that end within thirty days, frozen ones too."""
    found = ServiceKey.objects.filter(
        revoked_at=None, expires_at__gt=now, expires_at__lte=now + LAST
    )
    for key in found:
        assert key.expires_at is not None
        cause = telling_due.key_expiry(key, mark_of(key.expires_at, now))
        days = days_left(key.expires_at, now)
        yield cause, partial(telling_due.key_expires, key, days, cause)


# ── Rotation policies ─────────────────────────────────────────────────────────────────────────


def _rotations(now: datetime) -> Iterator[Warning]:
    """Credentials that a policy, or a mark of their own, wants replaced within thirty days."""
    found = policies.with_due(policies.current()).filter(due_at__lte=now + LAST)
    found = found.select_related("connection").order_by("due_at")
    overdue = found.filter(due_at__lte=now)
    general, own = Rule.of(policies.of_organization()), _own_policies()
    is_many = (count := overdue.count()) > MOST_OVERDUE
    if is_many:
        cause = told_kinds.ROTATION_MANY
        yield cause, partial(telling_due.many_overdue, count, cause)
    for one in found.filter(due_at__gt=now) if is_many else found:
        rule = policies.holding(own.get(one.connection_id), general, now)
        yield from _overdue(one, rule, now) if one.due_at <= now else _due(one, rule, now)


def _due(one: Credential, rule: Rule, now: datetime) -> Iterator[Warning]:
    """Not of what ends before: its own end is told."""
    due_at: datetime = one.due_at  # type: ignore[attr-defined]
    if not one.refreshable and one.expires_at is not None and one.expires_at <= due_at:
        return
    mark = mark_of(due_at, now)
    cause = telling_due.rotation(told_kinds.ROTATION_DUE, one.connection, mark)
    days = days_left(due_at, now)
    yield cause, partial(telling_due.rotation_due, one.connection, rule, days, cause)


def _overdue(one: Credential, rule: Rule, now: datetime) -> Iterator[Warning]:
    cause = telling_due.rotation(told_kinds.ROTATION_OVERDUE, one.connection)
    yield cause, partial(telling_due.rotation_overdue, one.connection, rule, cause)
    days = (now - one.due_at).days  # type: ignore[attr-defined]
    if rule.escalate_after_days is not None and days >= rule.escalate_after_days:
        higher = telling_due.rotation(told_kinds.ROTATION_ESCALATED, one.connection)
        yield higher, partial(telling_due.rotation_escalated, one.connection, days, higher)


def _own_policies() -> dict[UUID, RotationPolicy]:
    found = RotationPolicy.objects.exclude(connection=None)
    return {one.connection_id: one for one in found}


def _forbidden() -> Iterator[Warning]:
    """One notice for all credentials that act as a person and must not."""
    count = policies.with_due(policies.current()).filter(is_forbidden=True).count()
    if count:
        cause, rule = told_kinds.ROTATION_PERSONAL, Rule.of(policies.of_organization())
        yield cause, partial(telling_due.forbidden, count, rule, cause)
