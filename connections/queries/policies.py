"""Rotation policies as pages show them: whom one hits, or would hit, and what holds for one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db.models import Count, Q, QuerySet
from django.urls import reverse

from connections.flows import policies
from connections.flows.policies import Rule
from connections.models import Connection, RotationPolicy
from connections.queries import products
from portal import clock
from portal.models import Membership, User
from portal.phrases import plural
from portal.policy import Role

SOON: Final = timedelta(days=30)
SHOWN: Final = 50
ROLE_WORDS: Final = {role.value: role.label for role in Role}
FILTERS: Final = {
    "overdue": "Overdue by policy",
    "soon": "Due in 30 days",
    "personal": "Acts as a person",
}


@dataclass(frozen=True, slots=True)
class Counts:
    """How many credentials a rule hits: now, within thirty days, for whom they act."""

    overdue: int
    soon: int
    personal: int

    @property
    def is_clear(self) -> bool:
        return not (self.overdue or self.soon or self.personal)


@dataclass(frozen=True, slots=True)
class Hit:
    """One connection that a rule hits, and why."""

    name: str
    url: str
    product: str
    owner: str
    team: str
    due_at: datetime | None
    is_overdue: bool
    is_forbidden: bool


@dataclass(frozen=True, slots=True)
class Simulation:
    """What a rule would do, beside what holds today. Nothing was changed."""

    now: Counts
    then: Counts
    of_all: int
    of_hits: int
    hits: list[Hit]

    @property
    def more(self) -> int:
        """How many more it would hit than are shown."""
        return self.of_hits - len(self.hits)


def counts(general: Rule | None = None) -> Counts:
    """How it stands, under the organization's policy or under another one."""
    now, current = clock.now(), policies.current()
    if general is None and not RotationPolicy.objects.exists():
        current = current.exclude(rotate_by=None)  # by an index: nothing else can be due
    found: dict[str, int] = policies.with_due(current, general=general).aggregate(
        overdue=Count("id", filter=Q(due_at__lte=now)),
        soon=Count("id", filter=Q(due_at__gt=now, due_at__lte=now + SOON)),
        personal=Count("id", filter=Q(is_forbidden=True)),
    )
    return Counts(**found)


def simulate(rule: Rule, *, slug: str) -> Simulation:
    """Whom the organization's policy would hit if it were this one."""
    now = clock.now()
    found = policies.with_due(policies.current(), general=rule)
    hit = found.filter(Q(due_at__lte=now + SOON) | Q(is_forbidden=True))
    rows = hit.select_related("connection", "connection__team")
    return Simulation(
        now=counts(),
        then=counts(rule),
        of_all=policies.current().count(),
        of_hits=hit.count(),
        hits=[_hit(row, slug, now) for row in rows.order_by("due_at", "id")[:SHOWN]],
    )


def _hit(row: Any, slug: str, now: datetime) -> Hit:
    connection: Connection = row.connection
    return Hit(
        name=connection.name,
        url=reverse("connection", args=[slug, connection.id]),
        product=products.name_of(connection.connector),
        owner=connection.granted_by_name,
        team=str(connection.team or ""),
        due_at=row.due_at,
        is_overdue=row.due_at is not None and row.due_at <= now,
        is_forbidden=row.is_forbidden,
    )


def violating(word: str) -> QuerySet[Any]:
    """The ids of the connections that the policy complains of in this way, one of FILTERS."""
    now, found = clock.now(), policies.with_due(policies.current())
    wanted = {
        "overdue": Q(due_at__lte=now),
        "soon": Q(due_at__gt=now, due_at__lte=now + SOON),
        "personal": Q(is_forbidden=True),
    }
    return found.filter(wanted[word]).values("connection_id")


# ── One connection ────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Standing:
    """What is asked of one connection, and how it stands."""

    rule: Rule
    general: Rule
    own: RotationPolicy | None
    due_at: datetime | None
    is_overdue: bool
    is_forbidden: bool
    is_excepted: bool
    renews_itself: bool
    because: str

    @property
    def asks_nothing(self) -> bool:
        return self.rule.asks_nothing and self.due_at is None

    @property
    def has_own(self) -> bool:
        """Whether it has a policy beside the organization's."""
        return not Rule.of(self.own).asks_nothing


def standing(connection: Connection) -> Standing:
    """What holds for this connection now."""
    now, own = clock.now(), policies.of_connection(connection.id)
    general = Rule.of(policies.of_organization())
    found = policies.with_due(policies.current().filter(connection_id=connection.id)).first()
    due_at: datetime | None = found.due_at if found else None
    return Standing(
        rule=policies.holding(own, general, now),
        general=general,
        own=own,
        due_at=due_at,
        is_overdue=due_at is not None and due_at <= now,
        is_forbidden=bool(found and found.is_forbidden),
        is_excepted=policies.is_excepted(own, now),
        renews_itself=bool(found and found.refreshable) and not policies.is_exchanged(connection),
        because=found.rotate_because if found and found.rotate_by == due_at else "",
    )


def words(rule: Rule) -> list[str]:
    """What a rule asks for, a sentence each."""
    found = []
    if rule.max_age_days is not None:
        age = plural(rule.max_age_days, "day")
        found.append(f"A credential that does not renew itself is replaced within {age}.")
    if rule.forbids_personal:
        found.append("No credential acts as a person.")
    if told := told_words(rule):
        found.append(f"Told as well: {', '.join(told)}.")
    if rule.escalate_after_days is not None:
        late = plural(rule.escalate_after_days, "day")
        found.append(f"What is {late} overdue goes to owners and admins.")
    return found


def told_words(rule: Rule) -> list[str]:
    """Who is told beside those who mend: roles, then people by name."""
    people = User.objects.filter(id__in=rule.told_people).order_by("name", "email")
    return [*(f"{ROLE_WORDS[role]}s" for role in rule.told_roles), *map(str, people)]


def people() -> list[tuple[UUID, str]]:
    """The members who can be told, by name."""
    rows = Membership.objects.filter(user__is_active=True).select_related("user")
    return sorted(((row.user_id, str(row.user)) for row in rows), key=lambda pair: pair[1].lower())
