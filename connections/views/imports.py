"""Importing connections: upload and dry run, import with its progress, report, undo."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from connections import registry
from connections.flows import import_checks, imports as flow
from connections.imports import example
from connections.imports.reading import MOST_BYTES
from connections.models import ImportBatch
from connections.queries import consumers, imports as queries
from connections.transfer_forms import REPLACE, ImportForm, StartForm
from connections.views.doors import attempt, made, requires, status_of, to
from portal.policy import Permission
from portal.requests import OrganizationRequest
from portal.step_up import recently_proven
from portal.uploads import takes_file, was_too_large

IMPORT = Permission.CONNECTION_IMPORT


@takes_file("file", MOST_BYTES)
@require_http_methods(["GET", "POST"])
@requires(IMPORT)
@recently_proven("imports")
def imports(request: OrganizationRequest) -> HttpResponse:
    """The form, the imports so far; a file that is sent is checked, and nothing imported yet."""
    form = ImportForm(
        request.POST or None,
        request.FILES or None,
        teams=queries.teams(),
        consumers=consumers.choices(),
        actor=request.actor,
    )
    if form.is_bound and was_too_large(request):
        form.too_large()
    elif form.is_bound and (batch := made(form, lambda: _checked(request, form))):
        return to(request, "import", batch.id)
    context = {"form": form, "lines": queries.latest()}
    return render(request, "connections/imports/list.html", context, status=status_of(form))


def _checked(request: OrganizationRequest, form: ImportForm) -> ImportBatch:
    given = form.cleaned_data
    return import_checks.check(
        actor=request.actor,
        file_name=given["file"].name,
        content=given["file"].file.getvalue(),
        team_id=UUID(given["team"]) if given["team"] else None,
        consumer_id=UUID(given["consumer"]) if given.get("consumer") else None,
        replaces=given["duplicates"] == REPLACE,
        key=given["key"],
    )


@require_GET
@requires(IMPORT)
def example_file(request: OrganizationRequest) -> HttpResponse:
    """A CSV with a row for each way of linking that a token can be brought along for."""
    manifests = [each.manifest for each in registry.connectors().values()]
    response = HttpResponse(example.csv_text(manifests), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="connections-example.csv"'
    return response


@require_GET
@requires(IMPORT)
def one(request: OrganizationRequest, import_id: UUID) -> HttpResponse:
    """The dry run, the progress, or what became of it."""
    context = {"page": queries.import_page(request, _batch(import_id)), "form": StartForm()}
    return render(request, "connections/imports/one.html", context)


@require_POST
@requires(IMPORT)
@recently_proven("imports")
def start(request: OrganizationRequest, import_id: UUID) -> HttpResponse:
    batch = _batch(import_id)
    form = StartForm(request.POST, actor=request.actor)
    if not form.is_valid():
        context = {"page": queries.import_page(request, batch), "form": form}
        return render(request, "connections/imports/one.html", context, status=400)
    attempt(
        request,
        lambda: flow.start(actor=request.actor, batch=batch, rotate_days=form.days()),
        "The import has begun. You may leave this page; it goes on.",
    )
    return to(request, "import", batch.id)


@require_POST
@requires(IMPORT)
def cancel(request: OrganizationRequest, import_id: UUID) -> HttpResponse:
    batch = _batch(import_id)
    attempt(
        request,
        lambda: flow.cancel(actor=request.actor, batch=batch),
        "No further row is begun. What is imported stays.",
    )
    return to(request, "import", batch.id)


@require_POST
@requires(IMPORT)
def discard(request: OrganizationRequest, import_id: UUID) -> HttpResponse:
    batch = _batch(import_id)
    attempt(
        request,
        lambda: flow.discard(actor=request.actor, batch=batch),
        "Nothing was imported. What the file brought is forgotten.",
    )
    return to(request, "imports")


@require_POST
@requires(IMPORT)
@recently_proven("imports")
def undo(request: OrganizationRequest, import_id: UUID) -> HttpResponse:
    """Undone when the file's name was typed; the page counted before what goes and what stays."""
    batch = _batch(import_id)
    if request.POST.get("confirm_name", "").strip() != batch.file_name:
        messages.error(request, "The name does not match. Type it exactly as it is written.")
        return to(request, "import", batch.id)
    attempt(
        request,
        lambda: flow.undo(actor=request.actor, batch=batch),
        "The connections of this import are being forgotten.",
    )
    return to(request, "import", batch.id)


@require_POST
@requires(IMPORT)
@recently_proven("imports")
def retry(request: OrganizationRequest, import_id: UUID) -> HttpResponse:
    batch = _batch(import_id)
    attempt(
        request,
        lambda: flow.retry(actor=request.actor, batch=batch),
        "The rows whose access was renewed are tried again.",
    )
    return to(request, "import", batch.id)


@require_GET
@requires(IMPORT)
def report(request: OrganizationRequest, import_id: UUID) -> HttpResponse:
    """Every row accounted for, as a file for a spreadsheet."""
    text = "".join(queries.report(_batch(import_id)))
    response = HttpResponse("\ufeff" + text, content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="import-report.csv"'
    return response


def _batch(import_id: UUID) -> ImportBatch:
    """This organization's import; another's is a 404 like none at all."""
    found: ImportBatch | None = ImportBatch.objects.filter(id=import_id).first()
    if found is None:
        raise Http404
    return found
