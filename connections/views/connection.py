"""One connection, tab by tab: what is shown. What is done is in `deeds.py`."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from connections import markdown
from connections.flows import parting, replacement, told_ends
from connections.flows.lifecycle import preview_revoke
from connections.forms import EndsForm, SettingsForm
from connections.models import ConnectionState
from connections.queries import credential as credentials, policies, replacements
from connections.queries.attempts import renewals
from connections.queries.connection import ConnectionPage
from connections.queries.key_uses import blast_of, used_by
from connections.queries.record import connection_record, time_line
from connections.queries.repositories import RepositoryWish, repository_list, workspaces_of
from connections.queries.runs import stream_titles, sync_tab
from connections.queries.streams import StateList, StateWish, state_list
from connections.queries.verification import verification_tab
from connections.queries.visibility import why
from connections.sync_forms import SyncChoiceForm
from connections.views.connection_charts import of_syncs
from connections.views.doors import requires, status_of, tab_of
from portal.policy import Permission, allows
from portal.requests import OrganizationRequest

TIME_LINE = 12
VIEW = Permission.CONNECTION_VIEW
LIVE = "div#live"  # the part of the sync tab that htmx asks for every second, and nothing else


@require_GET
@requires(VIEW)
def overview(request: OrganizationRequest, connection_id: UUID) -> HttpResponse:
    """State in words, facts, what happened, what comes next."""
    page = tab_of(request, connection_id, "connection")
    context = {
        "page": page,
        "time_line": time_line(page.connection, product=page.product, limit=TIME_LINE)
        if page.rights.details
        else [],
        "workspaces": [w for w in workspaces_of(connection_id) if w.selected],
        "description": markdown.render(page.connection.description),
        "capabilities": _capabilities(page),
        "used_by": used_by(connection_id) if page.rights.details else [],
        "sees_keys": allows(request.actor, Permission.SERVICE_KEY_VIEW),
        "standing": policies.standing(page.connection) if page.rights.details else None,
        "left": _left_there(page) if page.is_revoked and page.rights.details else None,
    }
    return render(request, "connections/connection/overview.html", context)


def _left_there(page: ConnectionPage) -> dict[str, Any] | None:
    """What becomes of the credential at the vendor, and where a person withdraws it there."""
    if page.manifest is None:
        return None
    connection = page.connection
    steps = replacements.guide(page.manifest, connection.method, connection.fields)
    return {"steps": steps, "ends_by_us": parting.ends_by_us(connection)}


def _capabilities(page: ConnectionPage) -> list[str]:
    if page.manifest is None:
        return list(page.connection.capabilities)
    return [c.title for c in page.manifest.capabilities if c.key in page.connection.capabilities]


@require_GET
@requires(VIEW)
def verification(request: OrganizationRequest, connection_id: UUID) -> HttpResponse:
    """The latest verification, live while it runs, the scope matrix and the history."""
    page = tab_of(request, connection_id, "connection_verification")
    shown = verification_tab(
        connection=page.connection,
        product=page.product,
        manifest=page.manifest,
        credential=page.credential,
        latest=page.verification,
    )
    context = {"page": page, "shown": shown}
    return render(request, "connections/connection/verification.html", context)


@require_GET
@requires(VIEW)
def credential(request: OrganizationRequest, connection_id: UUID) -> HttpResponse:
    """Facts about the sealed secret, and how to replace it; never a value."""
    page = tab_of(request, connection_id, "connection_credential")
    context = {
        "page": page,
        "shown": credentials.credential_tab(page.connection, page.manifest),
        "renewals": renewals(request, page.connection, page.product),
        "standing": policies.standing(page.connection),
        "under_way": replacement.under_way(page.connection),
        "replaceable": bool(page.manifest and replacement.ways(page.manifest)),
        "rotates": replacements.can_rotate(page.connection, page.credential),
        "rotations": replacements.history(page.connection, page.product),
        "ends": _ends_form(page),
    }
    return render(request, "connections/connection/credential.html", context)


def _ends_form(page: ConnectionPage) -> EndsForm | None:
    """For who may mend it, where only a person can know the end."""
    held = page.credential
    if held is None or not page.rights.mend or not told_ends.may_be_told(held):
        return None
    return EndsForm(initial={"ends_on": held.expires_at and held.expires_at.date()})


@require_GET
@requires(VIEW)
def repositories(request: OrganizationRequest, connection_id: UUID) -> HttpResponse:
    """The repositories that were read, with search, filters and sort in the address."""
    page = tab_of(request, connection_id, "connection_repositories")
    shown = repository_list(
        connection_id=connection_id,
        product=page.product,
        wish=RepositoryWish.read(request.GET.dict()),
        cursor=request.GET.get("cursor", ""),
    )
    context = {"page": page, "shown": shown}
    return render(request, "connections/connection/repositories.html", context)


@require_GET
@requires(VIEW)
def workspaces(request: OrganizationRequest, connection_id: UUID) -> HttpResponse:
    """The workspaces this credential reaches, to choose from; live until they are found."""
    page = tab_of(request, connection_id, "connection_repositories")
    found = workspaces_of(connection_id)
    first = not any(workspace.selected for workspace in found)
    context = {
        "page": page,
        "workspaces": found,
        "is_first": first,
        "is_looking": not found and _is_verifying(page),
        "may_choose": page.rights.mend,
    }
    return render(request, "connections/connection/workspaces.html", context)


def _is_verifying(page: ConnectionPage) -> bool:
    return page.verification is None or page.verification.finished_at is None


@require_GET
@requires(VIEW)
def sync(request: OrganizationRequest, connection_id: UUID) -> HttpResponse:
    """The run under way or the last one, its streams and failures, and those before."""
    page = tab_of(request, connection_id, "connection_sync")
    shown = sync_tab(connection=page.connection, product=page.product)
    asked = request.GET.get("why", "").strip()[:400]
    wish = StateWish.read(request.GET)
    is_live = request.headers.get("HX-Target") == LIVE
    has_chosen = any(workspace.selected for workspace in workspaces_of(connection_id))
    context = {
        "page": page,
        "shown": shown,
        "streams": None if is_live else _lists(request, page, wish),
        "asked": asked,
        "evidence": why(page.connection, asked) if asked else [],
        "has_chosen": has_chosen,
        "charts": [] if is_live else of_syncs(request, page.connection),
    }
    return render(request, "connections/connection/sync.html", context)


def _lists(request: OrganizationRequest, page: ConnectionPage, wish: StateWish) -> StateList:
    return state_list(
        connection=page.connection,
        product=page.product,
        titles=stream_titles(page.connection.connector),
        wish=wish,
        cursor=request.GET.get("cursor", ""),
    )


@require_GET
@requires(VIEW)
def record(request: OrganizationRequest, connection_id: UUID) -> HttpResponse:
    """Everything on record about this connection, page by page."""
    page = tab_of(request, connection_id, "connection_record")
    context = {"page": page, "shown": connection_record(request, page.connection, page.product)}
    return render(request, "connections/connection/record.html", context)


@require_GET
@requires(VIEW)
def settings(request: OrganizationRequest, connection_id: UUID) -> HttpResponse:
    """Labels, description, schedules; pause and revoke with what goes, counted."""
    page = tab_of(request, connection_id, "connection_settings")
    form = SettingsForm.of(page.connection, actor=request.actor)
    return settings_page(request, page, form)


def settings_page(
    request: OrganizationRequest,
    page: ConnectionPage,
    form: SettingsForm,
    preview: str = "",
    choice: SyncChoiceForm | None = None,
) -> HttpResponse:
    """The settings with these forms in them; `preview` is rendered Markdown."""
    alive = page.connection.state != ConnectionState.REVOKED
    context: dict[str, Any] = {
        "page": page,
        "form": form,
        "choice": choice or SyncChoiceForm.of(page.connection),
        "preview": preview,
        "losses": preview_revoke(page.connection) if alive and page.rights.manage else None,
        "blast": blast_of(page.connection) if alive and page.rights.manage else None,
        "left": _left_there(page) if alive and page.rights.manage else None,
    }
    name = "connections/connection/settings.html"
    return render(request, name, context, status=status_of(choice or form))
