"""Who is who at vendors: the list, and what people say about it."""

from __future__ import annotations

from uuid import UUID

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET, require_POST

from connections.flows import identities as flows
from connections.flows.problems import FlowProblem
from connections.models import VendorIdentity
from connections.queries import identity_list as queries
from connections.views.doors import SeeOther, attempt, requires, to
from portal.policy import Permission
from portal.requests import OrganizationRequest, id_in

MAP = Permission.IDENTITY_MAP


@require_GET
@requires(Permission.MEMBER_VIEW)
def identities(request: OrganizationRequest) -> HttpResponse:
    """Who was seen at vendors, by the filters in the address, and which member each is."""
    may_map = request.actor.may(MAP)
    wish = queries.Wish.read(request.GET.dict())
    shown = queries.identity_list(request.actor, wish, may_map=may_map)
    context = {"shown": shown, "may_map": may_map, "here": request.get_full_path()}
    return render(request, "connections/trail/identities.html", context)


@require_POST
@requires(MAP)
def say(request: OrganizationRequest, identity_id: UUID, deed: str) -> HttpResponse:
    """A member, no person, or what was said before; then back to where one was in the list."""
    identity = queries.visible(request.actor, identity_id)
    if identity is None or deed not in ("member", "bot", "undo"):
        raise Http404
    attempt(request, lambda: _said(request, identity, deed), _done(identity, deed))
    back = request.POST.get("back", "")
    if back.startswith("?"):
        return SeeOther(f"{to(request, 'identities').url}{back}#i-{identity.id}")
    return to(request, "identities")


def _said(request: OrganizationRequest, identity: VendorIdentity, deed: str) -> None:
    if deed == "member":
        user_id = id_in(request.POST.get("member", ""))
        if user_id is None:
            raise FlowProblem("no_member", "member", "Choose a member first.")
        flows.confirm(actor=request.actor, identity=identity, user_id=user_id)
    elif deed == "bot":
        flows.not_a_person(actor=request.actor, identity=identity)
    else:
        flows.undo(actor=request.actor, identity=identity)


def _done(identity: VendorIdentity, deed: str) -> str:
    return {
        "member": f"Trails name this member for {identity} from now on.",
        "bot": f"{identity} is no person, trails say so from now on.",
        "undo": f"What was said about {identity} is taken back.",
    }[deed]
