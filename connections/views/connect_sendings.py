"""The connect links of a whole campaign at once: who would get what, and how far it is."""

from __future__ import annotations

from uuid import UUID

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from connections.flows import sendings
from connections.flows.connect_links import Recipient
from connections.link_forms import SendingForm
from connections.models import Campaign, ConnectSending
from connections.queries import connect_sendings as queries
from connections.queries.connect_links import owners_left
from connections.views.doors import attempt, made, requires, status_of, to
from portal.policy import Permission
from portal.requests import OrganizationRequest, id_in

SEND = Permission.CONNECT_LINK_SEND


@require_http_methods(["GET", "POST"])
@requires(SEND)
def new(request: OrganizationRequest, campaign_id: UUID) -> HttpResponse:
    """First who would get how many; with the form, a worker sends them."""
    campaign = Campaign.objects.filter(id=campaign_id).first()
    if campaign is None:
        raise Http404
    owner_id = id_in(request.GET.get("owner", ""))
    form = SendingForm(request.POST or None, actor=request.actor)
    if request.method == "POST" and (
        begun := made(form, lambda: _start(request, campaign, owner_id, form))
    ):
        return to(request, "connect_sending", begun.id)
    context = {
        "campaign": campaign,
        "form": form,
        "preview": queries.preview(campaign, owner_id),
        "owner": next((o.name for o in owners_left(campaign) if o.id == str(owner_id)), ""),
    }
    page = "connections/connect/sending_new.html"
    return render(request, page, context, status=status_of(form))


def _start(
    request: OrganizationRequest, campaign: Campaign, owner_id: UUID | None, form: SendingForm
) -> ConnectSending:
    given = form.cleaned_data
    is_one = given["whom"] == SendingForm.ONE
    return sendings.start(
        actor=request.actor,
        campaign=campaign,
        to=Recipient(
            name=given["to_name"] if is_one else "",
            email=given["to_email"] if is_one else "",
            message=given["message"],
        ),
        owner_id=owner_id,
        key=given["once"],
    )


@require_GET
@requires(SEND)
def one(request: OrganizationRequest, sending_id: UUID) -> HttpResponse:
    """How far it is, and who could not be asked."""
    context = {"line": queries.line(_sending(sending_id))}
    return render(request, "connections/connect/sending.html", context)


@require_POST
@requires(SEND)
def cancel(request: OrganizationRequest, sending_id: UUID) -> HttpResponse:
    found = _sending(sending_id)
    attempt(
        request,
        lambda: sendings.cancel(actor=request.actor, sending=found),
        "No more links are sent. Those that were mailed stay good.",
    )
    return to(request, "connect_sending", found.id)


def _sending(sending_id: UUID) -> ConnectSending:
    found: ConnectSending | None = (
        ConnectSending.objects.select_related("campaign").filter(id=sending_id).first()
    )
    if found is None:
        raise Http404
    return found
