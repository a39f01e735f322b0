"""The operators' page of queues: what waits, runs and was given up, and when schedules run."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from portal import fairness, queues
from portal.requests import OrganizationRequest
from portal.staff import operator_required

SHOWN = 50


@require_GET
@operator_required
def index(request: OrganizationRequest) -> HttpResponse:
    """All of it at a glance; the lines that may be many are cut, and say so."""
    hands, found = fairness.hands(), queues.queues(request.user.id)
    failed = queues.failed(request.user.id)
    lines = queues.classes(found, hands)
    context = {
        "hands": hands,
        "lines": lines,
        "due": sum(line.due for line in lines),
        "running": sum(line.running for line in lines),
        "queues": found[:SHOWN],
        "queue_count": len(found),
        "leases": queues.leases(request.user.id)[:SHOWN],
        "failed": failed[:SHOWN],
        "failed_count": len(failed),
        "untried": sum(one.retried_at is None for one in failed),
        "schedules": queues.schedules(),
    }
    return render(request, "portal/platform_queues.html", context)


@require_POST
@operator_required
def try_again(request: OrganizationRequest, job_id: UUID) -> HttpResponse:
    """The job is done once more; asked twice, it is done once."""
    try:
        again = queues.try_again(actor=request.actor, job_id=job_id)
    except queues.NothingToTry:
        if not queues.failed(request.user.id, job_id):
            raise Http404 from None
        messages.info(request, "That job was tried again already.")
    else:
        messages.success(request, f"{again.job} of {again.name} is tried again.")
    return redirect("platform_queues")
