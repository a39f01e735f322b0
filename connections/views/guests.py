"""What somebody without an account sees of a connect link: who asks for what, the way, thanks.

The address's secret leaves it at once; the session keeps its hash, for each link that was opened,
and the pages name the link by its id. Used, expired, revoked and guessed addresses look the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from connections.contracts import BASE_URL, Method, MethodKind
from connections.flows import guests, link
from connections.flows.problems import FlowProblem
from connections.forms import LinkForm
from connections.models import Consumer, LinkStage, PendingLink
from connections.queries import connect_links as queries, linking
from connections.views.doors import SeeOther, status_of
from connections.views.guest_doors import Guest, browser, by_connect_link, gone, remember
from portal import tenancy
from portal.secret import hashed

WITH_WORKER = frozenset({LinkStage.ANSWERED, LinkStage.CONFIRM_ACCOUNT})


@login_not_required
@require_GET
def follow(request: HttpRequest, token: str) -> HttpResponse:
    """The link itself; nothing is begun by opening it."""
    kept = hashed(token)
    found = guests.found(kept)
    if found is None:
        return gone(request)
    with tenancy.acting_for(found.organization_id), tenancy.transaction():
        if guests.opened(found.id) is None:
            return gone(request)
    remember(request, found.id, kept)
    response = SeeOther(reverse("connect", args=[found.id]))
    response["Referrer-Policy"] = "no-referrer"
    return response


@require_GET
@by_connect_link
def asked(request: HttpRequest, guest: Guest) -> HttpResponse:
    """Who asks, for which organization, and which permissions; and the ways to allow them."""
    if _is_over(guest):
        return SeeOther(guest.page("connect_done"))
    pending = guest.pending
    if pending and pending.stage in WITH_WORKER:
        return SeeOther(guest.page("connect_check"))
    context = _frame(guest) | {
        "sheets": linking.scope_sheets(guest.manifest, guest.link.capabilities),
        "capabilities": [guest.manifest.capability(key) for key in guest.link.capabilities],
        "ways": queries.ways(guest.manifest, guest.link),
    }
    return render(request, "connections/connect/asked.html", context)


@require_POST
@by_connect_link
def begin(request: HttpRequest, guest: Guest) -> HttpResponse:
    """This browser takes it on, by one of the ways."""
    method = _method(guest, request.POST.get("method", ""))
    if method is None or _is_over(guest):
        return SeeOther(guest.page("connect"))
    try:
        guests.begin(
            connect_link=guest.link,
            session_key=guest.browser,
            name=linking.free_name(guest.link.name),
        )
    except FlowProblem as problem:
        messages.error(request, problem.message)
        return SeeOther(guest.page("connect"))
    return SeeOther(f"{guest.page('connect_consent')}?method={method.key}")


@require_http_methods(["GET", "POST"])
@by_connect_link
def consent(request: HttpRequest, guest: Guest) -> HttpResponse:
    """What to allow and where; a pasted secret goes straight to the flow that seals it."""
    pending = guest.pending
    if pending is None or pending.stage in WITH_WORKER or _is_over(guest):
        return SeeOther(guest.page("connect"))
    method = _method(guest, request.GET.get("method") or pending.method)
    if method is None:
        return SeeOther(guest.page("connect"))
    form = _form(request, guest, pending, method)
    if request.method == "POST" and form.is_valid():
        try:
            _prepare(guest, pending, method, form)
        except FlowProblem as problem:
            form.refuse(problem)
        else:
            leaves = method.kind is MethodKind.AUTHORIZATION_CODE
            return SeeOther(guest.page("connect_leave" if leaves else "connect_check"))
    chosen = [guest.manifest.capability(key) for key in pending.capabilities]
    context = _frame(guest) | {
        "method": method,
        "form": form,
        "sheet": linking.scope_sheet(guest.manifest, chosen, method.vocabulary),
        "guide": linking.filled(method.steps, link.callback_url(guest.manifest.slug)),
        "leaves": method.kind is MethodKind.AUTHORIZATION_CODE,
    }
    return render(request, "connections/connect/consent.html", context, status=status_of(form))


@require_GET
@by_connect_link
def leave(request: HttpRequest, guest: Guest) -> HttpResponse:
    """On to the vendor; a page, for the reasons of `linking.leave`."""
    pending = guest.pending
    if pending is None or pending.stage in WITH_WORKER or _is_over(guest):
        return SeeOther(guest.page("connect"))
    try:
        address = link.depart(actor=guest.sponsor, pending=pending, session_key=guest.browser)
    except FlowProblem as problem:
        messages.error(request, problem.message)
        return SeeOther(guest.page("connect"))
    context = _frame(guest) | {"address": address}
    response = render(request, "connections/connect/leave.html", context)
    response["Referrer-Policy"] = "no-referrer"
    return response


@require_GET
@by_connect_link
def check(request: HttpRequest, guest: Guest) -> HttpResponse:
    """Waiting, another account, failed with what to do, or on to the thanks."""
    pending = guest.pending
    if pending is None or pending.stage in {LinkStage.CHOOSING, LinkStage.AT_VENDOR}:
        return SeeOther(guest.page("connect"))
    if _is_over(guest):
        return SeeOther(guest.page("connect_done"))
    context = _frame(guest) | {
        "progress": linking.progress_of(pending, guest.manifest.name),
        "found": pending.found_account,
    }
    return render(request, "connections/connect/check.html", context)


@require_GET
@by_connect_link
def progress(request: HttpRequest, guest: Guest) -> HttpResponse:
    """The moving part; when it is over, the page itself is loaded again."""
    pending = guest.pending
    if pending is None or pending.stage != LinkStage.ANSWERED:
        response = HttpResponse(status=200)
        response["HX-Redirect"] = guest.page("connect_check")
        return response
    context = {
        "link": guest.link,
        "progress": linking.progress_of(pending, guest.manifest.name),
    }
    return render(request, "connections/connect/_progress.html", context)


@require_GET
@by_connect_link
def done(request: HttpRequest, guest: Guest) -> HttpResponse:
    """What was allowed, for whom, and how it is taken back."""
    pending = guest.pending
    if not _is_over(guest) or pending is None or pending.connection is None:
        return SeeOther(guest.page("connect"))
    context = _frame(guest) | {"thanks": queries.thanks(guest.link, pending.connection)}
    return render(request, "connections/connect/done.html", context)


def came_back(request: HttpRequest, connector: str) -> HttpResponse | None:
    """The vendor's answer to a guest of this session, taken; None when it is none."""
    known = browser(request)
    if not known:
        return None
    pending = guests.answered(
        connector=connector, params=dict(request.GET.lists()), session_key=known
    )
    return SeeOther(reverse("connect_check", args=[pending.connect_link_id])) if pending else None


def _is_over(guest: Guest) -> bool:
    return guest.pending is not None and guest.pending.stage == LinkStage.DONE


def _method(guest: Guest, key: str) -> Method | None:
    """One of the ways that the page offers; none that is closed to guests or against a policy."""
    ways = queries.ways(guest.manifest, guest.link)
    return next((way.method for way in ways if way.method.key == key), None)


def _form(request: HttpRequest, guest: Guest, pending: PendingLink, method: Method) -> LinkForm:
    """The method's own fields and, of several consumers, which; the rest is the sender's."""
    usable = _usable(guest, pending, method)
    return LinkForm(
        request.POST or None,
        asked=guest.manifest.fields_of(method),
        teams=(),
        usable=() if _kept_consumer(guest, usable) else usable,
        is_relink=True,
        actor=guests.guest(guest.link),
        initial={
            BASE_URL: _known_at(guest),
            "consumer": str(pending.consumer_id or ""),
            **pending.fields,
        },
    )


def _known_at(guest: Guest) -> str:
    """Where a self-hosted product is linked already, so that nobody types it anew."""
    return guest.link.relink.fields.get(BASE_URL, "") if guest.link.relink else ""


def _prepare(guest: Guest, pending: PendingLink, method: Method, form: LinkForm) -> None:
    usable = _usable(guest, pending, method)
    kept = _kept_consumer(guest, usable) or next((each.id for each in usable), None)
    chosen = form.cleaned_data.get("consumer")
    link.prepare(
        actor=guest.sponsor,
        pending=pending,
        method=method.key,
        name=pending.name,
        team_id=pending.team_id,
        consumer_id=UUID(chosen) if chosen else kept,
        fields=form.method_values(),
        secret=form.secret(),
    )


def _usable(guest: Guest, pending: PendingLink, method: Method) -> list[Consumer]:
    return linking.consumers_for(method, pending.connector, guest.found.organization_id)


def _kept_consumer(guest: Guest, usable: Sequence[Consumer]) -> UUID | None:
    """That of the connection to link again: it knows its server."""
    again = guest.link.relink
    return next((each.id for each in usable if again and each.id == again.consumer_id), None)


def _frame(guest: Guest) -> dict[str, Any]:
    """What every page shows: who asks, for whom, for what."""
    return {
        "link": guest.link,
        "organization_name": guest.found.name,
        "manifest": guest.manifest,
        "pending": guest.pending,
    }
