"""Connect links as pages show them: to who sends them, and to who opens one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from django.db.models import Count, Q
from django.http import HttpRequest
from django.utils import timezone

from connections import registry
from connections.contracts import Manifest, Method, MethodKind
from connections.flows import connect_links
from connections.flows.sendings import left_in_all, left_to_send
from connections.models import (
    Campaign,
    Connection,
    ConnectLink,
    Credential,
    LinkStage,
    PendingLink,
)
from connections.queries import linking, products
from connections.queries.linking import WayChoice
from portal import cursor as cursors
from portal.requests import id_in

MOST: Final = 200


@dataclass(frozen=True, slots=True)
class SentLine:
    """One link that was sent: how it stands, in a badge and a sentence."""

    link: ConnectLink
    product: str
    state: str
    word: str
    is_open: bool


@dataclass(frozen=True, slots=True)
class SentPage:
    """One link with its story, and the question it may have raised."""

    line: SentLine
    capabilities: list[str]
    asking: PendingLink | None
    manifest: Manifest | None


@dataclass(frozen=True, slots=True)
class Thanks:
    """What a guest allowed, in words."""

    account: str
    name: str
    capabilities: list[str]
    scopes: list[str]
    withdraw_url: str


@dataclass(frozen=True, slots=True)
class SentList:
    """One page of links, newest first."""

    lines: list[SentLine]
    previous: str
    next: str


def sent(request: HttpRequest, *, is_open: bool) -> SentList:
    """The organization's links that can still be used, or those that cannot."""
    usable = Q(linked_at=None, revoked_at=None, expires_at__gt=timezone.now())
    found = ConnectLink.objects.filter(usable if is_open else ~usable)
    name = "open" if is_open else "over"
    page = cursors.page(
        found.select_related("relink", "connection"),
        by=("-created_at", "id"),
        cursor=request.GET.get(name, ""),
    )
    asking = set(
        PendingLink.objects.filter(stage=LinkStage.CONFIRM_ACCOUNT).values_list(
            "connect_link_id", flat=True
        )
    )
    return SentList(
        lines=[_line(each, each.id in asking) for each in page.rows],
        previous=cursors.link(request, page.previous, name, name),
        next=cursors.link(request, page.next, name, name),
    )


def sent_page(connect_link: ConnectLink) -> SentPage:
    asking = connect_links.asking(connect_link) if connect_link.is_open else None
    manifest = products.manifest_of(connect_link.connector)
    return SentPage(
        line=_line(connect_link, asking is not None),
        capabilities=_titles(manifest, connect_link),
        asking=asking,
        manifest=manifest,
    )


@dataclass(frozen=True, slots=True)
class Owner:
    """Somebody who granted connections of a campaign that wait for a link."""

    id: str
    name: str
    left: int


def left_in(campaign: Campaign, ids: Sequence[str]) -> list[Connection]:
    """Those of them with these ids."""
    known = {found for each in ids if (found := id_in(each))}
    return list(left_in_all(campaign).filter(id__in=known)) if known else []


def owners_left(campaign: Campaign) -> list[Owner]:
    """Who granted what is left to send, the one with the most first."""
    rows = left_to_send(campaign).exclude(granted_by_id=None).order_by()
    counted = rows.values_list("granted_by_id", "granted_by__name", "granted_by__email")
    most = counted.annotate(left=Count("id")).order_by("-left")[:MOST]
    return [Owner(str(key), name or email, left) for key, name, email, left in most]


def ways(manifest: Manifest, connect_link: ConnectLink) -> list[WayChoice]:
    """The ways that can do all that is asked; the one before first, where it is linked again.

    Client credentials are the organization's own: nobody from outside allows anything by them.
    """
    relink = connect_link.relink
    draft = PendingLink(
        connector=connect_link.connector,
        capabilities=connect_link.capabilities,
        relink=relink,
        method=relink.method if relink else "",
    )
    possible = [
        each
        for each in linking.ways(manifest, draft)
        if each.is_possible and is_open_to_guests(each.method)
    ]
    return sorted(possible, key=lambda each: not each.is_chosen)


def is_open_to_guests(method: Method) -> bool:
    return method.kind is not MethodKind.CLIENT_CREDENTIALS


def thanks(connect_link: ConnectLink, connection: Connection) -> Thanks:
    manifest = registry.get(connection.connector).manifest
    credential = Credential.objects.filter(connection_id=connection.id, replaced_at=None).first()
    return Thanks(
        account=connect_link.linked_account,
        name=connection.name,
        capabilities=_titles(manifest, connect_link),
        scopes=list((credential.scopes if credential else None) or ()),
        withdraw_url=manifest.account_settings_url,
    )


def _titles(manifest: Manifest | None, connect_link: ConnectLink) -> list[str]:
    if manifest is None:
        return list(connect_link.capabilities)
    return [each.title for each in manifest.capabilities if each.key in connect_link.capabilities]


def _line(connect_link: ConnectLink, is_asking: bool) -> SentLine:
    state, word = _state(connect_link, is_asking)
    product = products.name_of(connect_link.connector)
    return SentLine(connect_link, product, state, word, connect_link.is_open)


def _state(connect_link: ConnectLink, is_asking: bool) -> tuple[str, str]:
    if connect_link.linked_at is not None:
        return "working", "Linked"
    if connect_link.revoked_at is not None:
        return "paused", "Revoked"
    if connect_link.expires_at <= timezone.now():
        return "paused", "Expired"
    if is_asking:
        return "attention", "Another account"
    if connect_link.begun_at is not None:
        return "unverified", "Begun"
    return "unverified", "Opened" if connect_link.opened_at else "Not opened"
