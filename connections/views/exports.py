"""Exporting the organization: ask, compare the key's fingerprint, decide, download, cancel."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from connections.flows import exports as flow
from connections.flows.exporting import FOLDER
from connections.flows.problems import FlowProblem
from connections.models import Export
from connections.queries import exports as queries
from connections.transfer_forms import ExportForm
from connections.views.doors import SeeOther, attempt, requires, status_of, to
from portal import tenancy
from portal.policy import Permission
from portal.requests import OrganizationRequest, with_own_transactions
from portal.step_up import recently_proven

EXPORT = Permission.ORGANIZATION_EXPORT
CONFIRM = "confirm"


@require_http_methods(["GET", "POST"])
@requires(EXPORT)
@recently_proven("exports")
def exports(request: OrganizationRequest) -> HttpResponse:
    """The exports so far and the form; a key's fingerprint is shown before anything is asked."""
    form = ExportForm(request.POST or None, actor=request.actor)
    if request.method == "POST" and form.is_valid():
        try:
            asked = flow.ask(actor=request.actor, **form.cleaned_data)
        except FlowProblem as problem:
            if problem.code == CONFIRM:
                return _confirm(request, form, problem.message)
            form.refuse(problem)
        else:
            messages.success(request, _said(asked))
            return to(request, "exports")
    return _page(request, form)


def _said(asked: Export) -> str:
    if asked.is_sealed:
        return "Somebody else has to agree now. The other admins have been told."
    return "A worker writes the file. It appears here when it is ready."


def _confirm(request: OrganizationRequest, form: ExportForm, fingerprint: str) -> HttpResponse:
    context = {"form": form, "fingerprint": fingerprint, "given": form.cleaned_data}
    return render(request, "connections/exports/confirm.html", context)


def _page(request: OrganizationRequest, form: ExportForm) -> HttpResponse:
    lines = queries.lines(request.actor)
    is_live = any(line.export.is_live for line in lines)
    context = {"form": form, "lines": lines, "is_live": is_live}
    return render(request, "connections/exports/list.html", context, status=status_of(form))


@require_GET
@requires(EXPORT)
def script(request: OrganizationRequest) -> HttpResponse:
    """The script that makes the key and opens credentials, to be read before it is run."""
    text = (FOLDER / "open_credentials.py").read_text("utf-8")
    response = HttpResponse(text, content_type="text/x-python; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="open_credentials.py"'
    return response


@require_POST
@requires(EXPORT)
@recently_proven("exports")
def decide(request: OrganizationRequest, export_id: UUID) -> HttpResponse:
    """The second person's yes or no."""
    export = _export(export_id)
    yes = request.POST.get("answer") == "yes"
    attempt(
        request,
        lambda: flow.decide(
            actor=request.actor, export=export, yes=yes, why=request.POST.get("why", "")
        ),
        "A worker writes the file now." if yes else "It is refused, and nothing was written.",
    )
    return to(request, "exports")


@require_POST
@requires(EXPORT)
def cancel(request: OrganizationRequest, export_id: UUID) -> HttpResponse:
    export = _export(export_id)
    attempt(
        request,
        lambda: flow.cancel(actor=request.actor, export=export),
        "The export is cancelled, and what was there of it is deleted.",
    )
    return to(request, "exports")


@with_own_transactions
@require_POST
@requires(EXPORT)
@recently_proven("exports")
def download(request: OrganizationRequest, export_id: UUID) -> HttpResponse:
    """The file, piece by piece; that it was fetched is on record before the first."""
    try:
        with tenancy.transaction():
            export = flow.fetch(actor=request.actor, export=_export(export_id))
    except FlowProblem as problem:
        messages.error(request, problem.message)
        return _back(request)
    content = flow.pieces(request.organization.id, export.id)
    response = StreamingHttpResponse(content, content_type="application/zip")
    response["Content-Length"] = str(export.size)
    name = f"export-{export.created_at:%Y-%m-%d-%H%M}.zip"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response  # type: ignore[return-value]  # decorators know of no other kind


def _back(request: OrganizationRequest) -> SeeOther:
    return to(request, "exports")


def _export(export_id: UUID) -> Export:
    """This organization's export; another's is a 404 like none at all."""
    found: Export | None = Export.objects.filter(id=export_id).first()
    if found is None:
        raise Http404
    return found
