"""The sending of a campaign's connect links as its pages show it: before, and while it lasts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from connections.flows import sending as flow, sendings
from connections.flows.connect_links import Recipient
from connections.models import Campaign, ConnectSending

SHOWN: Final = 20
State = ConnectSending.State

WORDS: Final = {
    flow.NOT_ALLOWED: "Who began it may not send connect links any more.",
    flow.OVER: "The campaign is over.",
    flow.AWAY: "The mail server did not take the mails.",
}
TONES: Final = {
    State.RUNNING: "unverified",
    State.DONE: "working",
    State.CANCELLED: "paused",
    State.STOPPED: "attention",
}


@dataclass(frozen=True, slots=True)
class Preview:
    """Who would get how many; `more` people are not shown by name."""

    shares: Sequence[tuple[Recipient, int]]
    more: int
    people: int
    links: int
    nobodys: int
    left: int


@dataclass(frozen=True, slots=True)
class SendingLine:
    """How far one sending is."""

    sending: ConnectSending
    mailed: int
    left: int
    tone: str
    word: str
    because: str


def preview(campaign: Campaign, owner_id: UUID | None) -> Preview:
    found = sendings.plan(campaign, owner_id=owner_id)
    shown = [(each.to, len(each.connection_ids)) for each in found.shares[:SHOWN]]
    return Preview(
        shares=shown,
        more=len(found.shares) - len(shown),
        people=len(found.shares),
        links=found.links,
        nobodys=found.nobodys,
        left=found.links + found.nobodys,
    )


def line(sending: ConnectSending) -> SendingLine:
    owner_id = sending.owner_id
    return SendingLine(
        sending=sending,
        mailed=sendings.mailed(sending),
        left=sendings.left_to_send(sending.campaign, owner_id=owner_id).count(),
        tone=TONES[State(sending.state)],
        word=sending.get_state_display(),
        because=WORDS.get(sending.error, "Something failed that is not known here.")
        if sending.error
        else "",
    )


def running() -> list[SendingLine]:
    """What is being sent at this moment, the newest first."""
    found = ConnectSending.objects.filter(state=State.RUNNING).select_related("campaign")
    return [line(each) for each in found.order_by("-created_at")[:SHOWN]]
