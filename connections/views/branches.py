"""A new branch for somebody who comes from an issue: which repository, how it is called, and what
became of it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET, require_http_methods

from connections.branch_forms import BranchForm
from connections.flows import branch_making
from connections.models import BranchWish, Repository
from connections.queries import branches
from connections.queries.branches import Asked
from connections.views.doors import made, requires, status_of, to
from connections.views.relays import VIEW, sent
from portal.requests import OrganizationRequest


@require_http_methods(["GET", "POST"])
@requires(VIEW)
def new(request: OrganizationRequest) -> HttpResponse:
    """First the repository, then name and beginning. The address says the issue, and no secret."""
    asked = Asked.read(request.GET.dict())
    if asked.repository_id is None:
        return _choose(request, asked)
    repository = branches.repositories(request.actor).filter(id=asked.repository_id).first()
    if repository is None:
        raise Http404
    offer = branches.offer(request.actor, repository, asked)
    form = BranchForm(
        sent(request), initial={"name": offer.name, "start": offer.start}, actor=request.actor
    )
    if wish := made(form, lambda: _ask(request, repository, form, asked)):
        return to(request, "branch", wish.id)
    context = {"asked": asked, "offer": offer, "form": form}
    return render(request, "connections/branches/new.html", context, status=status_of(form))


def _choose(request: OrganizationRequest, asked: Asked) -> HttpResponse:
    choice = branches.choice(request.actor, asked)
    address = request.build_absolute_uri(request.path)
    context: dict[str, Any] = {"asked": asked, "choice": choice, "address": address}
    return render(request, "connections/branches/choose.html", context)


def _ask(
    request: OrganizationRequest, repository: Repository, form: BranchForm, asked: Asked
) -> BranchWish:
    return branch_making.ask(
        actor=request.actor,
        repository=repository,
        name=form.cleaned_data["name"],
        start=form.cleaned_data["start"],
        subject=asked.subject,
    )


@require_GET
@requires(VIEW)
def one(request: OrganizationRequest, wish_id: UUID) -> HttpResponse:
    """On its way, made, or why not."""
    found = branches.find(wish_id, request.actor)
    if found is None:
        raise Http404
    return render(request, "connections/branches/one.html", {"made": found})
