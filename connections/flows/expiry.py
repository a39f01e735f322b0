"""Warnings before something ends: at thirty, fourteen, seven and one day, each once.

Credentials that do not renew themselves, keys of other services, what a rotation policy wants
replaced, and campaigns. Much of it at once is one notice for each place (`telling_many.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from itertools import groupby
from math import ceil
from typing import Any, Final
from uuid import UUID

from connections.flows import policies, telling_campaigns, telling_due, telling_many, told_kinds
from connections.flows.policies import Rule
from connections.flows.telling_many import Warning
from connections.models import Campaign, Connection, Credential, RotationPolicy, ServiceKey
from portal import clock, everybody, notices, tenancy, work
from portal.audience import People
from portal.models import Notice

MARKS = (1, 7, 14, 30)
LAST = timedelta(days=MARKS[-1])
MOST_OVERDUE = 50  # single notices; above it there is one for each place
MOST_A_DAY = 20  # single notices of what ends, or is due, on one day
KINDS = (
    *(told_kinds.EXPIRES, told_kinds.KEY_EXPIRES, told_kinds.ROTATION_DUE),
    *(told_kinds.ROTATION_OVERDUE, told_kinds.ROTATION_ESCALATED, told_kinds.ROTATION_MANY),
    *(told_kinds.ROTATION_PERSONAL, told_kinds.ROTATION_OWN),
)
FIELDS: Final = {told_kinds.EXPIRES: "expires_at", told_kinds.ROTATION_DUE: "due_at"}


@dataclass(frozen=True, slots=True)
class Look:
    """What one look at an organization begins with: the time, its people, what is open."""

    now: datetime = field(default_factory=clock.now)
    people: People = field(default_factory=People)
    still_open: frozenset[str] = field(default_factory=lambda: frozenset(_open()))


def _open() -> Iterator[str]:
    found = Notice.objects.filter(kind__in=KINDS, resolved_at=None)
    yield from found.values_list("dedupe", flat=True)


@work.every("connections.expiry", 3600)
def warn_everybody() -> None:
    """Every organization's warnings are as its credentials and keys are now."""
    everybody.for_each(everybody.organizations(), _warn)


def _warn() -> None:
    with tenancy.transaction():
        warn()


def warn() -> None:
    """The acting organization's: one open warning for each that ends, and none that is over."""
    look = Look()
    due = dict([*_credentials(look), *_keys(look), *_rotations(look), *_forbidden(look)])
    for cause in look.still_open - due.keys():
        notices.resolve(cause)
    for cause, tell in due.items():
        if cause not in look.still_open:
            tell()
    for campaign in Campaign.objects.filter(ended_at=None, cancelled_at=None):
        telling_campaigns.remind(campaign)


def mark_of(expires_at: datetime, now: datetime) -> int:
    """Which of the warnings it is time for."""
    return next(mark for mark in MARKS if expires_at - now <= timedelta(days=mark))


def days_left(at: datetime, now: datetime) -> int:
    """How many days are left, the day that has begun included."""
    return ceil((at - now) / timedelta(days=1))


def _credentials(look: Look) -> Iterator[Warning]:
    """Those in use that end within thirty days and cannot renew themselves."""
    found = Credential.objects.select_related("connection").filter(
        replaced_at=None,
        refreshable=False,
        expires_at__gt=look.now,
        expires_at__lte=look.now + LAST,
        connection__paused_at=None,
    )
    found = found.exclude(connection__state=Connection.State.REVOKED).order_by("expires_at")
    pairs = [(one, Rule()) for one in found]
    yield from _by_day(look, told_kinds.EXPIRES, pairs, partial(_expires, look))


def _expires(look: Look, one: Any, rule: Rule) -> Warning:
    cause = telling_due.expiry(one.connection, mark_of(one.expires_at, look.now))
    days = days_left(one.expires_at, look.now)
    return cause, partial(telling_due.expires, one.connection, days, cause, look.people)


def _by_day(
    look: Look,
    kind: str,
    found: Sequence[tuple[Any, Rule]],
    single: Callable[[Any, Rule], Warning],
) -> Iterator[Warning]:
    """One warning for each; of a day with many, one for each place, until the day is over."""
    name = FIELDS[kind]
    for day, group in groupby(found, lambda pair: getattr(pair[0], name).date()):
        pairs = list(group)
        were_many = any(telling_many.day_cause(kind, day, m) in look.still_open for m in MARKS)
        if len(pairs) <= MOST_A_DAY and not were_many:
            yield from (single(one, rule) for one, rule in pairs)
            continue
        first = getattr(pairs[0][0], name)
        yield from telling_many.many_of_a_day(
            kind,
            [(one.connection, rule) for one, rule in pairs],
            look.people,
            cause=telling_many.day_cause(kind, day, mark_of(first, look.now)),
            days=days_left(first, look.now),
        )


def _keys(look: Look) -> Iterator[Warning]:
    """Keys of services that end within thirty days, frozen ones too."""
    found = ServiceKey.objects.filter(
        revoked_at=None, expires_at__gt=look.now, expires_at__lte=look.now + LAST
    )
    for key in found:
        assert key.expires_at is not None
        cause = telling_due.key_expiry(key, mark_of(key.expires_at, look.now))
        days = days_left(key.expires_at, look.now)
        yield cause, partial(telling_due.key_expires, key, days, cause, look.people)


# ── Rotation policies ─────────────────────────────────────────────────────────────────────────


def _rotations(look: Look) -> Iterator[Warning]:
    """Credentials that a policy, or a mark of their own, wants replaced within thirty days."""
    found = policies.with_due(policies.current()).filter(due_at__lte=look.now + LAST)
    general, own = Rule.of(policies.of_organization()), _own_policies()
    late, soon = [], []
    for one in found.select_related("connection").order_by("due_at"):
        rule = policies.holding(own.get(one.connection_id), general, look.now)
        if one.due_at <= look.now:
            late.append((one, rule))
        elif not _ends_before(one):
            soon.append((one, rule))
    yield from _overdue(look, late)
    yield from _by_day(look, told_kinds.ROTATION_DUE, soon, partial(_due, look))


def _ends_before(one: Any) -> bool:
    """Its own end is told."""
    return not one.refreshable and one.expires_at is not None and one.expires_at <= one.due_at


def _due(look: Look, one: Any, rule: Rule) -> Warning:
    mark, days = mark_of(one.due_at, look.now), days_left(one.due_at, look.now)
    cause = telling_due.rotation(told_kinds.ROTATION_DUE, one.connection, mark)
    tell = partial(telling_due.rotation_due, one.connection, rule, days, cause, look.people)
    return cause, tell


def _overdue(look: Look, late: Sequence[tuple[Any, Rule]]) -> Iterator[Warning]:
    """Single ones up to a number; above it one for each place, until all are seen to."""
    higher = [(one, rule) for one, rule in late if _is_escalated(one, rule, look.now)]
    if late and (len(late) > MOST_OVERDUE or told_kinds.ROTATION_MANY in look.still_open):
        found = [(one.connection, rule) for one, rule in late]
        yield from telling_many.many_overdue(found, look.people)
        if higher:
            yield from telling_many.many_escalated(len(higher), look.people)
        return
    for one, rule in late:
        cause = telling_due.rotation(told_kinds.ROTATION_OVERDUE, one.connection)
        tell = telling_due.rotation_overdue
        yield cause, partial(tell, one.connection, rule, cause, look.people)
    for one, _ in higher:
        cause = telling_due.rotation(told_kinds.ROTATION_ESCALATED, one.connection)
        days = (look.now - one.due_at).days
        yield (
            cause,
            partial(telling_due.rotation_escalated, one.connection, days, cause, look.people),
        )


def _is_escalated(one: Any, rule: Rule, now: datetime) -> bool:
    after = rule.escalate_after_days
    return after is not None and (now - one.due_at).days >= after


def _own_policies() -> dict[UUID, RotationPolicy]:
    found = RotationPolicy.objects.exclude(connection=None)
    return {one.connection_id: one for one in found}


def _forbidden(look: Look) -> Iterator[Warning]:
    """One notice for all credentials that act as a person and must not."""
    count = policies.with_due(policies.current()).filter(is_forbidden=True).count()
    if count:
        cause, rule = told_kinds.ROTATION_PERSONAL, Rule.of(policies.of_organization())
        yield cause, partial(telling_due.forbidden, count, rule, cause, look.people)
