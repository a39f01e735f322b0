"""Campaigns as their pages show them: the list, and one with who has what left to do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.core.exceptions import BadRequest
from django.db.models import Count, F, Q, QuerySet
from django.http import HttpRequest

from connections.flows.rights import may_mend
from connections.flows.telling_campaigns import moment
from connections.models import Campaign, CampaignItem, Connection
from connections.queries import products
from portal import clock, cursor as cursors
from portal.phrases import plural
from portal.policy import Actor, Permission, allows, present

STATES: Final = {"": "Open", "over": "Over", "all": "All"}
ITEMS: Final = {"": "Left to do", "mine": "Mine to do", "done": "Done", "excluded": "Excluded"}
OWNERS: Final = 20
SOON: Final = timedelta(days=3)
DONE, OUT = Q(items__done_at__isnull=False), Q(items__excluded_at__isnull=False)
LEFT: Final = Q(done_at=None, excluded_at=None)


@dataclass(frozen=True, slots=True)
class CampaignLine:
    """One campaign with how far it is; `state` is one of the five, `word` says it."""

    id: UUID
    title: str
    goal: str
    because: str
    due_at: datetime
    due: str
    done: int
    excluded: int
    left: int
    state: str
    word: str
    started_by_name: str
    started_at: datetime
    is_open: bool

    @property
    def total(self) -> int:
        """Those that count: an excluded one is waited for by nobody."""
        return self.done + self.left

    @property
    def progress(self) -> str:
        return f"{self.done:,} of {plural(self.total, 'connection')}"


@dataclass(frozen=True, slots=True)
class CampaignList:
    lines: list[CampaignLine]
    previous: str
    next: str
    state: str
    states: list[tuple[str, str]]
    is_empty: bool


def campaign_list(request: HttpRequest) -> CampaignList:
    """One page of campaigns, the newest first; raises BadRequest for a state there is not."""
    state = request.GET.get("state", "")
    if state not in STATES:
        raise BadRequest("There is no such state.")
    is_open = Q(ended_at=None, cancelled_at=None)
    found = _counted().filter({"": is_open, "over": ~is_open, "all": Q()}[state])
    page = cursors.page(found, by=("-started_at", "id"), cursor=request.GET.get("cursor", ""))
    return CampaignList(
        lines=[_line(row) for row in page.rows],
        previous=cursors.link(request, page.previous),
        next=cursors.link(request, page.next),
        state=state,
        states=list(STATES.items()),
        is_empty=not page.rows and not Campaign.objects.exists(),
    )


def open_campaigns() -> list[CampaignLine]:
    """Those that are open, the one that is due first first."""
    found = _counted().filter(ended_at=None, cancelled_at=None)
    return [_line(row) for row in found.order_by("due_at", "id")]


def _counted() -> QuerySet[Any]:
    rows: QuerySet[Any] = Campaign.objects.annotate(
        done=Count("items", filter=DONE),
        excluded=Count("items", filter=OUT),
        total=Count("items"),
    )
    return rows


def _line(row: Any) -> CampaignLine:
    state, word = _state(row)
    return CampaignLine(
        id=row.id,
        title=row.title,
        goal=row.goal,
        because=row.because,
        due_at=row.due_at,
        due=moment(row.due_at, row.zone),
        done=row.done,
        excluded=row.excluded,
        left=row.total - row.done - row.excluded,
        state=state,
        word=word,
        started_by_name=row.started_by_name,
        started_at=row.started_at,
        is_open=row.is_open,
    )


def _state(row: Campaign) -> tuple[str, str]:
    if row.ended_at is not None:
        return "working", "Done"
    if row.cancelled_at is not None:
        return "paused", "Cancelled"
    if row.due_at <= clock.now():
        return "broken", "Overdue"
    return ("attention", "Due soon") if row.due_at <= clock.now() + SOON else ("unverified", "Open")


# ── One campaign ──────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Owner:
    """How far somebody is with what they granted."""

    name: str
    done: int
    left: int


@dataclass(frozen=True, slots=True)
class ItemLine:
    item: CampaignItem
    connection: Connection
    product: str
    may_mend: bool


@dataclass(frozen=True, slots=True)
class CampaignPage:
    campaign: Campaign
    line: CampaignLine
    owners: list[Owner]
    items: list[ItemLine]
    previous: str
    next: str
    which: str
    filters: list[tuple[str, str]]

    @property
    def deadline(self) -> str:
        return f"Due {self.line.due}." if self.line.is_open else f"Was due {self.line.due}."


def campaign_page(request: HttpRequest, campaign: Campaign, actor: Actor) -> CampaignPage:
    """One campaign; of a team's connections only those that this person sees are listed."""
    which = request.GET.get("items", "")
    if which not in ITEMS:
        raise BadRequest("There is no such part of the list.")
    actor = present(actor)
    found = _items(campaign, which, actor).annotate(name=F("connection__name"))
    found = found.select_related("connection", "connection__team")
    page = cursors.page(found, by=("name", "id"), cursor=request.GET.get("cursor", ""))
    return CampaignPage(
        campaign=campaign,
        line=_line(_counted().get(id=campaign.id)),
        owners=_owners(campaign),
        items=[_item(row, actor, campaign) for row in page.rows],
        previous=cursors.link(request, page.previous),
        next=cursors.link(request, page.next),
        which=which,
        filters=list(ITEMS.items()),
    )


def _items(campaign: Campaign, which: str, actor: Actor) -> QuerySet[Any]:
    rows: QuerySet[Any] = CampaignItem.objects.filter(campaign_id=campaign.id)
    if which == "done":
        return rows.exclude(done_at=None)
    if which == "excluded":
        return rows.exclude(excluded_at=None)
    rows = rows.filter(LEFT)
    if which != "mine" or allows(actor, Permission.CONNECTION_MEND):
        return rows
    mine = Q(connection__team_id__in=actor.teams_administered)
    return rows.filter(mine | Q(connection__granted_by_id=actor.id))


def _owners(campaign: Campaign) -> list[Owner]:
    """Who granted them, those with most left first."""
    rows = CampaignItem.objects.filter(campaign_id=campaign.id, excluded_at=None)
    counted = (
        rows.values_list("connection__granted_by_name")
        .annotate(done=Count("done_at"), left=Count("id", filter=Q(done_at=None)))
        .order_by("-left", "connection__granted_by_name")
    )
    return [Owner(name, done, left) for name, done, left in counted[:OWNERS]]


def _item(row: CampaignItem, actor: Actor, campaign: Campaign) -> ItemLine:
    waits = campaign.is_open and row.done_at is None and row.excluded_at is None
    return ItemLine(
        item=row,
        connection=row.connection,
        product=products.name_of(row.connection.connector),
        may_mend=waits and may_mend(actor, row.connection),
    )
