"""Support's way in: name one organization, give a reason, read for an hour."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from portal import queries, support, tenancy
from portal.forms import FindForm, LookForm
from portal.memberships import FoundOrganization
from portal.models import Organization
from portal.requests import OrganizationRequest
from portal.staff import support_required
from portal.support import support_look_required


@require_http_methods(["GET", "POST"])
@support_required
def index(request: OrganizationRequest) -> HttpResponse:
    """Looks for one organization by its exact address."""
    form = FindForm(request.POST or None, actor=request.actor)
    if form.is_valid():
        slug = form.cleaned_data["slug"].strip("/").lower()
        if support.organization_for(request.user.id, slug):
            return redirect("support_organization", slug)
        form.add_error("slug", "No organization has exactly this address.")
    status = 400 if form.is_bound else 200
    return render(request, "portal/support.html", {"form": form}, status=status)


@require_http_methods(["GET", "POST"])
@support_required
def reason(request: OrganizationRequest, slug: str) -> HttpResponse:
    """The page of an organization while a look is open; before that, the form for its reason."""
    found = _found(request, slug)
    with tenancy.acting_for(found), tenancy.transaction():
        is_open = support.open_look(request.actor) is not None
    if is_open:
        return redirect("support_look", slug)
    form = LookForm(request.POST or None, actor=request.actor)
    if form.is_valid():
        words = form.cleaned_data["reason"]
        support.begin_look(actor=request.actor, organization=found, reason=words)
        return redirect("support_look", slug)
    context = {"form": form, "place": found}
    return render(
        request, "portal/support_reason.html", context, status=400 if form.is_bound else 200
    )


@require_GET
@support_look_required
def look(request: OrganizationRequest) -> HttpResponse:
    """What there is to see; it runs in the support role."""
    context = {
        "place": request.organization,
        "created_at": Organization.objects.values_list("created_at", flat=True).get(
            id=request.organization.id
        ),
        "people": queries.people_for_support(),
        "entries": support.entries_of(request.organization),
        "rows": queries.record_for_support(),
    }
    return render(request, "portal/support_look.html", context)


@require_POST
@support_required
def end(request: OrganizationRequest, slug: str) -> HttpResponse:
    found = _found(request, slug)
    support.end_look(actor=request.actor, organization=found)
    messages.success(request, f"You no longer look at {found.name}.")
    return redirect("support")


def _found(request: OrganizationRequest, slug: str) -> FoundOrganization:
    found = support.organization_for(request.user.id, slug)
    if found is None:
        raise Http404
    return found
