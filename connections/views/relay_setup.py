"""A new link, step by step: from and to, repositories, what travels, a look first, start. The
second and third are also how an active link is changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from connections.contracts import RelayRules
from connections.due_forms import first_error
from connections.flows import relay_backfill, relay_doubles, relay_dry_run, relay_links
from connections.models import Link, LinkState, Workspace
from connections.queries import relay_setup as setup, relay_state
from connections.queries.relay_page import RelayPage
from connections.relay_forms import BackfillForm, ChoiceForm, EndsForm, OptionsForm
from connections.views.doors import accepted, attempt, connection_of, made, requires, status_of, to
from connections.views.relays import VIEW, changed_by, sent
from portal.requests import OrganizationRequest

PAGES = ["GET", "POST"]
GONE = "This link’s target is no longer installed here."


def frame(request: OrganizationRequest, page: RelayPage, current: str) -> dict[str, Any]:
    """The steps around a draft; an active link shows its tabs instead."""
    link = page.link if page.is_draft else None
    slug = request.organization.slug
    return {"page": page, "steps": setup.steps(link, slug, current) if link else []}


# ── 1: from and to ────────────────────────────────────────────────────────────────────────────


@require_http_methods(PAGES)
@requires(VIEW)
def new(request: OrganizationRequest) -> HttpResponse:
    """From which connection to which place; each that cannot be chosen says why."""
    form = EndsForm(sent(request), actor=request.actor)
    if link := made(form, lambda: setup.draft_of(**_ends(form)) or _begin(request, form)):
        return to(request, "relay_repositories", link.id)
    ends = setup.ends(request.actor)
    context = {
        "ends": ends,
        "form": form,
        "steps": setup.steps(None, request.organization.slug, "relay_new"),
        "chosen": _chosen(request, form, ends),
    }
    return render(request, "connections/relay/new.html", context, status=status_of(form))


def _ends(form: EndsForm) -> dict[str, UUID]:
    """A draft between the same two is gone on with."""
    given = form.cleaned_data
    return {"source_id": given["source"], "destination_id": given["destination"]}


def _begin(request: OrganizationRequest, form: EndsForm) -> Link:
    given = form.cleaned_data
    place = Workspace.objects.select_related("connection__team").filter(id=given["destination"])
    destination = place.first()
    if destination is None:
        raise Http404
    return relay_links.draft(
        actor=request.actor,
        source=connection_of(given["source"]),
        destination=destination,
        label=given["label"],
    )


def _chosen(request: OrganizationRequest, form: EndsForm, ends: setup.Ends) -> Mapping[str, str]:
    """What is ticked: as it was sent, as the address says, or the only one that there is."""
    names = ("source", "destination")
    if form.is_bound:
        return {name: request.POST.get(name, "") for name in names}
    at_first = ends.at_first(request.GET.get("connection", ""))
    return {name: request.GET.get(name) or at_first[name] for name in names}


# ── 2: repositories ───────────────────────────────────────────────────────────────────────────


@require_http_methods(PAGES)
@requires(VIEW)
def repositories(request: OrganizationRequest, relay_id: UUID) -> HttpResponse:
    """Which take part, with what fits shown while one chooses."""
    page = changed_by(request, relay_id, "relay_settings")
    if page.is_over:
        return to(request, "relay", relay_id)
    form = _choice_form(request, page.link, sent(request))
    wants_look = "show" in request.POST
    if request.method == "POST" and not wants_look and _kept(request, page.link, form):
        if page.is_draft:
            return to(request, "relay_options", relay_id)
        messages.success(request, "Saved. What is new takes part from now on.")
        return to(request, "relay", relay_id)
    context = frame(request, page, "relay_repositories") | {
        "form": form,
        "matches": _matches(page.link, form),
    }
    name = "connections/relay/repositories.html"
    return render(request, name, context, status=200 if wants_look else status_of(form))


@require_GET
@requires(VIEW)
def fitting(request: OrganizationRequest, relay_id: UUID) -> HttpResponse:
    """What fits the choice at this moment; nothing is kept."""
    page = changed_by(request, relay_id)
    form = _choice_form(request, page.link, request.GET)
    context = {"matches": _matches(page.link, form)}
    return render(request, "connections/relay/_matches.html", context)


def _choice_form(request: OrganizationRequest, link: Link, values: Any) -> ChoiceForm:
    return ChoiceForm.of(
        link,
        values,
        boxes=setup.tickable(link),
        chosen=setup.chosen(link),
        actor=request.actor,
    )


def _matches(link: Link, form: ChoiceForm) -> setup.Matches:
    if form.is_bound and form.is_valid():
        given = form.cleaned_data
        listed, _ = _listed(link, form)
        return setup.matches(link, choice=given["choice"], pattern=given["pattern"], listed=listed)
    if form.is_bound:
        return setup.Matches(0, setup.here(link).count(), [], first_error(form))
    kept = [id_ for id_, _ in setup.chosen(link)]
    return setup.matches(link, choice=link.choice, pattern=link.pattern, listed=kept)


def _listed(link: Link, form: ChoiceForm) -> tuple[list[UUID], list[str]]:
    return setup.named(link, form.lines) if "names" in form.fields else (form.ticked, [])


def _kept(request: OrganizationRequest, link: Link, form: ChoiceForm) -> bool:
    if not form.is_valid():
        return False
    given = form.cleaned_data
    listed, missing = _listed(link, form)
    if missing and given["choice"] == link.Choice.LISTED:
        form.missing(missing)
        return False
    return accepted(
        form,
        lambda: relay_links.choose(
            actor=request.actor,
            link=link,
            choice=given["choice"],
            pattern=given["pattern"],
            listed=listed,
            includes_new=given["includes_new"],
        ),
    )


# ── 3: what travels ───────────────────────────────────────────────────────────────────────────


@require_http_methods(PAGES)
@requires(VIEW)
def options(request: OrganizationRequest, relay_id: UUID) -> HttpResponse:
    """By which way, what is lost by another, and the target's own switches."""
    page = changed_by(request, relay_id, "relay_settings")
    if page.is_over or _is_gone(request, page):
        return to(request, "relay", relay_id)
    rules, offers = _rules(page)
    form = OptionsForm.of(
        page.link,
        sent(request),
        rules=rules,
        ways=[each.way.key for each in offers if each.is_possible],
        actor=request.actor,
    )
    if accepted(form, lambda: _set(request, page.link, form)):
        if page.is_draft:
            return to(request, "relay_look", relay_id)
        messages.success(request, "Saved. It holds for what is sent from now on.")
        return to(request, "relay_settings", relay_id)
    context = frame(request, page, "relay_options") | {
        "form": form,
        "offers": offers,
        "rules": rules,
    }
    return render(request, "connections/relay/options.html", context, status=status_of(form))


def _is_gone(request: OrganizationRequest, page: RelayPage) -> bool:
    """Whether the target's connector is not installed any more; then that is said."""
    if page.rules is None:
        messages.error(request, GONE)
    return page.rules is None


def _rules(page: RelayPage) -> tuple[RelayRules, list[setup.WayOffer]]:
    assert page.manifest is not None
    assert page.rules is not None
    return page.rules, setup.ways_of(page.link.target, page.manifest)


def _set(request: OrganizationRequest, link: Link, form: OptionsForm) -> None:
    relay_links.set_options(
        actor=request.actor,
        link=link,
        way=form.cleaned_data["way"],
        options=form.chosen,
        label=form.cleaned_data["label"],
    )
    if link.state == LinkState.DRAFT:
        relay_doubles.ask(actor=request.actor, link=link)


# ── 4 and 5: a look first, start ──────────────────────────────────────────────────────────────


@require_GET
@requires(VIEW)
def look(request: OrganizationRequest, relay_id: UUID) -> HttpResponse:
    """What would be sent of the last events, and how it would be shown; nothing is sent."""
    page = changed_by(request, relay_id)
    if page.is_over or _is_gone(request, page):
        return to(request, "relay", relay_id)
    shown = relay_dry_run.look(
        actor=request.actor, link=page.link, subject=request.GET.get("subject", "")[:255]
    )
    context = frame(request, page, "relay_look") | {"shown": shown}
    return render(request, "connections/relay/look.html", context)


@require_http_methods(PAGES)
@requires(VIEW)
def start(request: OrganizationRequest, relay_id: UUID) -> HttpResponse:
    """The last step: doubles are warned of, and what happened before may be sent too."""
    page = changed_by(request, relay_id)
    if not page.is_draft:
        return to(request, "relay", relay_id)
    doubles = relay_doubles.of(page.link)
    form = BackfillForm(sent(request), doubles=bool(doubles), actor=request.actor)
    wants_look = "show" in request.POST
    if not wants_look and accepted(form, lambda: _start(request, page.link, form)):
        messages.success(request, "It has begun. What happens from now on is sent.")
        return to(request, "relay", relay_id)
    context = frame(request, page, "relay_start") | {
        "form": form,
        "doubles": doubles,
        "trouble": relay_state.reason(page.link.doubles_error, product=page.source_product)
        if page.link.doubles_error
        else None,
        "estimate": _estimate(page.link, form),
    }
    name = "connections/relay/start.html"
    return render(request, name, context, status=200 if wants_look else status_of(form))


def _start(request: OrganizationRequest, link: Link, form: BackfillForm) -> None:
    relay_links.activate(
        actor=request.actor, link=link, fills=form.asks, since=form.moment if form.asks else None
    )


@require_GET
@requires(VIEW)
def estimate(request: OrganizationRequest, relay_id: UUID) -> HttpResponse:
    """How much a back-fill would send, for what is chosen at this moment."""
    page = changed_by(request, relay_id)
    form = BackfillForm(request.GET, actor=request.actor)
    context = {"estimate": _estimate(page.link, form), "page": page}
    return render(request, "connections/relay/_estimate.html", context)


def _estimate(link: Link, form: BackfillForm) -> Any:
    """None while nothing of before is asked for."""
    if not form.is_bound or not form.is_valid() or not form.asks:
        return None
    return relay_backfill.estimate(link, since=form.moment)


@require_POST
@requires(VIEW)
def discard(request: OrganizationRequest, relay_id: UUID) -> HttpResponse:
    """A draft that nobody wants goes."""
    page = changed_by(request, relay_id)
    if page.link.state != LinkState.DRAFT:
        return to(request, "relay", relay_id)
    attempt(
        request,
        lambda: relay_links.drop(actor=request.actor, link=page.link),
        "The link was not made.",
    )
    return to(request, "links")
