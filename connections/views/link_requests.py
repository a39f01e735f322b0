"""Requests: asking for a link or for more, the list of what is asked, and the answers."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from connections import registry
from connections.contracts import BASE_URL, Capability, Manifest
from connections.flows import link_requests as flows
from connections.link_forms import AskForm, DeclineForm
from connections.models import Connection, LinkRequest
from connections.queries import link_requests as queries, linking
from connections.views.doors import accepted, attempt, made, requires, status_of, to
from portal.memberships import teams_shown
from portal.policy import Permission
from portal.requests import OrganizationRequest, id_in

SEE = Permission.CONNECTION_VIEW
DECIDE = Permission.LINK_REQUEST_DECIDE


@require_GET
@requires(SEE)
def requests(request: OrganizationRequest) -> HttpResponse:
    """What waits and what was answered: everybody's for admins, one's own for others."""
    lines = queries.lines(request.actor)
    context = {
        "open": [each for each in lines if each.is_open],
        "over": [each for each in lines if not each.is_open],
        "decides": request.actor.may(DECIDE),
    }
    return render(request, "connections/requests/list.html", context)


@require_http_methods(["GET", "POST"])
@requires(SEE)
def new(request: OrganizationRequest) -> HttpResponse:
    """What is asked for stands in the address; the form wants the reason."""
    connection = _connection(request.GET.get("connection", ""))
    slug = connection.connector if connection else request.GET.get("connector", "")
    if not slug:
        return to(request, "catalogue")
    if slug not in registry.connectors():
        raise Http404
    manifest = registry.get(slug).manifest
    more = connection is not None and "more" in request.GET
    host = connection is None and manifest.self_hosted is not None and BASE_URL in request.GET
    lacking = queries.lacking(connection) if connection and more else None
    form = _form(request, manifest, lacking, is_new=connection is None and not host, host=host)
    if request.method == "POST" and (
        asked := made(form, lambda: _asked(request, slug, connection, form))
    ):
        messages.success(request, "The owners and admins have been told. You hear from us.")
        return to(request, "link_request", asked.id)
    context = {
        "form": form,
        "connection": connection,
        "more": more,
        "host": host,
        "nothing": lacking == [],
        "manifest": manifest,
    }
    return render(request, "connections/requests/new.html", context, status=status_of(form))


def _form(
    request: OrganizationRequest,
    manifest: Manifest,
    lacking: list[Capability] | None,
    *,
    is_new: bool,
    host: bool,
) -> AskForm:
    within = teams_shown(request.membership)
    minimal = [each.key for each in manifest.capabilities if each.minimal]
    return AskForm(
        request.POST or None,
        actor=request.actor,
        capabilities=manifest.capabilities if is_new else lacking,
        teams=linking.team_choices(manifest.slug, within=within) if is_new else None,
        host=host,
        initial={
            "capabilities": minimal if is_new else request.GET.getlist("capabilities"),
            BASE_URL: request.GET.get(BASE_URL, ""),
        },
    )


def _asked(
    request: OrganizationRequest, slug: str, connection: Connection | None, form: AskForm
) -> LinkRequest:
    given = form.cleaned_data
    if BASE_URL in given:
        return flows.ask_for_host(
            actor=request.actor, connector=slug, base_url=given[BASE_URL], why=given["why"]
        )
    if connection is not None and "capabilities" in form.fields:
        return flows.ask_for_more(
            actor=request.actor,
            connection=connection,
            capabilities=given["capabilities"],
            why=given["why"],
        )
    return flows.ask_for_link(
        actor=request.actor,
        connector=slug,
        relink=connection,
        capabilities=given.get("capabilities"),
        team_id=UUID(given["team"]) if given.get("team") else None,
        why=given["why"],
    )


@require_GET
@requires(SEE)
def one(request: OrganizationRequest, request_id: UUID) -> HttpResponse:
    return _page(request, _request(request_id), DeclineForm(actor=request.actor))


@require_POST
@requires(DECIDE)
def approve(request: OrganizationRequest, request_id: UUID) -> HttpResponse:
    found = _request(request_id)
    attempt(
        request,
        lambda: flows.approve(actor=request.actor, request=found),
        "Approved. Who asked has been told.",
    )
    return to(request, "link_request", found.id)


@require_POST
@requires(DECIDE)
def decline(request: OrganizationRequest, request_id: UUID) -> HttpResponse:
    found = _request(request_id)
    form = DeclineForm(request.POST, actor=request.actor)
    if accepted(
        form,
        lambda: flows.decline(actor=request.actor, request=found, why=form.cleaned_data["why"]),
    ):
        messages.success(request, "Declined. Who asked reads your reason.")
        return to(request, "link_request", found.id)
    return _page(request, found, form)


@require_POST
@requires(SEE)
def withdraw(request: OrganizationRequest, request_id: UUID) -> HttpResponse:
    found = _request(request_id)
    if queries.page(found, request.actor) is None:
        raise Http404
    attempt(
        request,
        lambda: flows.withdraw(actor=request.actor, request=found),
        "You do not ask for it any more.",
    )
    return to(request, "link_requests")


def _page(request: OrganizationRequest, found: LinkRequest, form: DeclineForm) -> HttpResponse:
    shown = queries.page(found, request.actor)
    if shown is None:
        raise Http404
    context = {"page": shown, "form": form}
    return render(request, "connections/requests/one.html", context, status=status_of(form))


def _request(request_id: UUID) -> LinkRequest:
    found: LinkRequest | None = (
        LinkRequest.objects.select_related("connection").filter(id=request_id).first()
    )
    if found is None:
        raise Http404
    return found


def _connection(text: str) -> Connection | None:
    if not text:
        return None
    found: Connection | None = Connection.objects.filter(id=id_in(text)).first()
    if found is None:
        raise Http404
    return found
