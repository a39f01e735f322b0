"""Campaigns: the list, a new one with a preview of whom it hits, and one with what is left."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from connections.due_forms import CampaignForm, ExcludeForm, first_error
from connections.flows import campaigns
from connections.models import Campaign, CampaignItem
from connections.queries import campaign_choice, changes
from connections.queries.campaign_choice import Choice, Preview
from connections.queries.campaigns import campaign_list, campaign_page
from connections.views.doors import attempt, made, requires, status_of, to
from portal.policy import Permission, allows
from portal.requests import OrganizationRequest

VIEW, EDIT = Permission.CONNECTION_VIEW, Permission.CAMPAIGN_EDIT
Goal = Campaign.Goal


@require_GET
@requires(VIEW)
def index(request: OrganizationRequest) -> HttpResponse:
    """One page of campaigns, by the state in the address."""
    context = {"shown": campaign_list(request), "may_edit": allows(request.actor, EDIT)}
    return render(request, "connections/campaigns/list.html", context)


@require_http_methods(["GET", "POST"])
@requires(EDIT)
def new(request: OrganizationRequest) -> HttpResponse:
    """First who would be in it; with the form, it starts, if they are still as many."""
    choice = Choice.read(request.GET.dict())
    preview = campaign_choice.preview(choice)
    if request.method == "GET":
        form = CampaignForm(initial=_beginning(preview, request.GET.get("goal", "")))
        return _new(request, preview, form)
    form = CampaignForm(request.POST, actor=request.actor)
    if form.is_valid() and form.cleaned_data["expected"] != preview.count:
        form.look_again(preview.count)
    if started := made(form, lambda: _start(request, choice, form)):
        messages.success(request, "The campaign has started, and people are being told.")
        return to(request, "campaign", started.id)
    return _new(request, preview, form)


def _start(request: OrganizationRequest, choice: Choice, form: CampaignForm) -> Campaign:
    given = form.cleaned_data
    return campaigns.start(
        actor=request.actor,
        goal=given["goal"],
        title=given["title"],
        connection_ids=list(campaign_choice.matching(choice).values_list("id", flat=True)),
        due_at=form.due_at(),
        because=given["because"],
        zone=given["zone"],
        key=given["once"],
    )


def _new(request: OrganizationRequest, preview: Preview, form: CampaignForm) -> HttpResponse:
    context = {"preview": preview, "form": form}
    return render(request, "connections/campaigns/new.html", context, status=status_of(form))


def _beginning(preview: Preview, goal: str) -> dict[str, object]:
    """Name and goal by what brought the person here; the zone of the campaign before."""
    found = changes.find(preview.choice.change) if preview.choice.change else None
    if not goal and found is not None:
        goal = found[1].goal
    latest = Campaign.objects.order_by("-started_at").first()
    return CampaignForm.beginning(
        goal=goal if goal in Goal.values else Goal.ROTATE,
        title=found[1].title if found else "",
        expected=preview.count,
        zone=latest.zone if latest else "UTC",
    )


@require_GET
@requires(VIEW)
def campaign(request: OrganizationRequest, campaign_id: UUID) -> HttpResponse:
    """How far it is, who has what left, and each connection."""
    return _page(request, campaign_id)


def _page(request: OrganizationRequest, campaign_id: UUID, *, status: int = 200) -> HttpResponse:
    context = {
        "shown": campaign_page(request, _campaign(campaign_id), request.actor),
        "may_edit": allows(request.actor, EDIT),
        "may_send": allows(request.actor, Permission.CONNECT_LINK_SEND),
        "exclude_form": ExcludeForm(),
    }
    return render(request, "connections/campaigns/one.html", context, status=status)


@require_POST
@requires(EDIT)
def exclude(request: OrganizationRequest, campaign_id: UUID, item_id: UUID) -> HttpResponse:
    """Nothing is expected of this connection, for the reason that was typed."""
    item = _item(campaign_id, item_id)
    form = ExcludeForm(request.POST, actor=request.actor)
    if not form.is_valid():
        messages.error(request, f"Why: {first_error(form)}")
        return _page(request, campaign_id, status=400)
    attempt(
        request,
        lambda: campaigns.exclude(
            actor=request.actor, item=item, because=form.cleaned_data["because"]
        ),
        f"Nothing is expected of {item.connection} any more.",
    )
    return to(request, "campaign", campaign_id)


@require_POST
@requires(EDIT)
def include(request: OrganizationRequest, campaign_id: UUID, item_id: UUID) -> HttpResponse:
    item = _item(campaign_id, item_id)
    attempt(
        request,
        lambda: campaigns.include(actor=request.actor, item=item),
        f"{item.connection} is part of it again.",
    )
    return to(request, "campaign", campaign_id)


@require_POST
@requires(EDIT)
def cancel(request: OrganizationRequest, campaign_id: UUID) -> HttpResponse:
    """Nobody is asked any more; what was done stays done."""
    found = _campaign(campaign_id)
    attempt(
        request,
        lambda: campaigns.cancel(actor=request.actor, campaign=found),
        "The campaign is cancelled. What was done stays done.",
    )
    return to(request, "campaign", campaign_id)


def _campaign(campaign_id: UUID) -> Campaign:
    """This organization's campaign; another's is a 404 like none at all."""
    found: Campaign | None = Campaign.objects.filter(id=campaign_id).first()
    if found is None:
        raise Http404
    return found


def _item(campaign_id: UUID, item_id: UUID) -> CampaignItem:
    """One connection of it that this person sees."""
    items = CampaignItem.objects.select_related("connection")
    found: CampaignItem | None = items.filter(id=item_id, campaign_id=campaign_id).first()
    if found is None:
        raise Http404
    return found
