"""What of a connection is synced: the form on its settings."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.views.decorators.http import require_POST

from connections.flows import sync_choice
from connections.forms import SettingsForm
from connections.sync_forms import SyncChoiceForm
from connections.views.connection import VIEW, settings_page
from connections.views.doors import accepted, requires, tab_of, to
from portal.requests import OrganizationRequest


@require_POST
@requires(VIEW)
def choose(request: OrganizationRequest, connection_id: UUID) -> HttpResponse:
    """Save which lists are read, and for how long what ended is kept."""
    page = tab_of(request, connection_id, "connection_settings")
    if not page.rights.manage:
        raise PermissionDenied("Only those who manage this connection choose what is read.")
    form = SyncChoiceForm.of(page.connection, request.POST)
    if not accepted(
        form,
        lambda: sync_choice.choose(
            actor=request.actor,
            connection=page.connection,
            streams=form.cleaned_data["streams"],
            keep_days=form.keep,
        ),
    ):
        settings = SettingsForm.of(page.connection, actor=request.actor)
        return settings_page(request, page, settings, choice=form)
    messages.success(request, "Saved. What is new is read with the next sync.")
    return to(request, "connection_settings", connection_id)
