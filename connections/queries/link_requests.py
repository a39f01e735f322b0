"""What members asked for, as pages show it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from django.utils import timezone

from connections.contracts import BASE_URL, Capability
from connections.flows import rights
from connections.models import Connection, LinkRequest, RequestKind, RequestState
from connections.queries import products
from portal.models import Team, User
from portal.policy import Actor, Permission, allows

MOST: Final = 200
WORDS: Final = {
    RequestState.OPEN: ("attention", "Waiting"),
    RequestState.APPROVED: ("working", "Approved"),
    RequestState.DECLINED: ("paused", "Declined"),
    RequestState.WITHDRAWN: ("paused", "Taken back"),
    RequestState.EXPIRED: ("paused", "Expired"),
}


@dataclass(frozen=True, slots=True)
class RequestLine:
    """One request: how it stands, and what this person may do about it."""

    request: LinkRequest
    state: str
    word: str
    is_open: bool
    is_mine: bool
    may_answer: bool
    others: list[str]

    @property
    def title(self) -> str:
        return self.request.what[:1].upper() + self.request.what[1:]


@dataclass(frozen=True, slots=True)
class RequestPage:
    """One request with the way on, once it is approved."""

    line: RequestLine
    may_link: bool
    may_send: bool
    capabilities: list[str]
    team: str


def lines(actor: Actor) -> list[RequestLine]:
    """All requests for those who answer them, one's own for others; open ones first."""
    found = LinkRequest.objects.select_related("connection").order_by("-asked_at")[:MOST]
    shown = [_line(each, actor) for each in found]
    decides = allows(actor, Permission.LINK_REQUEST_DECIDE)
    mine = [each for each in shown if decides or each.is_mine]
    return sorted(mine, key=lambda each: not each.is_open)


def page(request: LinkRequest, actor: Actor) -> RequestPage | None:
    """None for somebody whose business it is not."""
    line = _line(request, actor)
    if not (line.is_mine or allows(actor, Permission.LINK_REQUEST_DECIDE)):
        return None
    approved = request.state == RequestState.APPROVED
    return RequestPage(
        line=line,
        may_link=approved and _may_link(request, actor),
        may_send=approved
        and request.connection is not None
        and allows(actor, Permission.CONNECT_LINK_SEND),
        capabilities=_titles(request),
        team=_team(request),
    )


def waiting() -> int:
    """How many requests wait for an answer."""
    return LinkRequest.objects.filter(
        state=RequestState.OPEN, expires_at__gt=timezone.now()
    ).count()


def lacking(connection: Connection) -> list[Capability]:
    """What this connection was not linked for."""
    manifest = products.manifest_of(connection.connector)
    known = manifest.capabilities if manifest else ()
    return [each for each in known if each.key not in connection.capabilities]


def _titles(request: LinkRequest) -> list[str]:
    manifest = products.manifest_of(request.connector)
    if manifest is None:
        return list(request.capabilities)
    return [each.title for each in manifest.capabilities if each.key in request.capabilities]


def _team(request: LinkRequest) -> str:
    """For whom a link is asked; empty where the request says nothing of it."""
    named = request.terms.get("team")
    if named is None:
        return ""
    found = Team.objects.filter(id=named).first() if named else None
    gone = "a team that is gone" if named else "The whole organization"
    return str(found.name) if found else gone


def _may_link(request: LinkRequest, actor: Actor) -> bool:
    if request.kind == RequestKind.HOST:
        base_url = request.terms.get(BASE_URL, "")
        return rights.allowed_host(actor, request.connector, base_url) is not None
    if request.kind == RequestKind.LINK:
        once = rights.allowed_once(actor, request.connection, request.connector)
        return once is not None and once.id == request.id
    return request.connection is not None and rights.may_mend(actor, request.connection)


def _line(request: LinkRequest, actor: Actor) -> RequestLine:
    state, word = WORDS[RequestState(request.state)]
    is_open = request.state == RequestState.OPEN and request.expires_at > timezone.now()
    if request.state == RequestState.OPEN and not is_open:
        state, word = WORDS[RequestState.EXPIRED]
    if request.used_at is not None:
        word = "Used"
    is_mine = actor.id in (request.asked_by_id, *request.also_asked_by)
    was_mine = actor.id in request.formerly_asked_by
    decides = allows(actor, Permission.LINK_REQUEST_DECIDE)
    others = User.objects.filter(id__in=request.also_asked_by) if request.also_asked_by else ()
    return RequestLine(
        request=request,
        state=state,
        word=word,
        is_open=is_open,
        is_mine=is_mine,
        may_answer=is_open and decides and not (is_mine or was_mine),
        others=[str(each) for each in others],
    )
