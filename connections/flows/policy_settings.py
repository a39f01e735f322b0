"""Setting rotation policies: the organization's, a connection's own, and exceptions with an end."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from connections.flows import rights
from connections.flows.policies import Rule
from connections.flows.problems import FlowProblem
from connections.models import Connection, RotationPolicy
from portal import audit, clock, tenancy
from portal.models import Membership, Organization
from portal.policy import Actor, Permission, Role, authorize

AGES: Final = range(1, 3651)
DAYS_OVERDUE: Final = range(1, 366)
MOST_PEOPLE: Final = 20
LONGEST_EXCEPTION: Final = timedelta(days=366)


def set_general(*, actor: Actor, rule: Rule) -> None:
    """The organization asks for this from now on."""
    actor = authorize(actor, Permission.ROTATION_EDIT)
    _checked(rule)
    place = Organization.objects.get(id=tenancy.organization_id())
    if _stored(None, actor, rule):
        _tell_record(actor, place, rule)


def set_own(*, actor: Actor, connection: Connection, rule: Rule) -> None:
    """This connection is asked for this as well; it can make it stricter, never milder."""
    actor = rights.manager(actor, connection)
    _checked(rule)
    if _stored(connection.id, actor, rule):
        _tell_record(actor, connection, rule)


def except_from(*, actor: Actor, connection: Connection, until: datetime, because: str) -> None:
    """The organization's policy does not hold for this connection until that moment."""
    actor = authorize(actor, Permission.ROTATION_EDIT)
    because = " ".join(because.split())[:300]
    if not because:
        raise FlowProblem("because", "because", "Say why, for whoever asks later.")
    if not clock.now() < until <= clock.now() + LONGEST_EXCEPTION:
        raise FlowProblem("until", "until", "Choose a day to come, at most a year away.")
    policy = _locked(connection.id)
    policy.excepted_until, policy.excepted_because = until, because
    policy.excepted_by_name = actor.name[:200]
    policy.save()
    audit.record(
        audit.Action.ROTATION_EXCEPTED,
        actor=actor,
        subject=connection,
        until=until.isoformat(),
        because=because,
    )


def end_exception(*, actor: Actor, connection: Connection) -> None:
    """The organization's policy holds for this connection again."""
    actor = authorize(actor, Permission.ROTATION_EDIT)
    policy = _locked(connection.id)
    if policy.excepted_until is None:
        return
    policy.excepted_until, policy.excepted_because, policy.excepted_by_name = None, "", ""
    _keep(policy)
    audit.record(audit.Action.ROTATION_EXCEPTION_ENDED, actor=actor, subject=connection)


def _stored(connection_id: UUID | None, actor: Actor, rule: Rule) -> bool:
    """Whether this changed anything."""
    policy = _locked(connection_id)
    if Rule.of(policy) == rule:
        _keep(policy)
        return False
    policy.max_age_days, policy.forbids_personal = rule.max_age_days, rule.forbids_personal
    policy.told_roles, policy.told_people = list(rule.told_roles), list(rule.told_people)
    policy.escalate_after_days = rule.escalate_after_days
    policy.changed_at, policy.changed_by_name = clock.now(), actor.name[:200]
    _keep(policy)
    return True


def _locked(connection_id: UUID | None) -> RotationPolicy:
    """The policy's row, made if there was none, and held until the transaction ends."""
    wanted = RotationPolicy(organization_id=tenancy.organization_id(), connection_id=connection_id)
    RotationPolicy.objects.bulk_create([wanted], ignore_conflicts=True)
    rows = RotationPolicy.objects.select_for_update(no_key=True)
    found: RotationPolicy = rows.get(connection_id=connection_id)
    return found


def _keep(policy: RotationPolicy) -> None:
    """What asks for nothing needs no row."""
    if Rule.of(policy).asks_nothing and policy.excepted_until is None:
        policy.delete()
    else:
        policy.save()


def _checked(rule: Rule) -> None:
    if rule.max_age_days is not None and rule.max_age_days not in AGES:
        raise FlowProblem("age", "max_age_days", "Choose between 1 and 3,650 days.")
    if rule.escalate_after_days is not None and rule.escalate_after_days not in DAYS_OVERDUE:
        raise FlowProblem("escalate", "escalate_after_days", "Choose between 1 and 365 days.")
    if not set(rule.told_roles) <= set(Role.values):
        raise FlowProblem("roles", "told_roles", "There is no such role.")
    if len(rule.told_people) > MOST_PEOPLE or not _are_members(rule.told_people):
        raise FlowProblem(
            "people", "told_people", f"Choose at most {MOST_PEOPLE} members of this organization."
        )


def _are_members(people: Collection[UUID]) -> bool:
    found = Membership.objects.filter(user_id__in=people).values_list("user_id", flat=True)
    return set(people) <= set(found)


def _tell_record(actor: Actor, subject: audit.Subject, rule: Rule) -> None:
    audit.record(
        audit.Action.ROTATION_POLICY_CHANGED,
        actor=actor,
        subject=subject,
        max_age_days=rule.max_age_days,
        forbids_personal=rule.forbids_personal,
        told_roles=_texts(rule.told_roles),
        told_people=_texts(rule.told_people),
        escalate_after_days=rule.escalate_after_days,
    )


def _texts(values: Iterable[object]) -> list[str]:
    return [str(value) for value in values]
