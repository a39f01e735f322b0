"""How a link ends: at once, or after a worker has taken back at the target what it wrote.

Where the target erases by the link's mark that is one request, looked after until nothing remains;
else, and of single repositories, what was sent is taken back portion by portion. Either goes on
after a worker's death where it was.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from connections.contracts import Reach, Relays
from connections.flows import (
    relay_choice,
    relay_kinds,
    relay_outbox,
    relay_records,
    telling_relay,
)
from connections.flows.problems import FlowProblem
from connections.models import Link, LinkRepository, LinkState, RelayItem, RelayState, Removal
from portal import audit, clock, tenancy, work
from portal.audit import Action
from portal.policy import SYSTEM, Actor
from portal.steps import step

PORTION: Final = 100
LOOK_AGAIN: Final = timedelta(seconds=2)  # targets take things in later than they answer
LOOKS: Final = 30
GetReach = Callable[[Link], Reach]


def remove(*, actor: Actor, link: Link, erase: bool, confirm_name: str = "") -> None:
    """The link ends. With `erase` what it wrote is taken back first; asked again without, it ends.

    The typed name has to be the link's.
    """
    actor = relay_kinds.editor(actor, link)
    link.hold()
    if link.state == LinkState.REMOVED:
        return
    if confirm_name.strip() != str(link):
        raise FlowProblem("name", "confirm_name", "That is not the name of this link.")
    link.removal = Removal.ERASE if erase else Removal.KEEP
    link.removal_by, link.removal_began_at = actor.name[:200], clock.now()
    link.removal_total = _written(link).count() if erase else 0
    link.removal_done = link.removal_left = 0
    was_draft = link.state == LinkState.DRAFT
    link.state = LinkState.REMOVING
    link.waits_for, link.waits_until = "", None
    _save(link, "state", "waits_for", "waits_until", "removal", "removal_by")
    relay_choice.mark_all_of(link)
    audit.record(Action.RELAY_REMOVAL_ASKED, actor=actor, subject=link, what=link.removal)
    if was_draft or not erase:
        _end(link, by=actor)
    else:
        relay_outbox.ask(link.target_id, hurry=True)


def end_all_of(connection_id: UUID, *, by: Actor) -> int:
    """A connection is revoked: its links end, and what they wrote stays. How many there were."""
    ended = 0
    for field in ("source_id", "target_id"):
        rows = Link.objects.filter(**{field: connection_id}).exclude(state=LinkState.REMOVED)
        for link in rows.select_related("source", "target").order_by("id"):
            link.hold()
            link.removal, link.removal_by = Removal.KEEP, by.name[:200]
            link.removal_began_at = link.removal_began_at or clock.now()
            link.state = LinkState.REMOVING
            _save(link, "state", "removal", "removal_by")
            relay_choice.mark_all_of(link)
            _end(link, by=by)
            ended += 1
    return ended


def _save(link: Link, *fields: str) -> None:
    more = ("removal_began_at", "removal_total", "removal_done", "removal_left")
    link.save(update_fields=[*fields, *more])


def _end(link: Link, *, by: Actor) -> None:
    """It is over and stays for the record; its waiting items are nobody's any more."""
    link.state, link.removal_ended_at = LinkState.REMOVED, clock.now()
    link.save(update_fields=["state", "removal_ended_at", "removal_done", "removal_left"])
    telling_relay.over(link)
    audit.record(
        Action.RELAY_REMOVED,
        actor=by,
        subject=link,
        what=link.removal,
        taken_back=link.removal_done,
        left=link.removal_left,
    )


def _written(link: Link) -> Any:
    """What the target may have of this link: what it was told, and what nobody knows of."""
    return RelayItem.objects.filter(link_id=link.id).exclude(subjects=[])


# ── In a worker ───────────────────────────────────────────────────────────────────────────────


def is_wanted(target_id: UUID) -> bool:
    """Whether something of this target is to be taken back now."""
    links = Link.objects.filter(target_id=target_id).exclude(waits_until__gt=clock.now())
    leaving = links.filter(state=LinkState.REMOVING)
    live = links.filter(state=LinkState.ACTIVE)
    of_some = LinkRepository.objects.filter(erasing=True, link__in=live)
    return bool(leaving.exists() or of_some.exists())


def go_on(claim: work.Claim, reach_of: GetReach, connector: Relays, link: Link) -> bool:
    """The next step of taking back, of the link or of single repositories; whether there was any.

    Raises what the vendor's answer means for the whole target.
    """
    if link.state == LinkState.REMOVING:
        _remove(claim, reach_of(link), connector, link)
        return True
    with tenancy.transaction():
        rows = LinkRepository.objects.filter(link_id=link.id, erasing=True)
        one = rows.order_by("id").first()
        hand = relay_outbox.in_hand(link)
        if one is None or hand.filter(repository_id=one.repository_id).exists():
            return False
    if not _take_back(claim, reach_of(link), connector, link, one.repository_id):
        with tenancy.transaction():
            claim.hold()
            LinkRepository.objects.filter(id=one.id).update(erasing=False)
    return True


def _remove(claim: work.Claim, reach: Reach, connector: Relays, link: Link) -> None:
    """What the link wrote goes; it ends when nothing of it remains, or after enough looks.

    Not while a worker may still write, or a request of one that died is on its way.
    """
    with tenancy.transaction():
        claim.hold()
        if relay_outbox.in_hand(link).exists():
            link.hold()
            link.waits_until = clock.now() + LOOK_AGAIN
            _save(link, "waits_until")
            return
    if not relay_kinds.way_of(link).by_mark:
        if not _take_back(claim, reach, connector, link, None):
            _finish(claim, link, left=link.removal_left)
        return
    mark = str(link.id)
    connector.erase(reach, way=link.way, mark=mark)
    step("relay.erased")
    remains = connector.remains(reach, way=link.way, mark=mark)
    if not remains or link.removal_left >= LOOKS:
        _finish(claim, link, left=int(remains))
        return
    with tenancy.transaction():
        claim.hold()
        link.hold()
        link.removal_left += 1  # looks, until it ends
        link.waits_until = clock.now() + LOOK_AGAIN
        _save(link, "waits_until")


def _finish(claim: work.Claim, link: Link, *, left: int) -> None:
    with tenancy.transaction():
        claim.hold()
        link.hold()
        if link.state != LinkState.REMOVING:
            return
        link.removal_left = left
        link.removal_done = link.removal_total if not left else link.removal_done
        _end(link, by=SYSTEM)
        RelayItem.objects.filter(link_id=link.id, due_at__isnull=False).update(
            due_at=None, state=RelayState.DISCARDED
        )


def _take_back(
    claim: work.Claim, reach: Reach, connector: Relays, link: Link, repository_id: UUID | None
) -> bool:
    """The next portion of what was sent is taken back; whether there was any."""
    claim.stay()
    with tenancy.transaction():
        claim.hold()
        rows = _written(link)
        if repository_id is not None:
            rows = rows.filter(repository_id=repository_id)
        items = list(rows.order_by("id")[:PORTION])
        if not items:
            return False
        events = relay_records.events(link, items)
    left = connector.erase(reach, way=link.way, mark=str(link.id), known=events)
    step("relay.taken_back")
    with tenancy.transaction():
        claim.hold()
        link.hold()
        link.removal_done += len(items)
        link.removal_left += left if repository_id is None else 0
        link.save(update_fields=["removal_done", "removal_left"])
        _forget(items)
        claim.progressed()
    return True


def _forget(items: Sequence[Any]) -> None:
    rows = RelayItem.objects.filter(id__in=[each.id for each in items])
    rows.update(subjects=[], state=RelayState.DISCARDED, due_at=None)
