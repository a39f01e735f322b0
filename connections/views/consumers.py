"""OAuth consumers: an organization's own in its settings, the platform's for operators."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from connections import registry
from connections.contracts import BASE_URL
from connections.flows import consumers
from connections.flows.problems import FlowProblem
from connections.forms import ConsumerForm, ReplaceConsumerForm
from connections.models import Consumer
from connections.queries.consumers import consumer_page, consumer_pages
from connections.views.doors import SeeOther, accepted, requires, status_of
from portal import tenancy
from portal.policy import Actor, Permission
from portal.requests import OrganizationRequest, SignedInRequest
from portal.staff import operator_required

View = Callable[..., HttpResponse]
PAGES = ["GET", "POST"]


def for_platform(view: View) -> View:
    """An operator acts for the platform itself; to others this page does not exist."""

    @wraps(view)
    @operator_required
    def inner(request: OperatorRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        with tenancy.acting_for(tenancy.PLATFORM), tenancy.transaction():
            return view(request, *args, **kwargs)

    return inner


class OperatorRequest(SignedInRequest):
    actor: Actor


# ── An organization's own ─────────────────────────────────────────────────────────────────────


@require_http_methods(PAGES)
@requires(Permission.CONSUMER_EDIT)
def own(request: OrganizationRequest) -> HttpResponse:
    """The organization's consumers, the platform's beside them, and the form for a new one."""
    home = reverse("consumers", args=[request.organization.slug])
    return _listed(request, request.actor, home, "connections/consumers/own.html")


@require_http_methods(PAGES)
@requires(Permission.CONSUMER_EDIT)
def own_one(request: OrganizationRequest, consumer_id: UUID) -> HttpResponse:
    home = reverse("consumers", args=[request.organization.slug])
    return _one(request, request.actor, consumer_id, home, "connections/consumers/own_one.html")


# ── The platform's ────────────────────────────────────────────────────────────────────────────


@require_http_methods(PAGES)
@for_platform
def platform(request: OperatorRequest) -> HttpResponse:
    """Every connector of this installation with the consumers that serve all organizations."""
    home = reverse("platform_connectors")
    return _listed(request, request.actor, home, "connections/consumers/platform.html")


@require_http_methods(PAGES)
@for_platform
def platform_one(request: OperatorRequest, consumer_id: UUID) -> HttpResponse:
    home = reverse("platform_connectors")
    return _one(
        request, request.actor, consumer_id, home, "connections/consumers/platform_one.html"
    )


# ── The same for both ─────────────────────────────────────────────────────────────────────────


def _listed(request: SignedInRequest, actor: Actor, home: str, template: str) -> HttpResponse:
    """Every product with its consumers and a form of its own; one of the forms may be sent."""
    connector = request.POST.get("connector", "")
    if request.method == "POST" and connector not in registry.connectors():
        raise Http404
    forms = {slug: _form(request, actor, slug) for slug in registry.connectors()}
    sent = forms[connector] if connector else None
    if sent is not None and _created(actor, connector, sent):
        messages.success(request, "The consumer is registered. A worker seals its secret now.")
        return SeeOther(home)
    shown = [(each, forms[each.manifest.slug]) for each in consumer_pages()]
    context = {"shown": shown, "home": home}
    return render(request, template, context, status=status_of(sent) if sent else 200)


def _form(request: SignedInRequest, actor: Actor, connector: str) -> ConsumerForm:
    hosted = registry.get(connector).manifest.self_hosted
    return ConsumerForm(
        request.POST if request.POST.get("connector") == connector else None,
        actor=actor,
        base_url=hosted.field if hosted else None,
        auto_id="id_%s" if request.POST.get("connector") == connector else f"{connector}_%s",
    )


def _created(actor: Actor, connector: str, form: ConsumerForm) -> bool:
    return accepted(
        form,
        lambda: consumers.create(
            actor=actor,
            connector=connector,
            name=form.cleaned_data["name"],
            client_id=form.cleaned_data["client_id"],
            secret=form.cleaned_data["secret"],
            base_url=form.cleaned_data.get(BASE_URL, ""),
        ),
    )


def _one(
    request: SignedInRequest, actor: Actor, consumer_id: UUID, home: str, template: str
) -> HttpResponse:
    """One consumer: replace key and secret, or remove it after seeing who uses it."""
    consumer = Consumer.objects.filter(id=consumer_id, removed_at=None).first()
    if consumer is None:
        raise Http404
    removes = request.POST.get("deed") == "remove"
    form = ReplaceConsumerForm(
        None if removes else request.POST or None,
        actor=actor,
        initial={"client_id": consumer.client_id},
    )
    if removes and _removed(request, actor, consumer):
        return SeeOther(home)
    if request.method == "POST" and not removes and form.is_valid():
        _replaced(request, actor, consumer, form)
        return SeeOther(home)
    context = {"shown": consumer_page(consumer), "form": form, "home": home}
    return render(request, template, context, status=status_of(form))


def _removed(request: SignedInRequest, actor: Actor, consumer: Consumer) -> bool:
    if " ".join(request.POST.get("confirm_name", "").split()) != consumer.name:
        messages.error(request, "Type the consumer's name exactly. Nothing was removed.")
        return False
    try:
        consumers.remove(actor=actor, consumer=consumer)
    except FlowProblem as problem:
        messages.error(request, problem.message)
        return False
    messages.success(request, f"{consumer.name} is removed. Its secret is being erased.")
    return True


def _replaced(
    request: SignedInRequest, actor: Actor, consumer: Consumer, form: ReplaceConsumerForm
) -> None:
    given = form.cleaned_data
    try:
        consumers.replace_secret(
            actor=actor, consumer=consumer, client_id=given["client_id"], secret=given["secret"]
        )
    except FlowProblem as problem:
        messages.error(request, problem.message)
    else:
        messages.success(request, "Key and secret are replaced. A worker seals them now.")
