"""The page of a replacement: enter, check, switch, withdraw; each deed a POST and back to it."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import BadRequest
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from connections.contracts import Manifest, Method
from connections.flows import policies, replacement, rotation, told_ends
from connections.flows.link import callback_url
from connections.forms import EndsForm, LinkForm
from connections.models import AT_WORK, ReplacementStage
from connections.queries import linking, replacements
from connections.queries.connection import ConnectionPage
from connections.views.doors import SeeOther, accepted, attempt, requires, status_of, tab_of, to
from portal import clock
from portal.policy import Permission, refusal
from portal.requests import OrganizationRequest

VIEW = Permission.CONNECTION_VIEW
Deed = Callable[..., None]
DEEDS: dict[str, tuple[Deed, str]] = {
    "switch": (replacement.switch, "A worker switches over. The old one is kept."),
    "back": (replacement.go_back, "A worker puts the old one back in use."),
    "discard": (replacement.cancel, "The new one is being forgotten. Nothing has changed."),
    "withdrawn": (replacement.withdrawn, "The old one is being erased here."),
    "withdraw": (replacement.withdraw, "A worker has the old one withdrawn."),
    "later": (replacement.postpone, "You are reminded of the old one in a week."),
}


@require_http_methods(["GET", "POST"])
@requires(VIEW)
def replace(request: OrganizationRequest, connection_id: UUID) -> HttpResponse:
    """The step where the replacement is; without one, its first step."""
    page, manifest = _page(request, connection_id)
    one = replacement.under_way(page.connection)
    if one is None and request.GET.get("of"):
        return to(request, "connection_credential", connection_id)
    if one is None or one.stage == ReplacementStage.ENTERING:
        return _enter(request, page, manifest)
    status = 200
    if request.method == "POST":
        messages.error(request, "A replacement is under way already. See to it first.")
        status = 400
    context = {"page": page, "manifest": manifest, "shown": replacements.shown(one, manifest)}
    return render(request, "connections/replacement/step.html", context, status=status)


def _enter(request: OrganizationRequest, page: ConnectionPage, manifest: Manifest) -> HttpResponse:
    """Step 1: how, and the new secret; it goes straight to the flow that seals it."""
    one, ways = replacement.under_way(page.connection), replacement.ways(manifest)
    if not ways:
        raise Http404
    method = _method(request, page, manifest, ways, one.method if one and one.error else "")
    fields = one.fields if one and one.method == method.key else page.connection.fields
    form = LinkForm(
        request.POST or None,
        asked=method.fields,
        teams=[],
        usable=[],
        is_relink=True,
        actor=request.actor,
        initial=fields,
    )
    if request.method == "POST" and _handed_in(request, page, method, form):
        return to(request, "connection_replace", page.connection.id)
    chosen = [c for c in manifest.capabilities if c.key in page.connection.capabilities]
    is_against = method.personal and policies.forbids_personal(page.connection)
    context = {
        "page": page,
        "manifest": manifest,
        "is_over": page.method is not None and page.method.has_ended(clock.now()),
        "shown": replacements.shown(one, manifest) if one else None,
        "steps": replacements.steps(),
        "ways": ways,
        "method": method,
        "form": form,
        "sheet": linking.scope_sheet(manifest, chosen, method.vocabulary),
        "guide": linking.filled(method.steps, callback_url(manifest.slug)),
        "against": policies.personal_obstacle(page.connection) if is_against else "",
        "obstacles": [why for c in chosen if (why := manifest.obstacle(c, method))],
    }
    name = "connections/replacement/enter.html"
    return render(request, name, context, status=status_of(form))


def _method(
    request: OrganizationRequest,
    page: ConnectionPage,
    manifest: Manifest,
    ways: list[Method],
    tried: str,
) -> Method:
    wanted = request.GET.get("method") or tried
    usual = replacements.usual_method(page.connection, ways, manifest)
    return next((each for each in ways if each.key == wanted), usual)


def _handed_in(
    request: OrganizationRequest, page: ConnectionPage, method: Method, form: LinkForm
) -> bool:
    return accepted(
        form,
        lambda: replacement.hand_in(
            actor=request.actor,
            connection=page.connection,
            method=method.key,
            fields=form.method_values(),
            secret=form.secret(),
        ),
    )


@require_GET
@requires(VIEW)
def progress(request: OrganizationRequest, connection_id: UUID) -> HttpResponse:
    """The moving part; when a worker has done its part, the page itself is loaded again."""
    page, manifest = _page(request, connection_id)
    one = replacement.under_way(page.connection)
    if one is None or one.stage not in AT_WORK:
        name = "connection_credential" if one is None else "connection_replace"
        response = HttpResponse(status=200)
        response["HX-Redirect"] = reverse(name, args=[request.organization.slug, connection_id])
        return response
    context = {"page": page, "shown": replacements.shown(one, manifest)}
    return render(request, "connections/replacement/_progress.html", context)


@require_POST
@requires(VIEW)
def act(request: OrganizationRequest, connection_id: UUID, deed: str) -> HttpResponse:
    """One of the deeds, and back to where the replacement is now."""
    page, _ = _page(request, connection_id)
    one = replacement.under_way(page.connection)
    if deed not in DEEDS:
        raise Http404
    if one is None:
        messages.error(request, "This replacement is over. Look at the credential in use.")
        return to(request, "connection_credential", connection_id)
    if request.POST.get("replacement", str(one.id)) != str(one.id):
        raise BadRequest("This is about another replacement.")
    flow, done = DEEDS[deed]
    attempt(request, lambda: flow(actor=request.actor, replacement=one), done)
    where = reverse("connection_replace", args=[request.organization.slug, connection_id])
    return SeeOther(f"{where}?of={one.id}")  # by then it may be over


@require_POST
@requires(VIEW)
def rotate(request: OrganizationRequest, connection_id: UUID) -> HttpResponse:
    """The vendor is asked for a new token; what follows is shown like any other replacement."""
    page, _ = _page(request, connection_id)
    started = attempt(
        request,
        lambda: rotation.rotate_now(actor=request.actor, connection=page.connection),
        "A worker has the vendor make a new token. The one in use works until then.",
    )
    return to(request, "connection_replace" if started else "connection_credential", connection_id)


@require_POST
@requires(VIEW)
def ends(request: OrganizationRequest, connection_id: UUID) -> HttpResponse:
    """Until when the credential in use is good, by a person's word."""
    page, _ = _page(request, connection_id)
    form = EndsForm(request.POST, actor=request.actor)
    if not form.is_valid():
        messages.error(request, " ".join(map(str, form.errors["ends_on"])))
        return to(request, "connection_credential", connection_id)
    day = form.cleaned_data["ends_on"]
    attempt(
        request,
        lambda: told_ends.tell(
            actor=request.actor,
            connection=page.connection,
            ends_on=day.isoformat() if day else "",
        ),
        "The calendar knows it now." if day else "No end is known of it.",
    )
    return to(request, "connection_credential", connection_id)


def _page(request: OrganizationRequest, connection_id: UUID) -> tuple[ConnectionPage, Manifest]:
    """The connection's frame for somebody who may mend it; its product has to be known."""
    page = tab_of(request, connection_id, "connection_credential")
    if not page.rights.mend:
        raise refusal(Permission.CONNECTION_MEND)
    if page.manifest is None or page.is_revoked:
        raise Http404
    return page, page.manifest
