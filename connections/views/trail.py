"""The trail: one search box, the answer to it, having it looked at again, and the same as text."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from connections.flows import inquiries
from connections.flows.problems import FlowProblem
from connections.models import Inquiry, Repository
from connections.queries import products, trail as trails, trail_search, trail_words
from connections.queries.readable import left_out, readable
from connections.queries.trail_search import COMMIT, PULL, Found
from connections.views.doors import SeeOther, requires
from portal.policy import Permission
from portal.requests import OrganizationRequest, id_in

VIEW = Permission.CONNECTION_VIEW


@require_GET
@requires(VIEW)
def trail(request: OrganizationRequest) -> HttpResponse:
    """The box, and what was found by what stands in the address."""
    text = request.GET.get("q", "").strip()[: trail_words.LONGEST]
    chosen = id_in(request.GET.get("in", ""))
    context: dict[str, Any] = {"q": text, "chosen": chosen or ""}
    context["left_out"] = left_out(request.actor)
    if not text:
        return render(request, "connections/trail/index.html", context)
    found = trail_search.find(request.actor, text, chosen)
    context["found"] = found
    context["here"] = _address(request, text, chosen)
    if len(found.subjects) == 1:
        if request.htmx and request.htmx.target == "live":  # it was looked for, and is here now
            return HttpResponse(headers={"HX-Refresh": "true"})
        context["trail"] = _trail(request, found)
        context["text"] = trails.as_text(context["trail"])
        return render(request, "connections/trail/trail.html", context)
    if not found.subjects:
        context |= _unknown(found, text)
    return render(request, "connections/trail/index.html", context)


@require_GET
@requires(VIEW)
def as_text(request: OrganizationRequest) -> HttpResponse:
    """The answer as a text file; back to the page where there is not exactly one."""
    chosen = id_in(request.GET.get("in", ""))
    text = request.GET.get("q", "")[: trail_words.LONGEST]
    found = trail_search.find(request.actor, text, chosen)
    if len(found.subjects) != 1:
        return SeeOther(_address(request, text, chosen))
    answer = HttpResponse(
        trails.as_text(_trail(request, found)), content_type="text/plain; charset=utf-8"
    )
    answer["Content-Disposition"] = 'attachment; filename="trail.txt"'
    return answer


@require_POST
@requires(VIEW)
def look(request: OrganizationRequest) -> HttpResponse:
    """The vendor is asked now about what the form names; the page then follows it."""
    text = request.POST.get("q", "").strip()[: trail_words.LONGEST]
    repository = _repository(request)
    if repository is None:
        return SeeOther(_address(request, text, None))
    kind, key = request.POST.get("kind", ""), request.POST.get("key", "").lower()
    if not _is_subject(kind, key):
        raise Http404
    try:
        inquiries.request(actor=request.actor, repository=repository, kind=kind, key=key)
    except FlowProblem as problem:
        messages.error(request, problem.message)
    return SeeOther(_address(request, text, repository.id))


def _trail(request: OrganizationRequest, found: Found) -> trails.Trail:
    ids = list(readable(request.actor).values_list("id", flat=True))
    return trails.trail(found.subjects[0], ids)


def _unknown(found: Found, text: str) -> dict[str, Any]:
    """What can be asked for though nothing of it is kept, and who looks already."""
    question = trail_words.read(text)
    context: dict[str, Any] = {"hash": question.hash, "inquiry": None}
    if question.hash and found.repository is not None:
        looks = Inquiry.objects.filter(repository_id=found.repository.id, kind=COMMIT)
        context["inquiry"] = looks.filter(key=question.hash).first()
        context["product"] = products.name_of(found.repository.connection.connector)
        context["failed"] = trails.failure(context["inquiry"], context["product"])
    return context


def _repository(request: OrganizationRequest) -> Repository | None:
    """The one that the form names, by its id or, with a message where that is none, by its name."""
    rows = Repository.objects.filter(connection__in=readable(request.actor).values("id"))
    rows = rows.select_related("connection")
    if "in" in request.POST:
        found: Repository | None = rows.filter(id=id_in(request.POST["in"])).first()
        if found is None:
            raise Http404
        return found
    name = request.POST.get("name", "").strip()[:400]
    named = list(trail_search.called(rows, name)[:2]) if name else []
    if len(named) == 1:
        return named[0]
    said = "Several repositories are called that. Say which, as in acme/web."
    messages.error(request, said if named else "No repository here is called that.")
    return None


def _is_subject(kind: str, key: str) -> bool:
    if kind == COMMIT:
        return trail_words.HASH.fullmatch(key) is not None
    return kind == PULL and key.isascii() and key.isdigit() and len(key) < 10


def _address(request: OrganizationRequest, text: str, chosen: UUID | None) -> str:
    query = {"q": text, **({"in": str(chosen)} if chosen else {})}
    return f"{reverse('trail', args=[request.organization.slug])}?{urlencode(query)}"
