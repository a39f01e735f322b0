"""An organization's record: filtered, in words, with the state of its chain."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import BadRequest
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from portal import chain, cursor, queries
from portal.audit import Action
from portal.forms import AuditFilter
from portal.policy import Permission, authorize
from portal.record_words import told
from portal.requests import OrganizationRequest


@require_GET
def record(request: OrganizationRequest) -> HttpResponse:
    authorize(request.actor, Permission.AUDIT_VIEW)
    form = AuditFilter(request.GET)
    if not form.is_valid():
        name = next(iter(form.errors))
        raise BadRequest(f"The filter {name!r} cannot be read. Start from the unfiltered record.")
    page = queries.audit_events(form.cleaned_data, at=request.GET.get("cursor", ""))
    context = {
        "filter": {name: request.GET.get(name, "") for name in form.fields},
        "is_filtered": any(form.cleaned_data.values()),
        "actions": [("", "Anything"), *((one.value, one.label) for one in Action)],
        "rows": [told(event) for event in page.rows],
        "next": cursor.link(request, page.next),
        "previous": cursor.link(request, page.previous),
        "chain": chain.state(),
    }
    return render(request, "portal/audit.html", context)


@require_POST
def verify(request: OrganizationRequest) -> HttpResponse:
    """Walks the whole chain now."""
    authorize(request.actor, Permission.AUDIT_VIEW)
    state = chain.verify_now()
    if state.broken_at is not None:
        messages.error(request, f"The record does not fit at #{state.broken_at}: {state.reason}.")
    else:
        messages.success(request, f"All {state.proven:,} entries fit.")
    return redirect("audit", request.organization.slug)
