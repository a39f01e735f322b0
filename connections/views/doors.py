"""What stands before a view: the permission it needs, and whose connection or link it is about."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.forms import Form
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from connections.flows.problems import FlowProblem
from connections.forms import ProblemForm
from connections.models import Connection, PendingLink
from connections.queries.connection import ConnectionPage, connection_page
from portal.policy import Permission, allows, refusal
from portal.requests import OrganizationRequest

P = ParamSpec("P")
T = TypeVar("T")
View = Callable[Concatenate[OrganizationRequest, P], HttpResponse]


class SeeOther(HttpResponseRedirect):
    """303: the next request is a GET, whatever this one was."""

    status_code = 303


def requires(permission: Permission) -> Callable[[View[P]], View[P]]:
    """The person's role has this permission, or they read a 403."""

    def decorate(view: View[P]) -> View[P]:
        @wraps(view)
        def inner(
            request: OrganizationRequest, /, *args: P.args, **kwargs: P.kwargs
        ) -> HttpResponse:
            if not allows(request.actor, permission):
                raise refusal(permission)
            return view(request, *args, **kwargs)

        return inner

    return decorate


def connection_of(connection_id: UUID) -> Connection:
    """This organization's connection; another's is a 404 like none at all."""
    found = Connection.objects.select_related("team", "consumer").filter(id=connection_id).first()
    if found is None:
        raise Http404
    return found  # type: ignore[no-any-return]


def tab_of(request: OrganizationRequest, connection_id: UUID, tab: str) -> ConnectionPage:
    """The frame around a tab; a tab of details is a 403 for those who only read."""
    page = connection_page(
        connection=connection_of(connection_id),
        slug=request.organization.slug,
        actor=request.actor,
        tab=tab,
    )
    if not any(each.active for each in page.tabs):
        raise PermissionDenied("Details of this connection are for those who manage it.")
    return page


def pending_of(request: OrganizationRequest, link_id: UUID) -> PendingLink:
    """The link this very person began; somebody else's is a 404."""
    found = (
        PendingLink.objects.select_related("relink", "connection", "consumer", "team")
        .filter(id=link_id, user_id=request.user.id, connect_link=None)
        .first()
    )
    if found is None:
        raise Http404
    return found  # type: ignore[no-any-return]


def status_of(form: Form) -> int:
    """400 for a form that says what is wrong, 200 for one that is only shown."""
    return 400 if form.is_bound and form.errors else 200


def attempt(request: HttpRequest, deed: Callable[[], object], done: str) -> bool:
    """Do it and say so; what the person can mend is said instead, and nothing was done."""
    try:
        deed()
    except FlowProblem as problem:
        messages.error(request, problem.message)
        return False
    if done:
        messages.success(request, done)
    return True


def accepted(form: ProblemForm, deed: Callable[[], object]) -> bool:
    """Whether a valid form's deed was done; what stands in its way is said in the form."""
    if not form.is_valid():
        return False
    try:
        deed()
    except FlowProblem as problem:
        form.refuse(problem)
        return False
    return True


def made(form: ProblemForm, deed: Callable[[], T]) -> T | None:
    """What a valid form's deed makes; None when something stands in its way."""
    found: list[T] = []
    accepted(form, lambda: found.append(deed()))
    return found[0] if found else None


def to(request: OrganizationRequest, name: str, *args: Any) -> SeeOther:
    """On to a page of this organization."""
    return SeeOther(reverse(name, args=[request.organization.slug, *args]))
