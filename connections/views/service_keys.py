"""Service keys: the list, a new one whose text is shown once, and one key with what it leased."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from connections.api.asking import MOST_EXPOSED
from connections.api.key import hash_of, keys_in
from connections.flows import key_stops, service_keys
from connections.key_forms import EditKeyForm, NewKeyForm
from connections.models import ServiceKey
from connections.queries.service_keys import key_list, key_page
from connections.views.doors import View, accepted, attempt, made, requires, status_of, to
from portal.policy import Permission, allows
from portal.requests import OrganizationRequest
from portal.step_up import recently_proven

SEARCHED = (
    "That was a whole key, and what is looked for is logged along the way. If it was one of yours,"
    " it is revoked now: make a new one. Look for a key by its name or by its first letters."
)
VIEW, EDIT = Permission.SERVICE_KEY_VIEW, Permission.SERVICE_KEY_EDIT


@require_GET
@requires(VIEW)
def keys(request: OrganizationRequest) -> HttpResponse:
    """One page of the list, by the filters and the cursor in the address.

    Somebody may look for a key by its whole text, which then stands in logs along the way.
    """
    leaked = keys_in(request.GET.get("q", ""))
    if leaked:
        for each in leaked[:MOST_EXPOSED]:
            key_stops.exposed_here(hash_of(each))
        messages.warning(request, SEARCHED)
        return to(request, "service_keys")
    context = {"shown": key_list(request), "may_edit": allows(request.actor, EDIT)}
    return render(request, "connections/keys/list.html", context)


@require_http_methods(["GET", "POST"])
@requires(EDIT)
@recently_proven("service_key_new")
def new(request: OrganizationRequest) -> HttpResponse:
    """The form, and in the answer to it the key's text: there is no other place to read it."""
    form = NewKeyForm(request.POST or None, actor=request.actor)
    if request.method == "POST" and (fresh := made(form, lambda: _create(request, form))):
        if fresh.whole is None:
            messages.warning(request, "This key was made already, and its text was shown then.")
            return to(request, "service_key", fresh.key.id)
        return _made(request, fresh.key, fresh.whole.reveal())
    context = {"form": form}
    return render(request, "connections/keys/new.html", context, status=status_of(form))


def _create(request: OrganizationRequest, form: NewKeyForm) -> service_keys.Made:
    return service_keys.create(
        actor=request.actor,
        name=form.cleaned_data["name"],
        limits=form.limits(),
        key=form.cleaned_data["once"],
    )


def _made(request: OrganizationRequest, key: ServiceKey, whole: str) -> HttpResponse:
    context = {"key": key, "whole": whole, "api_url": settings.API_URL}
    return render(request, "connections/keys/made.html", context)


@require_GET
@requires(VIEW)
def key(request: OrganizationRequest, key_id: UUID) -> HttpResponse:
    """What the key may, what it used, who leased what, when and why."""
    found = _key(key_id)
    form = EditKeyForm(initial=EditKeyForm.shown(found), actor=request.actor)
    return _page(request, found, form)


@require_POST
@requires(EDIT)
@recently_proven("service_keys")
def edit(request: OrganizationRequest, key_id: UUID) -> HttpResponse:
    found = _key(key_id)
    form = EditKeyForm(request.POST, actor=request.actor)
    if accepted(
        form,
        lambda: service_keys.edit(actor=request.actor, key=found, limits=form.limits()),
    ):
        messages.success(request, "Its next request meets the new limits.")
        return to(request, "service_key", key_id)
    return _page(request, found, form)


def _deed(done: str, deed: Callable[[OrganizationRequest, ServiceKey], object]) -> View[[UUID]]:
    """A button on the key's page: it does this, says so with the key's name, and shows the page."""

    def view(request: OrganizationRequest, key_id: UUID) -> HttpResponse:
        found = _key(key_id)
        attempt(request, lambda: deed(request, found), done.format(found.name))
        return to(request, "service_key", key_id)

    return view


_freeze = _deed(
    "{} is frozen. Its next request is refused.",
    lambda request, found: service_keys.freeze(actor=request.actor, key=found),
)
_thaw = _deed(
    "{} may go on.", lambda request, found: service_keys.thaw(actor=request.actor, key=found)
)
_revoke = _deed(
    "{} is revoked. Its next request is refused.",
    lambda request, found: service_keys.revoke(
        actor=request.actor, key=found, typed_name=request.POST.get("confirm_name", "")
    ),
)
freeze = require_POST(requires(EDIT)(_freeze))
thaw = require_POST(requires(EDIT)(recently_proven("service_keys")(_thaw)))
revoke = require_POST(requires(EDIT)(_revoke))


def _key(key_id: UUID) -> ServiceKey:
    """This organization's key; another's is a 404 like none at all."""
    found: ServiceKey | None = ServiceKey.objects.filter(id=key_id).first()
    if found is None:
        raise Http404
    return found


def _page(request: OrganizationRequest, found: ServiceKey, form: EditKeyForm) -> HttpResponse:
    context = {
        "shown": key_page(request, found),
        "form": form,
        "may_edit": allows(request.actor, EDIT),
    }
    return render(request, "connections/keys/key.html", context, status=status_of(form))
