"""What is done with an active link: pause, repositories, back-fills, what failed, its end."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from connections.flows import relay_backfill, relay_deciding, relay_links, relay_removal
from connections.flows.problems import FlowProblem
from connections.models import LinkState
from connections.queries import relay_outbox, relay_repositories
from connections.queries.relay_outbox import BoxWish
from connections.queries.relay_page import RelayPage, losses
from connections.relay_forms import AgainForm, ReasonForm, RemoveForm
from connections.views.doors import SeeOther, accepted, attempt, requires, status_of, to
from connections.views.relays import VIEW, changed_by, page_of, run_by, sent
from portal.requests import OrganizationRequest, id_in

KINDS: Final = ("replay", "discard")


@require_POST
@requires(VIEW)
def pause(request: OrganizationRequest, relay_id: UUID) -> HttpResponse:
    page = run_by(request, relay_id)
    attempt(
        request,
        lambda: relay_links.pause(actor=request.actor, link=page.link),
        "Paused. What happens meanwhile is kept, and sent when you resume it.",
    )
    return to(request, "relay", relay_id)


@require_POST
@requires(VIEW)
def resume(request: OrganizationRequest, relay_id: UUID) -> HttpResponse:
    page = run_by(request, relay_id)
    attempt(
        request,
        lambda: relay_links.resume(actor=request.actor, link=page.link),
        "It goes on. What waited is sent now.",
    )
    return to(request, "relay", relay_id)


@require_POST
@requires(VIEW)
def parts(request: OrganizationRequest, relay_id: UUID) -> HttpResponse:
    """The ticked repositories take part, or are left out; taking back is agreed to after a look."""
    page = changed_by(request, relay_id)
    ids = [found for each in request.POST.getlist("selected") if (found := id_in(each))]
    if not ids:
        messages.error(request, "Tick a repository first.")
        return to(request, "relay", relay_id)
    what: dict[str, Any] = {"actor": request.actor, "link": page.link, "repositories": ids}
    if "on" in request.POST:
        attempt(request, lambda: relay_links.enable(**what), "They take part from now on.")
        return to(request, "relay", relay_id)
    erase = "erase" in request.POST
    if erase and "sure" not in request.POST:
        context = {"page": page, "shown": relay_repositories.erasing(page.link, ids)}
        return render(request, "connections/relay/erase.html", context)
    stays = "What was written stays."
    if erase and page.link.state == LinkState.PAUSED:
        stays = "What was written is taken back as soon as the link is resumed."
    elif erase:
        stays = "What was written is being taken back."
    said = f"They are left out from now on. {stays}"
    attempt(request, lambda: relay_links.disable(**what, erase=erase), said)
    return to(request, "relay", relay_id)


# ── Back-fills ────────────────────────────────────────────────────────────────────────────────


@require_http_methods(["GET", "POST"])
@requires(VIEW)
def settings(request: OrganizationRequest, relay_id: UUID) -> HttpResponse:
    """What is set, a further back-fill, pause, and the way out."""
    page = page_of(request, relay_id, "relay_settings")
    if request.method == "POST":
        page = changed_by(request, relay_id, "relay_settings")
    form = AgainForm(sent(request), actor=request.actor)
    if accepted(form, lambda: _backfill(request, page, form)):
        messages.success(request, "The back-fill has begun.")
        return to(request, "relay", relay_id)
    return _settings(request, page, form)


def _backfill(request: OrganizationRequest, page: RelayPage, form: AgainForm) -> None:
    relay_backfill.start(actor=request.actor, link=page.link, since=form.moment)


def _settings(
    request: OrganizationRequest,
    page: RelayPage,
    form: AgainForm,
    removing: RemoveForm | None = None,
) -> HttpResponse:
    may_end = page.rights.change and not page.is_over
    context: dict[str, Any] = {
        "page": page,
        "form": form,
        "losses": losses(page.link) if may_end else None,
        "removing": removing,
    }
    status = status_of(removing or form)
    return render(request, "connections/relay/settings.html", context, status=status)


@require_POST
@requires(VIEW)
def stop_backfill(request: OrganizationRequest, relay_id: UUID) -> HttpResponse:
    page = changed_by(request, relay_id)
    attempt(
        request,
        lambda: relay_backfill.cancel(actor=request.actor, link=page.link),
        "The back-fill stops. What was sent stays.",
    )
    return to(request, "relay", relay_id)


# ── What failed for good ──────────────────────────────────────────────────────────────────────


@require_http_methods(["GET", "POST"])
@requires(VIEW)
def decide(request: OrganizationRequest, relay_id: UUID, kind: str) -> HttpResponse:
    """What sending again or discarding would do, counted; posted, it is done."""
    if kind not in KINDS:
        raise Http404
    page = run_by(request, relay_id, "relay_outbox")
    item = id_in(request.GET.get("item", ""))
    chosen: dict[str, Any] = {
        "error": BoxWish.read(request.GET.dict()).error,
        "ids": [item] if item else [],
    }
    form = ReasonForm(sent(request), actor=request.actor)
    problem = ""
    if request.method == "POST" and (kind == "replay" or form.is_valid()):
        try:
            return _decided(request, page, kind, chosen, form)
        except FlowProblem as raised:
            problem = raised.message
    found = relay_deciding.dead(page.link, **chosen)
    context = {
        "page": page,
        "kind": kind,
        "form": form if kind == "discard" else None,
        "problem": problem,
        "shown": relay_outbox.preview(page.link, found),
        "back": f"{reverse('relay_outbox', args=[request.organization.slug, relay_id])}?part=dead",
    }
    status = 400 if problem or (kind == "discard" and form.errors) else 200
    return render(request, "connections/relay/decide.html", context, status=status)


def _decided(
    request: OrganizationRequest,
    page: RelayPage,
    kind: str,
    chosen: dict[str, Any],
    form: ReasonForm,
) -> SeeOther:
    if kind == "replay":
        count = relay_deciding.replay(actor=request.actor, link=page.link, **chosen)
        messages.success(request, f"{count:,} on their way again, as they are now.")
    else:
        reason = form.cleaned_data["reason"]
        count = relay_deciding.discard(actor=request.actor, link=page.link, reason=reason, **chosen)
        messages.success(request, f"{count:,} discarded.")
    return to(request, "relay_outbox", page.link.id)


# ── The end ───────────────────────────────────────────────────────────────────────────────────


@require_POST
@requires(VIEW)
def remove(request: OrganizationRequest, relay_id: UUID) -> HttpResponse:
    """It ends; what it wrote is taken back there, or stays."""
    page = changed_by(request, relay_id, "relay_settings")
    form = RemoveForm(request.POST, actor=request.actor)
    if accepted(
        form,
        lambda: relay_removal.remove(
            actor=request.actor,
            link=page.link,
            erase=form.cleaned_data["erase"] == "1",
            confirm_name=form.cleaned_data["confirm_name"],
        ),
    ):
        return to(request, "relay", relay_id)
    return _settings(request, page, AgainForm(actor=request.actor), form)
