"""What the ground floor's pages read: one function for each screen."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, time
from typing import Any
from uuid import UUID

from django.db.models import CharField, Count, F, Q, QuerySet, Value
from django.db.models.functions import Coalesce, Lower, NullIf

from portal import bounces, cursor
from portal.cursor import Page
from portal.models import AuditEvent, Invitation, Membership, Team, TeamMembership
from portal.policy import Role
from portal.record_words import Told, told

MEMBER_SORTS = {
    "name": ("sort_name", "id"),
    "-name": ("-sort_name", "-id"),
    "joined": ("created_at", "id"),
    "-joined": ("-created_at", "-id"),
}


def members(
    *, q: str = "", role: str = "", team: UUID | None = None, sort: str = "name", at: str = ""
) -> Page[Membership]:
    """Members with their user, `team_names` and `bounce`; `sort` is a key of MEMBER_SORTS."""
    shown_name = Lower(
        Coalesce(NullIf("user__name", Value("")), F("user__email"), output_field=CharField())
    )
    query: QuerySet[Membership] = Membership.objects.select_related("user").annotate(
        sort_name=shown_name
    )
    if q:
        query = query.filter(Q(user__name__icontains=q) | Q(user__email__icontains=q))
    if role:
        query = query.filter(role=role)
    if team:
        inside = TeamMembership.objects.filter(team_id=team).values("user_id")
        query = query.filter(user_id__in=inside)
    found = cursor.page(query, by=MEMBER_SORTS[sort], cursor=at)
    _name_teams(found.rows)
    refused = bounces.open_among([row.user_id for row in found.rows])
    for row in found.rows:
        row.bounce = refused.get(row.user_id)  # type: ignore[attr-defined]
    return found


def _name_teams(rows: list[Membership]) -> None:
    places = TeamMembership.objects.filter(user_id__in=[row.user_id for row in rows])
    names: dict[UUID, list[str]] = defaultdict(list)
    for user_id, name in places.order_by("team__name").values_list("user_id", "team__name"):
        names[user_id].append(name)
    for row in rows:
        row.team_names = names[row.user_id]  # type: ignore[attr-defined]


def member_count() -> int:
    return Membership.objects.count()


def waiting_invitations() -> list[Invitation]:
    """Neither accepted nor revoked, expired ones too, the newest first."""
    query = Invitation.objects.filter(accepted_at=None, revoked_at=None)
    return list(query.select_related("invited_by").order_by("-created_at")[:200])


def heirs(*, actor_id: UUID | None) -> list[Membership]:
    """Who may take over ownership: the other owners and the admins."""
    query = Membership.objects.filter(role__in=[Role.OWNER, Role.ADMIN], user__is_active=True)
    return list(query.exclude(user_id=actor_id).select_related("user").order_by("user__name"))


@dataclass(frozen=True, slots=True)
class TeamLine:
    """One team of the tree, the names above it, and how many people are in it."""

    team: Team
    above: str
    people: int


def team_tree() -> list[TeamLine]:
    """All teams, each under its parent, by name."""
    query = Team.objects.annotate(people=Count("teammembership")).order_by(Lower("name"))
    below: dict[UUID | None, list[Any]] = defaultdict(list)
    for team in query:
        below[team.parent_id].append(team)
    lines: list[TeamLine] = []

    def descend(parent_id: UUID | None, above: tuple[str, ...]) -> None:
        for team in below[parent_id]:
            lines.append(TeamLine(team, " › ".join(above), team.people))
            descend(team.id, (*above, team.name))

    descend(None, ())
    return lines


def team_people(team: Team) -> list[Any]:
    """Who is in the team, each with `membership_id` for the forms."""
    rows = list(
        TeamMembership.objects.filter(team=team).select_related("user").order_by("user__name")
    )
    ids = Membership.objects.filter(user_id__in=[row.user_id for row in rows])
    by_user = dict(ids.values_list("user_id", "id"))
    for row in rows:
        row.membership_id = by_user.get(row.user_id)
    return [row for row in rows if row.membership_id]


def member_addresses(limit: int = 200) -> list[str]:
    """What the team page's address field suggests."""
    query = Membership.objects.order_by("user__email")
    return list(query.values_list("user__email", flat=True)[:limit])


def audit_events(found: dict[str, Any], *, at: str = "") -> Page[AuditEvent]:
    """The record, the newest first, narrowed to an AuditFilter's cleaned values."""
    query: QuerySet[AuditEvent] = AuditEvent.objects.all()
    if found.get("q"):
        words = found["q"]
        query = query.filter(Q(actor_name__icontains=words) | Q(subject_name__icontains=words))
    if found.get("who"):
        query = query.filter(actor_name__icontains=found["who"])
    if found.get("about"):
        query = query.filter(subject_name__icontains=found["about"])
    if found.get("action"):
        query = query.filter(action=found["action"])
    if found.get("subject"):
        query = query.filter(subject_id=found["subject"])
    if found.get("since"):
        query = query.filter(at__gte=datetime.combine(found["since"], time.min, tzinfo=UTC))
    if found.get("until"):
        query = query.filter(at__lte=datetime.combine(found["until"], time.max, tzinfo=UTC))
    return cursor.page(query, by=("-sequence",), cursor=at)


_GRANTED_TO_SUPPORT = (
    "id",
    "organization_id",
    "sequence",
    "at",
    "action",
    "actor_kind",
    "actor_name",
    "subject_kind",
    "subject_id",
    "subject_name",
    "details",
)


def people_for_support() -> list[dict[str, Any]]:
    """Owners and admins first: who can act. Reads the columns that support was granted."""
    order = {role: place for place, role in enumerate(Role)}
    rows = Membership.objects.values("role", "user__name", "user__email", "user__is_active")
    found = sorted(rows[:500], key=lambda row: (order[row["role"]], row["user__email"]))
    return [row | {"label": Role(row["role"]).label} for row in found]


def record_for_support(limit: int = 30) -> list[Told]:
    """The end of the organization's record, in the columns that support was granted."""
    rows = AuditEvent.objects.order_by("-sequence").values(*_GRANTED_TO_SUPPORT)[:limit]
    return [told(AuditEvent(**row)) for row in rows]
