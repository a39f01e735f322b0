"""Teams of an organization: the tree, and one team with its people."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from portal import queries, teams
from portal.forms import TeamForm, TeamMemberForm
from portal.models import Membership, Team
from portal.policy import Permission, TeamRole, authorize
from portal.refused import Impossible
from portal.requests import OrganizationRequest
from portal.views.answers import done, found_or_404


@require_GET
def team_list(request: OrganizationRequest) -> HttpResponse:
    authorize(request.actor, Permission.MEMBER_VIEW)
    return _list(request, TeamForm(actor=request.actor, teams=Team.objects.order_by("name")))


@require_http_methods(["GET", "POST"])
@found_or_404
def create(request: OrganizationRequest) -> HttpResponse:
    authorize(request.actor, Permission.TEAM_EDIT)
    if request.method == "GET":
        return redirect("teams", request.organization.slug)
    form = TeamForm(request.POST, actor=request.actor, teams=Team.objects.order_by("name"))
    made = done(
        form,
        lambda values: teams.create_team(
            actor=request.actor,
            name=values["name"],
            key=values["key"],
            parent_id=_id(values["parent"]),
        ),
        field="name",
    )
    if made:
        return redirect("team", request.organization.slug, made.id)
    return _list(request, form, status=400)


@require_http_methods(["GET", "POST"])
@found_or_404
def team(request: OrganizationRequest, team_id: UUID) -> HttpResponse:
    """One team: its people for everybody, its name and place for who may edit teams."""
    authorize(request.actor, Permission.MEMBER_VIEW)
    found = teams.team(team_id)
    others = Team.objects.order_by("name")
    initial = {"name": found.name, "parent": str(found.parent_id or "")}
    form = TeamForm(
        request.POST or None, actor=request.actor, teams=others, without=team_id, initial=initial
    )
    if request.method == "POST" and done(form, lambda values: _changed(request, team_id, values)):
        messages.success(request, "The team is changed.")
        return redirect("team", request.organization.slug, team_id)
    return _team(request, found, form, TeamMemberForm(actor=request.actor))


@require_http_methods(["GET", "POST"])
@found_or_404
def member_set(request: OrganizationRequest, team_id: UUID) -> HttpResponse:
    """Adds a member by address, or gives one already in the team another role."""
    authorize(request.actor, Permission.TEAM_EDIT)
    if request.method == "GET":
        return redirect("team", request.organization.slug, team_id)
    found = teams.team(team_id)
    form = TeamMemberForm(request.POST, actor=request.actor)
    if done(form, lambda values: _member_set(request, team_id, values), field="email"):
        return redirect("team", request.organization.slug, team_id)
    initial = {"name": found.name, "parent": str(found.parent_id or "")}
    edit = TeamForm(
        actor=request.actor, teams=Team.objects.order_by("name"), without=team_id, initial=initial
    )
    return _team(request, found, edit, form)


@require_POST
@found_or_404
def member_remove(request: OrganizationRequest, team_id: UUID, membership_id: UUID) -> HttpResponse:
    teams.set_team_member(
        actor=request.actor, team_id=team_id, membership_id=membership_id, role=None
    )
    return redirect("team", request.organization.slug, team_id)


@require_POST
@found_or_404
def remove(request: OrganizationRequest, team_id: UUID) -> HttpResponse:
    try:
        teams.remove_team(actor=request.actor, team_id=team_id)
    except Impossible as error:
        messages.error(request, str(error))
        return redirect("team", request.organization.slug, team_id)
    messages.success(request, "The team is gone.")
    return redirect("teams", request.organization.slug)


def _changed(request: OrganizationRequest, team_id: UUID, values: dict[str, str]) -> Team:
    return teams.change_team(
        actor=request.actor,
        team_id=team_id,
        name=values["name"],
        parent_id=_id(values["parent"]),
    )


def _member_set(request: OrganizationRequest, team_id: UUID, values: dict[str, str]) -> None:
    member = Membership.objects.filter(user__email=values["email"].strip().lower()).first()
    if member is None:
        raise Impossible("Nobody in this organization has this address. Invite them first.")
    teams.set_team_member(
        actor=request.actor,
        team_id=team_id,
        membership_id=member.id,
        role=TeamRole(values["role"]),
    )


def _id(value: str) -> UUID | None:
    return UUID(value) if value else None


def _list(request: OrganizationRequest, form: TeamForm, status: int = 200) -> HttpResponse:
    context = {
        "form": form,
        "lines": queries.team_tree(),
        "may_edit": request.actor.may(Permission.TEAM_EDIT),
    }
    return render(request, "portal/teams.html", context, status=status)


def _team(
    request: OrganizationRequest, found: Team, form: TeamForm, member_form: TeamMemberForm
) -> HttpResponse:
    context = {
        "team": found,
        "above": reversed(teams.ancestors(found)),
        "people": queries.team_people(found),
        "form": form,
        "member_form": member_form,
        "addresses": queries.member_addresses(),
        "team_roles": TeamRole.choices,
        "may_edit": request.actor.may(Permission.TEAM_EDIT),
    }
    status = 400 if form.is_bound or member_form.is_bound else 200
    return render(request, "portal/team.html", context, status=status)
