"""The way back from the vendor, and step 4: what the worker finds out, live."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from connections import registry
from connections.flows import link
from connections.flows.problems import FlowProblem
from connections.models import LinkStage, PendingLink
from connections.queries import linking, products
from connections.views import guests
from connections.views.doors import SeeOther, pending_of, to
from connections.views.linking import frame
from portal.refusals import record_refusal
from portal.requests import OrganizationRequest, SignedInRequest

SIGNED_OUT = "You were signed out meanwhile. Nothing was linked. Sign in and start once more."


@login_not_required
@require_GET
def callback(request: SignedInRequest, connector: str) -> HttpResponse:
    """Where the vendor sends the person back: the answer is taken, and a clean address follows.

    It checks the sign-in itself, so that the code never stands in the address of the sign-in page.
    """
    if connector not in registry.connectors():
        raise Http404
    of_guest = guests.came_back(request, connector)
    response = _of_member(request, connector) if of_guest is None else of_guest
    response["Referrer-Policy"] = "no-referrer"
    return response


def _of_member(request: SignedInRequest, connector: str) -> HttpResponse:
    if request.user.is_authenticated:
        return _answered(request, connector)
    messages.warning(request, SIGNED_OUT)
    return SeeOther(reverse("account_login"))


def _answered(request: SignedInRequest, connector: str) -> HttpResponse:
    taken = link.receive_answer(
        connector=connector,
        params=dict(request.GET.lists()),
        session_key=request.session.session_key or "",
        user_id=request.user.id,
    )
    if taken is None:
        record_refusal(request, "an answer that fits no link of this session")
        return _start_over(request, connector)
    slug, pending = taken
    return SeeOther(reverse("link_check", args=[slug, pending.id]))


def _start_over(request: HttpRequest, connector: str) -> HttpResponse:
    """One page for every answer that fits no link: unknown, cut, of another session or person."""
    manifest = registry.get(connector).manifest
    return render(request, "connections/link/start_over.html", {"manifest": manifest}, status=400)


@require_GET
def check(request: OrganizationRequest, link_id: UUID) -> HttpResponse:
    """Step 4: waiting, asking, failed with what to do, or on to what was linked."""
    pending = pending_of(request, link_id)
    if pending.stage in {LinkStage.CHOOSING, LinkStage.AT_VENDOR}:
        return to(request, "link_consent", pending.id)
    if pending.stage == LinkStage.DONE:
        return to(request, *_arrived(pending))
    manifest = registry.get(pending.connector).manifest
    context = frame(request, pending, manifest, "link_check") | {
        "progress": linking.progress_of(pending, manifest.name),
        "found": pending.found_account,
    }
    return render(request, "connections/link/check.html", context)


@require_GET
def progress(request: OrganizationRequest, link_id: UUID) -> HttpResponse:
    """The moving part of step 4; when it is over, the page itself is loaded again."""
    pending = pending_of(request, link_id)
    if pending.stage != LinkStage.ANSWERED:
        response = HttpResponse(status=200)
        response["HX-Redirect"] = reverse(
            "link_check", args=[request.organization.slug, pending.id]
        )
        return response
    manifest = registry.get(pending.connector).manifest
    context = {"pending": pending, "progress": linking.progress_of(pending, manifest.name)}
    return render(request, "connections/link/_progress.html", context)


@require_POST
def confirm_account(request: OrganizationRequest, link_id: UUID) -> HttpResponse:
    """The other account is wanted; the page before showed what is gained and lost."""
    pending = pending_of(request, link_id)
    try:
        link.confirm_account(actor=request.actor, pending=pending)
    except FlowProblem as problem:
        messages.error(request, problem.message)
    return to(request, "link_check", pending.id)


def _arrived(pending: PendingLink) -> tuple[str, UUID]:
    if pending.connection_id is None:
        raise Http404
    if pending.relink_id or not products.has_lists(pending.connector):
        return "connection_verification", pending.connection_id
    return "connection_workspaces", pending.connection_id
