"""What is done to a connection: each a POST, one flow, and back to the page it belongs to."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.core.exceptions import BadRequest, PermissionDenied
from django.http import Http404, HttpResponse
from django.views.decorators.http import require_POST

from connections import markdown
from connections.flows import lifecycle, plan, sync, verify, workspaces
from connections.flows.problems import FlowProblem
from connections.forms import SettingsForm
from connections.models import Connection, SyncRun
from connections.views.connection import settings_page
from connections.views.doors import accepted, attempt, connection_of, requires, tab_of, to
from portal.policy import Permission
from portal.requests import OrganizationRequest

VIEW = Permission.CONNECTION_VIEW


@require_POST
@requires(VIEW)
def verify_now(request: OrganizationRequest, connection_id: UUID) -> HttpResponse:
    connection = connection_of(connection_id)
    if not connection.is_live:
        messages.error(request, "Resume this connection, or link it again, before you verify it.")
        return to(request, "connection", connection_id)
    try:
        verify.request(actor=request.actor, connection=connection)
    except FlowProblem as problem:
        messages.error(request, problem.message)
    return to(request, "connection_verification", connection_id)


@require_POST
@requires(VIEW)
def sync_now(request: OrganizationRequest, connection_id: UUID) -> HttpResponse:
    connection = connection_of(connection_id)
    try:
        sync.request(actor=request.actor, connection=connection)
    except FlowProblem as problem:
        messages.error(request, problem.message)
        if problem.code == "no_workspace":
            return to(request, "connection_workspaces", connection_id)
    return to(request, "connection_sync", connection_id)


def _run(connection_id: UUID, run_id: UUID) -> SyncRun:
    """A run of this very connection; of another one it is a 404 (T03)."""
    runs = SyncRun.objects.select_related("connection")
    found = runs.filter(id=run_id, connection_id=connection_id).first()
    if found is None:
        raise Http404
    return found  # type: ignore[no-any-return]


@require_POST
@requires(VIEW)
def cancel(request: OrganizationRequest, connection_id: UUID, run_id: UUID) -> HttpResponse:
    run = _run(connection_id, run_id)
    attempt(
        request,
        lambda: sync.cancel(actor=request.actor, run=run),
        "The sync stops after the page it is reading. What was read stays.",
    )
    return to(request, "connection_sync", connection_id)


@require_POST
@requires(VIEW)
def accept_shrink(request: OrganizationRequest, connection_id: UUID, run_id: UUID) -> HttpResponse:
    run = _run(connection_id, run_id)
    attempt(
        request,
        lambda: sync.accept_shrink(actor=request.actor, run=run),
        "What the listing no longer holds is marked as gone.",
    )
    return to(request, "connection_sync", connection_id)


@require_POST
@requires(VIEW)
def choose_workspaces(request: OrganizationRequest, connection_id: UUID) -> HttpResponse:
    connection = connection_of(connection_id)
    try:
        chosen = [UUID(each) for each in request.POST.getlist("workspaces")]
    except ValueError:
        raise BadRequest("One of the workspaces is not known.") from None
    try:
        run = workspaces.choose(actor=request.actor, connection=connection, workspace_ids=chosen)
    except FlowProblem as problem:
        messages.error(request, problem.message)
        return to(request, "connection_workspaces", connection_id)
    messages.success(request, f"Your choice is saved. {_what_follows(connection, run)}")
    return to(request, "connection_sync", connection_id)


def _what_follows(connection: Connection, run: SyncRun | None) -> str:
    """When the workspaces that were chosen are read."""
    if not plan.streams_of(connection):
        return sync.NOTHING_TO_READ
    if run is None:
        return "They are read once this connection is resumed or linked again."
    if run.cancel_requested_at is not None:
        return "The sync under way is being cancelled; ask for another one to read them."
    return "A sync of these workspaces is under way."


@require_POST
@requires(VIEW)
def edit(request: OrganizationRequest, connection_id: UUID) -> HttpResponse:
    """Save, or with `preview` show the description as it will look; nothing is kept then."""
    page = tab_of(request, connection_id, "connection_settings")
    if not page.rights.manage:
        raise PermissionDenied("Only those who manage this connection change its settings.")
    form = SettingsForm(request.POST, actor=request.actor)
    form.allow(page.connection)
    if "preview" in request.POST and form.is_valid():
        rendered = markdown.render(form.cleaned_data["description"])
        return settings_page(request, page, form, preview=rendered)
    if not accepted(
        form,
        lambda: lifecycle.edit(
            actor=request.actor,
            connection=page.connection,
            labels=form.label_list(),
            description=form.cleaned_data["description"],
            verify_every_hours=form.cleaned_data["verify_every_hours"],
            sync_every_minutes=form.cleaned_data["sync_every_minutes"],
        ),
    ):
        return settings_page(request, page, form)
    messages.success(request, "Saved.")
    return to(request, "connection_settings", connection_id)


@require_POST
@requires(VIEW)
def pause(request: OrganizationRequest, connection_id: UUID) -> HttpResponse:
    connection = connection_of(connection_id)
    attempt(
        request,
        lambda: lifecycle.pause(actor=request.actor, connection=connection),
        "Paused. Nothing is asked of the vendor until you resume it.",
    )
    return to(request, "connection", connection_id)


@require_POST
@requires(VIEW)
def resume(request: OrganizationRequest, connection_id: UUID) -> HttpResponse:
    connection = connection_of(connection_id)
    attempt(
        request,
        lambda: lifecycle.resume(actor=request.actor, connection=connection),
        "Resumed. A verification comes first.",
    )
    return to(request, "connection", connection_id)


@require_POST
@requires(VIEW)
def revoke(request: OrganizationRequest, connection_id: UUID) -> HttpResponse:
    """Revoked when the name was typed; the vendor's side is told of on the page that follows."""
    connection = connection_of(connection_id)
    done = attempt(
        request,
        lambda: lifecycle.revoke(
            actor=request.actor,
            connection=connection,
            typed_name=request.POST.get("confirm_name", ""),
        ),
        f"{connection.name} is revoked. Its credential is being erased.",
    )
    return to(request, "connection" if done else "connection_settings", connection_id)
