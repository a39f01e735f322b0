"""The list of connections, and verifying many of them at once after a preview."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.core.exceptions import BadRequest, PermissionDenied
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET, require_POST

from connections.flows import verify
from connections.flows.problems import FlowProblem
from connections.flows.rights import may_mend
from connections.models import Connection
from connections.queries.connection import mends_some
from connections.queries.listing import Wish, connection_list
from connections.views import lines
from connections.views.doors import requires, to
from portal.policy import Actor, Permission, allows, present
from portal.requests import OrganizationRequest

AT_MOST = 50


@require_GET
@requires(Permission.CONNECTION_VIEW)
def connections(request: OrganizationRequest) -> HttpResponse:
    """One page of the list, by the filters and the cursor in the address."""
    may_manage = allows(request.actor, Permission.CONNECTION_MANAGE)
    shown = connection_list(
        slug=request.organization.slug,
        wish=Wish.read(request.GET.dict()),
        cursor=request.GET.get("cursor", ""),
        details=may_manage or allows(request.actor, Permission.AUDIT_VIEW),
    )
    context = {
        "shown": shown,
        "filters": lines.filters(shown),
        "lines": [lines.of_connection(row) for row in shown.rows],
        "may_verify": mends_some(request.actor),
        "may_link": allows(request.actor, Permission.CONNECTION_LINK),
    }
    return render(request, "connections/list.html", context)


@require_POST
@requires(Permission.CONNECTION_VIEW)
def verify_many(request: OrganizationRequest) -> HttpResponse:
    """First what would be verified and what would not; with `confirm`, it is asked for."""
    chosen = _chosen(request)
    actor = _known(request)
    able = [each for each in chosen if each.is_live and may_mend(actor, each)]
    if not chosen:
        messages.warning(request, "Tick the connections you want to verify first.")
        return to(request, "connections")
    if request.POST.get("confirm") != "1":
        context = {"able": able, "skipped": [each for each in chosen if each not in able]}
        return render(request, "connections/verify_many.html", context)
    if not able:
        raise PermissionDenied("None of these connections is yours to verify.")
    _start(request, able)
    return to(request, "connections")


def _start(request: OrganizationRequest, able: list[Connection]) -> None:
    """As many as the pace allows are under way, and the person reads how many."""
    for started, connection in enumerate(able):
        try:
            verify.request(actor=request.actor, connection=connection)
        except FlowProblem as problem:
            done = f"{started} of {len(able)} are being verified, the rest are not. "
            messages.error(request, (done if started else "") + problem.message)
            return
    word = "connection is" if len(able) == 1 else "connections are"
    messages.success(request, f"{len(able)} {word} being verified.")


def _known(request: OrganizationRequest) -> Actor:
    """The actor with the teams they administer, where these decide what they may do."""
    if allows(request.actor, Permission.CONNECTION_MANAGE):
        return request.actor
    return present(request.actor)


def _chosen(request: OrganizationRequest) -> list[Connection]:
    """The ticked connections; ids of another organization are passed over in silence (T02)."""
    given = request.POST.getlist("selected")
    if len(given) > AT_MOST:
        raise BadRequest(f"Choose at most {AT_MOST} at a time.")
    try:
        ids = {UUID(each) for each in given}
    except ValueError:
        raise BadRequest("One of the ticked connections is not known.") from None
    return list(Connection.objects.filter(id__in=ids).order_by("name"))
