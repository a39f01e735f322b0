"""The operators' page of webhooks: what waits by organization, and the alarm when it waits long."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from connections.queries import inboxes
from connections.views.consumers import OperatorRequest, for_platform


@require_GET
@for_platform
def platform(request: OperatorRequest) -> HttpResponse:
    """Counts without bodies; nobody's message is read here."""
    assert request.actor.id is not None
    context = {"shown": inboxes.inboxes(request.actor.id)}
    return render(request, "connections/activity/platform.html", context)
