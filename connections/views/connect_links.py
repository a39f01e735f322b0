"""Connect links from the side of those who send them: the list, a new one, one with its story."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from connections import registry
from connections.contracts import Manifest
from connections.flows import connect_links, sendings
from connections.flows.connect_links import Recipient, Wish
from connections.flows.connect_mail import Sent
from connections.flows.problems import FlowProblem
from connections.link_forms import ConnectLinkForm
from connections.models import Campaign, Connection, ConnectLink
from connections.queries import connect_links as queries, connect_sendings, linking, products
from connections.queries.connect_links import Owner
from connections.views.doors import attempt, requires, status_of, to
from portal import tenancy
from portal.memberships import teams_shown
from portal.policy import Permission
from portal.requests import OrganizationRequest, id_in, with_own_transactions

SEND = Permission.CONNECT_LINK_SEND


@require_GET
@requires(SEND)
def sent(request: OrganizationRequest) -> HttpResponse:
    """Every link that was sent, with what became of it."""
    context = {
        "open": queries.sent(request, is_open=True),
        "over": queries.sent(request, is_open=False),
        "running": connect_sendings.running(),
        "manifests": [each.manifest for each in registry.connectors().values()],
    }
    return render(request, "connections/connect/sent.html", context)


@require_http_methods(["GET", "POST"])
@with_own_transactions
@requires(SEND)
def new(request: OrganizationRequest) -> HttpResponse:
    """The form; in the answer to it stand the links, which are shown in no other place.

    The mail is sent when the transaction is over, and the page says whether that went well.
    """
    if not request.GET:
        return to(request, "connect_sent")
    with tenancy.transaction():
        wanted = _wanted(request)
        form = _form(request, wanted)
        is_whole = request.method == "POST" and form.is_valid()
    made: list[Sent] | None = None
    if is_whole:
        try:
            with tenancy.transaction():
                made = _send(request, wanted, form)
        except FlowProblem as problem:
            form.refuse(problem)
    with tenancy.transaction():
        if made is not None:
            return _made(request, wanted, made)
        context = _context(wanted) | {
            "form": form,
            "chosen": request.POST.getlist("capabilities") or wanted.ticked,
            "ticked": request.POST.getlist("connections") if form.is_bound else wanted.ids,
        }
        page = "connections/connect/new.html"
        return render(request, page, context, status=status_of(form))


@require_GET
@requires(SEND)
def one(request: OrganizationRequest, connect_link_id: UUID) -> HttpResponse:
    context = {"page": queries.sent_page(_link(connect_link_id))}
    return render(request, "connections/connect/one.html", context)


@require_POST
@requires(SEND)
def revoke(request: OrganizationRequest, connect_link_id: UUID) -> HttpResponse:
    found = _link(connect_link_id)
    attempt(
        request,
        lambda: connect_links.revoke(actor=request.actor, connect_link=found),
        "It is revoked. Whoever opens it reads that it does not work.",
    )
    return to(request, "connect_sent_one", found.id)


@require_POST
@requires(SEND)
def agree(request: OrganizationRequest, connect_link_id: UUID) -> HttpResponse:
    """The other account is wanted; the page before showed what is gained and lost."""
    found = _link(connect_link_id)
    attempt(
        request,
        lambda: connect_links.agree(actor=request.actor, connect_link=found),
        "A worker links it with the other account now.",
    )
    return to(request, "connect_sent_one", found.id)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the form is about, as the address names it: a product, a connection, or a campaign."""

    manifest: Manifest
    relinks: Sequence[Connection]
    campaign: Campaign | None
    owners: Sequence[Owner] = ()
    owner: str = ""
    waiting: int = 0  # more than one form takes

    @property
    def ids(self) -> list[str]:
        return [str(each.id) for each in self.relinks]

    @property
    def products(self) -> str:
        """What is asked for, in one line."""
        if self.is_new:
            return self.manifest.name
        slugs = sorted({each.connector for each in self.relinks})
        return ", ".join(products.name_of(slug) for slug in slugs)

    @property
    def is_new(self) -> bool:
        return not self.relinks

    @property
    def ticked(self) -> list[str]:
        return [each.key for each in self.manifest.capabilities if each.minimal]


def _wanted(request: OrganizationRequest) -> Wanted:
    campaign_id, connection_id = request.GET.get("campaign"), request.GET.get("connection")
    if campaign_id:
        return _of_campaign(request, _found(Campaign, campaign_id))
    if connection_id:
        connection = _found(Connection, connection_id)
        return Wanted(registry.get(connection.connector).manifest, [connection], None)
    slug = request.GET.get("connector", "")
    if slug not in registry.connectors():
        raise Http404
    return Wanted(registry.get(slug).manifest, (), None)


def _of_campaign(request: OrganizationRequest, campaign: Campaign) -> Wanted:
    """Those of one owner, or of all, that wait for a link; what was ticked, once it is sent."""
    owner = request.GET.get("owner", "")
    left = sendings.left_to_send(campaign, owner_id=id_in(owner))
    shown = list(left[: connect_links.MOST])
    if request.method == "POST":
        shown = queries.left_in(campaign, request.POST.getlist("connections")) or shown
    if not shown:
        shown = list(sendings.left_in_all(campaign)[: connect_links.MOST])
    if not shown:
        raise Http404
    return Wanted(
        registry.get(shown[0].connector).manifest,
        shown,
        campaign,
        owners=queries.owners_left(campaign),
        owner=owner,
        waiting=max(0, left.count() - len(shown)) if request.method == "GET" else 0,
    )


def _found(model: Any, text: str) -> Any:
    found = model.objects.filter(id=id_in(text)).first()
    if found is None:
        raise Http404
    return found


def _form(request: OrganizationRequest, wanted: Wanted) -> ConnectLinkForm:
    within = teams_shown(request.membership)
    return ConnectLinkForm(
        request.POST or None,
        actor=request.actor,
        capabilities=wanted.manifest.capabilities,
        teams=linking.team_choices(wanted.manifest.slug, within=within) if wanted.is_new else None,
        initial={"name": linking.free_name(wanted.manifest.name) if wanted.is_new else ""},
    )


def _send(request: OrganizationRequest, wanted: Wanted, form: ConnectLinkForm) -> list[Sent]:
    given = form.cleaned_data
    recipient = Recipient(given["to_name"], given["to_email"], given["message"])
    if wanted.is_new:
        wish = Wish(
            connector=wanted.manifest.slug,
            capabilities=given["capabilities"],
            reason=given["reason"],
            name=given["name"],
            team_id=UUID(given["team"]) if given["team"] else None,
        )
        return [connect_links.send(actor=request.actor, wish=wish, to=recipient, key=given["once"])]
    campaign_id = wanted.campaign.id if wanted.campaign else None
    if wanted.campaign and not request.POST.getlist("connections"):
        raise FlowProblem("connections", "", "Tick at least one connection.")
    return connect_links.send_many(
        actor=request.actor,
        wishes=[connect_links.again(each, campaign_id=campaign_id) for each in wanted.relinks],
        to=recipient,
        key=given["once"],
    )


def _made(request: OrganizationRequest, wanted: Wanted, made: list[Sent]) -> HttpResponse:
    context = _context(wanted) | {
        "made": [(each, products.name_of(each.link.connector)) for each in made],
        "first": made[0].link,
        "mail_failed": any(each.mail_failed for each in made),
        "shown_before": not any(each.address for each in made),
    }
    return render(request, "connections/connect/made.html", context)


def _context(wanted: Wanted) -> dict[str, Any]:
    return {
        "manifest": wanted.manifest,
        "products": wanted.products,
        "relinks": [
            (each, str(each.id), products.name_of(each.connector)) for each in wanted.relinks
        ],
        "owners": wanted.owners,
        "owner": wanted.owner,
        "waiting": wanted.waiting,
        "left": wanted.waiting + len(wanted.relinks),
        "campaign": wanted.campaign,
        "is_new": wanted.is_new,
    }


def _link(connect_link_id: UUID) -> ConnectLink:
    found: ConnectLink | None = (
        ConnectLink.objects.select_related("relink", "connection", "team")
        .filter(id=connect_link_id)
        .first()
    )
    if found is None:
        raise Http404
    return found
