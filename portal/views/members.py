"""People and roles: the list, one member, and the invitations that wait."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from portal import cursor, invitations, people, queries, tenancy
from portal.forms import InviteForm, RoleForm, role_choices
from portal.invitations import Sent
from portal.models import Team
from portal.policy import ROLE_MEANING, Permission, Role, authorize
from portal.refused import Impossible
from portal.requests import OrganizationRequest, with_own_transactions
from portal.step_up import proof_wanted
from portal.views.answers import done, found_or_404, one_of

COULD_NOT = "This could not be done. {}"


@require_GET
@found_or_404
def members(request: OrganizationRequest) -> HttpResponse:
    authorize(request.actor, Permission.MEMBER_VIEW)
    return _page(request, InviteForm(actor=request.actor))


@require_http_methods(["GET", "POST"])
@with_own_transactions
def invite(request: OrganizationRequest) -> HttpResponse:
    """The page that follows shows the link once; the form sent again shows the page without it."""
    with tenancy.transaction():
        authorize(request.actor, Permission.MEMBER_INVITE)
        if request.method == "GET":
            return redirect("members", request.organization.slug)
        form = InviteForm(request.POST, actor=request.actor)
        if asked := _proof_for_an_owner(
            request, form, reverse("members", args=[request.organization.slug])
        ):
            return asked
        sent = done(form, lambda values: _invited(request, values))
    with tenancy.transaction():
        if sent is None:
            return _page(request, form, status=400)
        return _page(request, InviteForm(actor=request.actor), sent=sent)


@require_http_methods(["GET", "POST"])
@found_or_404
def member(request: OrganizationRequest, membership_id: UUID) -> HttpResponse:
    """One member: their role, and what breaks when they go."""
    authorize(request.actor, Permission.MEMBER_EDIT)
    found = people.member(membership_id)
    form = RoleForm(request.POST or None, actor=request.actor, initial={"role": found.role})
    if request.method == "POST":
        if asked := _proof_for_an_owner(request, form, request.path):
            return asked
        changed = done(form, lambda values: _role_changed(request, membership_id, values["role"]))
        if changed:
            messages.success(request, f"{changed.user} is now {changed.get_role_display()}.")
            return redirect("members", request.organization.slug)
    context = {
        "member": found,
        "form": form,
        "losses": people.departure_preview(found),
        "may_change": found.role in dict(role_choices(request.actor)),
        "is_me": found.user_id == request.user.id,
    }
    status = 400 if form.is_bound else 200
    return render(request, "portal/member.html", context, status=status)


@require_POST
@found_or_404
def remove(request: OrganizationRequest, membership_id: UUID) -> HttpResponse:
    """Needs the person's name typed, as everything that cannot be taken back."""
    authorize(request.actor, Permission.MEMBER_EDIT)
    name = str(people.member(membership_id).user)
    try:
        if " ".join(request.POST.get("confirm_name", "").split()) != " ".join(name.split()):
            raise Impossible("The name does not match. Type it exactly as it is written.")
        people.remove_member(actor=request.actor, membership_id=membership_id)
    except Impossible as error:
        messages.error(request, str(error))
        return redirect("member", request.organization.slug, membership_id)
    messages.success(request, f"{name} is no longer a member.")
    return redirect("members", request.organization.slug)


@require_http_methods(["GET", "POST"])
@found_or_404
@with_own_transactions
def resend(request: OrganizationRequest, invitation_id: UUID) -> HttpResponse:
    with tenancy.transaction():
        authorize(request.actor, Permission.MEMBER_INVITE)
        if request.method == "GET":
            return redirect("members", request.organization.slug)
        try:
            sent = invitations.resend(actor=request.actor, invitation_id=invitation_id)
        except Impossible as error:
            messages.error(request, str(error))
            return redirect("members", request.organization.slug)
    with tenancy.transaction():
        return _page(request, InviteForm(actor=request.actor), sent=sent)


@require_POST
@found_or_404
def revoke(request: OrganizationRequest, invitation_id: UUID) -> HttpResponse:
    invitation = invitations.revoke(actor=request.actor, invitation_id=invitation_id)
    messages.success(request, f"The invitation of {invitation.email} no longer works.")
    return redirect("members", request.organization.slug)


def _proof_for_an_owner(
    request: OrganizationRequest, form: InviteForm | RoleForm, back: str
) -> HttpResponse | None:
    """Who makes an owner has just proved who they are, as who gives the organization away (T15)."""
    wanted = form.is_valid() and form.cleaned_data["role"] == Role.OWNER
    return proof_wanted(request, back) if wanted else None


def _invited(request: OrganizationRequest, values: dict[str, Any]) -> Sent:
    return invitations.invite(
        actor=request.actor,
        email=values["email"],
        role=Role(values["role"]),
        key=values["key"],
    )


def _role_changed(request: OrganizationRequest, membership_id: UUID, role: str) -> object:
    return people.change_role(actor=request.actor, membership_id=membership_id, role=Role(role))


def _page(
    request: OrganizationRequest, form: InviteForm, *, sent: Sent | None = None, status: int = 200
) -> HttpResponse:
    query = request.GET
    role = one_of(query.get("role", ""), Role.values, "filter by")
    sort = one_of(query.get("sort", ""), queries.MEMBER_SORTS, "sort by") or "name"
    words = query.get("q", "").strip()[:200]
    found = queries.members(q=words, role=role, sort=sort, at=query.get("cursor", ""))
    context = {
        "form": form,
        "sent": sent,
        "page": found,
        "next": cursor.link(request, found.next),
        "previous": cursor.link(request, found.previous),
        "q": words,
        "role": role,
        "roles": [("", "Any role"), *Role.choices],
        "total": queries.member_count(),
        "teams": Team.objects.count(),
        "invitations": queries.waiting_invitations(),
        "meanings": [(one.label, meaning) for one, meaning in ROLE_MEANING.items()],
        "may_invite": request.actor.may(Permission.MEMBER_INVITE),
        "may_edit": request.actor.may(Permission.MEMBER_EDIT),
    }
    return render(request, "portal/members.html", context, status=status)
