"""What operators see of the network allow-list: each entry with its terms, people and state."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from connections import authorities
from connections.flows import allow_list
from connections.models import AllowListEntry, AllowState
from portal import approvals, platform
from portal.models import Approval
from portal.policy import Actor

STATES = {
    AllowState.ASKED: ("attention", "Waits for a second operator"),
    AllowState.APPROVED: ("working", "In force"),
    AllowState.REFUSED: ("paused", "Refused"),
    AllowState.WITHDRAWN: ("paused", "Withdrawn"),
}
MOST_OVER = 50


@dataclass(frozen=True, slots=True)
class EntryLine:
    """One entry of the list; `organizations` are names, none means all."""

    entry: AllowListEntry
    state: str
    word: str
    organizations: list[str]
    authorities: list[authorities.Authority]

    @property
    def is_live(self) -> bool:
        return self.entry.state in {AllowState.ASKED, AllowState.APPROVED}


@dataclass(frozen=True, slots=True)
class EntryPage:
    """One entry with its question, and what a withdrawal or an approval would change."""

    line: EntryLine
    approval: Approval | None
    may_decide: bool
    is_stale: bool
    touched: list[allow_list.Touched]
    live: int
    replaces: list[AllowListEntry]


def entry_lines(actor: Actor) -> tuple[list[EntryLine], list[EntryLine]]:
    """What waits or is in force, and the latest that is over."""
    live = (AllowState.ASKED, AllowState.APPROVED)
    names = _names(actor)
    current = AllowListEntry.objects.filter(state__in=live).order_by("-state", "host")
    over = AllowListEntry.objects.exclude(state__in=live).order_by("-ended_at")[:MOST_OVER]
    return [_line(each, names) for each in current], [_line(each, names) for each in over]


def entry_page(actor: Actor, entry: AllowListEntry) -> EntryPage:
    approval = approvals.latest(allow_list.KIND, entry.id)
    touched = allow_list.touched(actor, entry)
    return EntryPage(
        line=_line(entry, _names(actor)),
        approval=approval,
        may_decide=bool(approval and approvals.may_decide(actor, approval)),
        is_stale=entry.state == AllowState.ASKED and not (approval and approval.is_open),
        touched=touched,
        live=sum(each.live for each in touched),
        replaces=allow_list.replaced_by(entry) if entry.state == AllowState.ASKED else [],
    )


def organization_ids(actor: Actor) -> dict[str, UUID]:
    """Every organization by its address; empty for somebody who is no operator."""
    return {each.slug: each.id for each in _organizations(actor)}


def _names(actor: Actor) -> dict[UUID, str]:
    return {each.id: each.name for each in _organizations(actor)}


def _organizations(actor: Actor) -> list[platform.OrganizationCounts]:
    return platform.organizations(actor.id) if actor.id else []


def _line(entry: AllowListEntry, names: dict[UUID, str]) -> EntryLine:
    state, word = STATES[AllowState(entry.state)]
    named = [names.get(each, "an organization that is gone") for each in entry.organizations]
    return EntryLine(entry, state, word, named, authorities.told(entry.ca_pem))
