"""A connection's deliveries: the log, one of them, and what whoever manages it may do with one."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET, require_POST

from connections.flows import dead_letters, downloading, rights
from connections.flows.hook_endpoints import endpoint_of
from connections.letter_forms import DiscardForm
from connections.models import Delivery
from connections.queries import activity
from connections.queries.connection import ConnectionPage
from connections.queries.deliveries import DeliveryWish, delivery_list
from connections.queries.delivery import delivery_page
from connections.views import connection_charts
from connections.views.connection import VIEW
from connections.views.doors import attempt, requires, tab_of, to
from portal import charts
from portal.requests import OrganizationRequest

TAB = "connection_deliveries"
RESULTS = "div#results"  # the list alone, as htmx names it when it asks again


@require_GET
@requires(VIEW)
def log(request: OrganizationRequest, connection_id: UUID) -> HttpResponse:
    """What came in, the latest first; its first page looks again by itself, without charts."""
    page = tab_of(request, connection_id, TAB)
    span = activity.span_of(request.GET.get("span", ""))
    is_part = request.headers.get("HX-Target") == RESULTS
    shown = delivery_list(
        connection=page.connection,
        wish=DeliveryWish.read(request.GET.dict()),
        cursor=request.GET.get("cursor", ""),
    )
    context = {
        "page": page,
        "shown": shown,
        "endpoint": endpoint_of(page.connection),
        "span": span,
        "spans": activity.SPANS,
        "charts": [] if is_part else connection_charts.of_deliveries(request, page.connection),
        "dead": dead_letters.waiting(page.connection),
    }
    return render(request, "connections/deliveries/log.html", context)


@require_GET
@requires(VIEW)
def one(request: OrganizationRequest, connection_id: UUID, delivery_id: UUID) -> HttpResponse:
    """Headers, body, attempts and effect of one delivery."""
    page = tab_of(request, connection_id, TAB)
    return _shown(request, page, _delivery(page, delivery_id))


def _shown(
    request: OrganizationRequest,
    page: ConnectionPage,
    delivery: Delivery,
    refused: DiscardForm | None = None,
) -> HttpResponse:
    shown = delivery_page(page.connection, delivery, page.product)
    context = {"page": page, "shown": shown, "refused": refused}
    status = 400 if refused else 200
    return render(request, "connections/deliveries/one.html", context, status=status)


def _delivery(page: ConnectionPage, delivery_id: UUID) -> Delivery:
    """This connection's delivery; another's is a 404 like none at all."""
    rows = Delivery.objects.filter(connection_id=page.connection.id, id=delivery_id)
    found: Delivery | None = rows.first()
    if found is None:
        raise Http404
    return found


@require_POST
@requires(VIEW)
def download(request: OrganizationRequest, connection_id: UUID, delivery_id: UUID) -> HttpResponse:
    """The body as it came, for those who manage the connection; on record."""
    page = tab_of(request, connection_id, TAB)
    delivery = _delivery(page, delivery_id)
    found: list[bytes] = []
    is_there = attempt(
        request,
        lambda: found.append(
            downloading.fetch(actor=request.actor, connection=page.connection, delivery=delivery)
        ),
        "",
    )
    if not is_there:
        return to(request, "connection_delivery", connection_id, delivery_id)
    response = HttpResponse(found[0], content_type="application/octet-stream")
    response["Content-Disposition"] = f'attachment; filename="delivery-{delivery.id}.json"'
    return response


@require_POST
@requires(VIEW)
def replay(request: OrganizationRequest, connection_id: UUID, delivery_id: UUID) -> HttpResponse:
    """It is applied again."""
    return _do(request, connection_id, delivery_id, dead_letters.replay_one, "It is applied again.")


@require_POST
@requires(VIEW)
def discard(request: OrganizationRequest, connection_id: UUID, delivery_id: UUID) -> HttpResponse:
    """It is put away for a reason."""
    form = DiscardForm(request.POST, actor=request.actor)
    if not form.is_valid():
        page = tab_of(request, connection_id, TAB)
        rights.manager(request.actor, page.connection)
        return _shown(request, page, _delivery(page, delivery_id), form)
    reason = form.cleaned_data["reason"]

    def deed(**about: object) -> None:
        dead_letters.discard_one(**about, reason=reason)  # type: ignore[arg-type]

    return _do(request, connection_id, delivery_id, deed, "It is discarded. You can take it back.")


@require_POST
@requires(VIEW)
def restore(request: OrganizationRequest, connection_id: UUID, delivery_id: UUID) -> HttpResponse:
    """It is a dead letter again."""
    done = "It is among the failed deliveries again."
    return _do(request, connection_id, delivery_id, dead_letters.restore_one, done)


def _do(
    request: OrganizationRequest,
    connection_id: UUID,
    delivery_id: UUID,
    deed: Callable[..., None],
    done: str,
) -> HttpResponse:
    page = tab_of(request, connection_id, TAB)
    delivery = _delivery(page, delivery_id)
    about = {"actor": request.actor, "connection": page.connection, "delivery": delivery}
    attempt(request, lambda: deed(**about), done)
    return to(request, "connection_delivery", connection_id, delivery_id)


# ── Charts ────────────────────────────────────────────────────────────────────────────────────


@require_GET
@requires(VIEW)
def numbers(request: OrganizationRequest, connection_id: UUID, name: str) -> HttpResponse:
    """The numbers behind one of this connection's charts, as a file."""
    if name in ("requests", "syncs"):
        page = tab_of(request, connection_id, "connection_sync")
        made = connection_charts.of_syncs(request, page.connection)
    else:
        page = tab_of(request, connection_id, TAB)
        made = connection_charts.of_deliveries(request, page.connection)
    for each in made:
        if each.name == name:
            return charts.file_of(each)
    raise Http404
