"""Rotation policies: how old a credential may become and whose it may be; who is told when.

An organization has one and a connection may have its own; the stricter holds, unless an admin has
excepted the connection until a day. What renews itself has no age, because its secret is replaced
all the time, unless it comes from a pasted secret, which is not. `rotate_by` on a credential, set
by an import for instance, is a due date like any other.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final
from uuid import UUID

from django.db.models import (
    BooleanField,
    Case,
    DateTimeField,
    DurationField,
    Exists,
    ExpressionWrapper,
    F,
    OuterRef,
    PositiveSmallIntegerField,
    Q,
    QuerySet,
    Subquery,
    Value,
    When,
)
from django.db.models.functions import Cast, Least

from connections import registry
from connections.contracts import MethodKind
from connections.models import Connection, Credential, RotationPolicy
from portal import clock

DAY: Final = timedelta(days=1)
NOT_PERSONAL: Final = "The rotation policy here allows no credential that acts as a person."


@dataclass(frozen=True, slots=True)
class Rule:
    """What a policy asks for, or what two of them ask for together."""

    max_age_days: int | None = None
    forbids_personal: bool = False
    told_roles: tuple[str, ...] = ()
    told_people: tuple[UUID, ...] = ()
    escalate_after_days: int | None = None

    @classmethod
    def of(cls, policy: RotationPolicy | None) -> Rule:
        if policy is None:
            return cls()
        return cls(
            policy.max_age_days,
            policy.forbids_personal,
            tuple(policy.told_roles),
            tuple(policy.told_people),
            policy.escalate_after_days,
        )

    @property
    def asks_nothing(self) -> bool:
        return self == Rule()

    def also(self, other: Rule) -> Rule:
        """The stricter of the two, and the people of both."""
        return Rule(
            max_age_days=_least(self.max_age_days, other.max_age_days),
            forbids_personal=self.forbids_personal or other.forbids_personal,
            told_roles=tuple(dict.fromkeys(self.told_roles + other.told_roles)),
            told_people=tuple(dict.fromkeys(self.told_people + other.told_people)),
            escalate_after_days=_least(self.escalate_after_days, other.escalate_after_days),
        )


def _least(*days: int | None) -> int | None:
    return min((each for each in days if each is not None), default=None)


# ── What holds ────────────────────────────────────────────────────────────────────────────────


def of_organization() -> RotationPolicy | None:
    """The acting organization's own policy, if it has one."""
    found: RotationPolicy | None = RotationPolicy.objects.filter(connection=None).first()
    return found


def of_connection(connection_id: UUID) -> RotationPolicy | None:
    """The policy that this connection has beside the organization's, or its exception."""
    found: RotationPolicy | None = RotationPolicy.objects.filter(connection=connection_id).first()
    return found


def holding(own: RotationPolicy | None, general: Rule, now: datetime) -> Rule:
    """What both ask for together; an exception leaves the connection's own part only."""
    return Rule.of(own) if is_excepted(own, now) else Rule.of(own).also(general)


def is_excepted(own: RotationPolicy | None, now: datetime) -> bool:
    return own is not None and own.excepted_until is not None and own.excepted_until > now


def rule_of(connection: Connection) -> Rule:
    """What is asked of this connection now."""
    return holding(of_connection(connection.id), Rule.of(of_organization()), clock.now())


def due_by(connection: Connection) -> datetime | None:
    """When its credential has to be replaced by policy or by its own mark; None when never."""
    found = with_due(current().filter(connection_id=connection.id)).first()
    due: datetime | None = found.due_at if found else None
    return due


def current() -> QuerySet[Any]:
    """The credentials that are in use, of connections that are not revoked."""
    found: QuerySet[Any] = Credential.objects.filter(replaced_at=None)
    return found.exclude(connection__state=Connection.State.REVOKED)


def with_due(credentials: QuerySet[Any], *, general: Rule | None = None) -> QuerySet[Any]:
    """Each with `due_at` (may be null) and `is_forbidden`: it acts as a person and must not.

    `general` stands for the organization's policy: what holds, or what somebody thinks of.
    """
    general = Rule.of(of_organization()) if general is None else general
    now = clock.now()
    own = RotationPolicy.objects.filter(connection_id=OuterRef("connection_id"))
    found: QuerySet[Any] = credentials.annotate(
        own_age=Subquery(own.values("max_age_days")[:1]),
        own_forbids=Exists(own.filter(forbids_personal=True)),
        is_excepted=Exists(own.filter(excepted_until__gt=now)),
    ).annotate(due_at=_due_at(general), is_forbidden=_is_forbidden(general))
    return found


def _due_at(general: Rule) -> Any:
    days = PositiveSmallIntegerField(null=True)
    limit: Any = F("own_age")
    if general.max_age_days is not None:
        general_age = Value(general.max_age_days, output_field=days)
        limit = Case(
            When(is_excepted=True, then=F("own_age")), default=Least(F("own_age"), general_age)
        )
    age = ExpressionWrapper(limit * Value(DAY), output_field=DurationField())
    by_age = Case(
        When(
            Q(refreshable=False) | exchanged("connection__"),
            then=ExpressionWrapper(F("created_at") + age, DateTimeField()),
        ),
        default=Cast(Value(None), DateTimeField()),
    )
    return Least(by_age, F("rotate_by"))


def _is_forbidden(general: Rule) -> Any:
    asked = Q(own_forbids=True)
    if general.forbids_personal:
        asked |= Q(is_excepted=False)
    return Case(
        When(personal("connection__") & asked, then=Value(True)),
        default=Value(False),
        output_field=BooleanField(),
    )


def personal(prefix: str = "") -> Q:
    """The connections whose credential acts as a person, by what their connectors say."""
    return _by_method(_personal_methods(), prefix)


def rotated_by_vendor(prefix: str = "") -> Q:
    """The connections whose vendor makes the next token, by what their connectors say."""
    return _by_method(_rotated_methods(), prefix)


def exchanged(prefix: str = "") -> Q:
    """The connections whose pasted secret is exchanged for the tokens that renew themselves."""
    return _by_method(_exchanged_methods(), prefix)


def is_exchanged(connection: Connection) -> bool:
    """Whether this is one of those."""
    return connection.method in _exchanged_methods().get(connection.connector, ())


def _by_method(known: dict[str, list[str]], prefix: str) -> Q:
    found = Q(pk__in=[])
    for slug, methods in known.items():
        found |= Q(**{f"{prefix}connector": slug, f"{prefix}method__in": methods})
    return found


def forbids_personal(connection: Connection | None) -> bool:
    """Whether this connection, or a new one, must not act as a person."""
    rule = Rule.of(of_organization()) if connection is None else rule_of(connection)
    return rule.forbids_personal


def personal_obstacle(connection: Connection | None) -> str:
    """Why a method that acts as a person is not for it, and what to do instead."""
    way_out = "ask an admin to except this connection" if connection else "have the policy changed"
    return f"{NOT_PERSONAL} Choose a way that belongs to nobody, or {way_out}."


@cache
def _personal_methods() -> dict[str, list[str]]:
    return {
        slug: keys
        for slug, connector in registry.connectors().items()
        if (keys := [each.key for each in connector.manifest.methods if each.personal])
    }


@cache
def _rotated_methods() -> dict[str, list[str]]:
    return {
        slug: keys
        for slug, connector in registry.connectors().items()
        if (keys := [each.key for each in connector.manifest.methods if each.rotation])
    }


@cache
def _exchanged_methods() -> dict[str, list[str]]:
    return {
        slug: keys
        for slug, connector in registry.connectors().items()
        if (keys := [m.key for m in connector.manifest.methods if m.kind is MethodKind.EXCHANGED])
    }
