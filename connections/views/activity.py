"""An organization's webhooks at a glance: charts, what was missed, and dead letters with deeds."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import BadRequest, PermissionDenied
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from connections.flows import dead_letters
from connections.flows.deciding import Choice
from connections.flows.problems import FlowProblem
from connections.letter_forms import DiscardForm
from connections.models import Connection, DeedKind, InboxDeed
from connections.queries import activity, deeds, inbox, missed as misses
from connections.queries.connection import Tab, rights_of
from connections.views.connection import VIEW
from connections.views.doors import SeeOther, attempt, requires, to
from portal import charts
from portal.charts import Chart
from portal.policy import Permission, allows, refusal
from portal.requests import OrganizationRequest

RECORD: Final = Permission.AUDIT_VIEW
MANAGE: Final = Permission.CONNECTION_MANAGE
ASKED: Final = {DeedKind.REPLAY.value: DeedKind.REPLAY, DeedKind.DISCARD.value: DeedKind.DISCARD}


@require_GET
@requires(RECORD)
def index(request: OrganizationRequest) -> HttpResponse:
    """The charts of all connections together, and the accounts that ask for them."""
    shown, counts = _charts(request), inbox.counts()
    context = {
        "span": activity.span_of(request.GET.get("span", "")),
        "spans": activity.SPANS,
        "charts": shown,
        "accounts": inbox.accounts(),
        "counts": counts,
        "is_quiet": not (counts.addresses or counts.waiting) and all(c.is_empty for c in shown),
        "tabs": inbox.tabs(request.organization.slug, "activity"),
    }
    return render(request, "connections/activity/overview.html", context)


def _charts(request: OrganizationRequest) -> list[Chart]:
    span = activity.span_of(request.GET.get("span", ""))
    ids = inbox.connection_ids()
    slug = request.organization.slug
    urls = {name: reverse("activity_chart", args=[slug, name]) for name in ("deliveries", "missed")}
    return [
        activity.deliveries(ids, span, file_url=f"{urls['deliveries']}?span={span.key}"),
        activity.missed(ids, file_url=urls["missed"]),
    ]


@require_GET
@requires(RECORD)
def numbers(request: OrganizationRequest, name: str) -> HttpResponse:
    """The numbers behind one of the charts, as a file."""
    for each in _charts(request):
        if each.name == name:
            return charts.file_of(each)
    raise Http404


@require_GET
@requires(VIEW)
def missed(request: OrganizationRequest) -> HttpResponse:
    """What a sync found that no webhook had told of."""
    connection = _scope(request)
    shown = misses.missed_list(
        connection=connection,
        cause=request.GET.get("cause", ""),
        cursor=request.GET.get("cursor", ""),
    )
    context = {"shown": shown, "connection": connection, "tabs": _tabs(request, "activity_missed")}
    return render(request, "connections/activity/missed.html", context)


@require_GET
@requires(VIEW)
def letters(request: OrganizationRequest) -> HttpResponse:
    """The deliveries that failed for good, and what was decided of others before."""
    connection = _scope(request)
    shown = inbox.letter_list(
        choice=_choice(request, connection), cursor=request.GET.get("cursor", "")
    )
    context = {
        "shown": shown,
        "connection": connection,
        "may_decide": _may_decide(request, connection),
        "deeds": deeds.deeds(connection),
        "tabs": _tabs(request, "dead_letters"),
    }
    return render(request, "connections/activity/letters.html", context)


def _scope(request: OrganizationRequest) -> Connection | None:
    """The connection that the address names, for who sees its details; without one, all of them."""
    given = request.GET.get("connection", "")
    if not given:
        if not allows(request.actor, RECORD):
            raise refusal(RECORD)
        return None
    connection = _connection(given)
    if not rights_of(request.actor, connection).details:
        raise PermissionDenied("Details of this connection are for those who manage it.")
    return connection


def _connection(given: str) -> Connection:
    try:
        found = Connection.objects.filter(id=UUID(given)).first()
    except ValueError:
        raise BadRequest("There is no such connection.") from None
    if found is None:
        raise Http404
    return found  # type: ignore[no-any-return]


def _choice(request: OrganizationRequest, connection: Connection | None) -> Choice:
    return Choice(
        connection, request.GET.get("event", "")[:100], request.GET.get("reason", "")[:40]
    )


def _may_decide(request: OrganizationRequest, connection: Connection | None) -> bool:
    if connection is not None:
        return rights_of(request.actor, connection).manage
    return allows(request.actor, MANAGE)


def _tabs(request: OrganizationRequest, here: str) -> list[Tab]:
    """For those who see all of it; a team's admin comes from a connection and goes back there."""
    if not allows(request.actor, RECORD):
        return []
    return inbox.tabs(request.organization.slug, here)


# ── Deeds ─────────────────────────────────────────────────────────────────────────────────────


@require_http_methods(["GET", "POST"])
@requires(VIEW)
def decide(request: OrganizationRequest, kind: str) -> HttpResponse:
    """What applying again or discarding would do, counted; posted, it is done."""
    if kind not in ASKED:
        raise Http404
    connection = _scope(request)
    if not _may_decide(request, connection):
        raise refusal(MANAGE)
    choice = _choice(request, connection)
    problem, form = None, DiscardForm(request.POST or None, actor=request.actor)
    if request.method == "POST":
        try:
            return _deed(request, _begun(request, choice, ASKED[kind], form))
        except FlowProblem as raised:
            problem = raised
    context = {
        "kind": kind,
        "choice": choice,
        "shown": dead_letters.preview(choice, ASKED[kind]),
        "reason_words": inbox.reason_words(choice.error),
        "given": form["reason"].value() or "",
        "problem": problem,
        "back": f"{reverse('dead_letters', args=[request.organization.slug])}"
        f"?{request.GET.urlencode()}",
    }
    status = 400 if problem else 200
    return render(request, "connections/activity/decide.html", context, status=status)


def _begun(
    request: OrganizationRequest, choice: Choice, kind: DeedKind, form: DiscardForm
) -> InboxDeed:
    if kind is DeedKind.REPLAY:
        return dead_letters.replay(actor=request.actor, choice=choice)
    if not form.is_valid():
        raise FlowProblem("reason", "reason", form.problem)
    reason = form.cleaned_data["reason"]
    return dead_letters.discard(actor=request.actor, choice=choice, reason=reason)


def _deed(request: OrganizationRequest, deed: InboxDeed) -> SeeOther:
    return to(request, "inbox_deed", deed.id)


@require_GET
@requires(VIEW)
def deed(request: OrganizationRequest, deed_id: UUID) -> HttpResponse:
    """How far it is, live; to stop it, or to take back what it discarded."""
    found = _found(request, deed_id)
    context = {
        "shown": deeds.deed_page(found),
        "may_decide": _may_decide(request, found.connection),
    }
    return render(request, "connections/activity/deed.html", context)


def _found(request: OrganizationRequest, deed_id: UUID) -> InboxDeed:
    found: InboxDeed | None = (
        InboxDeed.objects.select_related("connection").filter(id=deed_id).first()
    )
    if found is None:
        raise Http404
    sees = found.connection is not None and rights_of(request.actor, found.connection).details
    if not sees and not allows(request.actor, RECORD):
        raise refusal(RECORD)
    return found


@require_POST
@requires(VIEW)
def stop(request: OrganizationRequest, deed_id: UUID) -> HttpResponse:
    """It ends after the portion it is at."""
    found = _found(request, deed_id)
    attempt(
        request,
        lambda: dead_letters.stop(actor=request.actor, deed=found),
        "It stops after the portion it is at. What was done stays done.",
    )
    return _deed(request, found)


@require_POST
@requires(VIEW)
def restore(request: OrganizationRequest, deed_id: UUID) -> HttpResponse:
    """What it discarded is taken back."""
    found = _found(request, deed_id)
    try:
        made = dead_letters.restore(actor=request.actor, deed=found)
    except FlowProblem as problem:
        messages.error(request, problem.message)
        return _deed(request, found)
    return _deed(request, made)
