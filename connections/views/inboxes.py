"""The operators' pages of what comes in and goes out: what waits, and the alarm when it is late."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from connections.queries import inboxes, outboxes
from connections.views.consumers import OperatorRequest, for_platform


@require_GET
@for_platform
def platform(request: OperatorRequest) -> HttpResponse:
    """Counts without bodies; nobody's message is read here."""
    assert request.actor.id is not None
    context = {"shown": inboxes.inboxes(request.actor.id)}
    return render(request, "connections/activity/platform.html", context)


@require_GET
@for_platform
def relays(request: OperatorRequest) -> HttpResponse:
    """The same of links: counts by organization, and nothing of what travels."""
    assert request.actor.id is not None
    context = {"shown": outboxes.outboxes(request.actor.id)}
    return render(request, "connections/relay/platform.html", context)
