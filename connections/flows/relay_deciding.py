"""What failed on its way is sent again or discarded, one by one or all that match."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final
from uuid import UUID

from connections.flows import relay_kinds, relay_outbox
from connections.flows.problems import FlowProblem
from connections.models import Link, LinkState, RelayCause, RelayItem, RelayState
from portal import audit, clock
from portal.audit import Action
from portal.policy import Actor

MOST: Final = 5000  # of one deed
LONGEST_REASON: Final = 300
CHANGED: Final = ("sequence", "state", "cause", "urgency", "due_at", "attempts", "error")


def dead(link: Link, *, error: str = "", ids: Collection[UUID] = ()) -> Any:
    """The dead letters of this link: all, of one error, or these."""
    rows = RelayItem.objects.filter(link_id=link.id, state=RelayState.DEAD)
    if error:
        rows = rows.filter(error=error)
    return rows.filter(id__in=list(ids)) if ids else rows


def replay(*, actor: Actor, link: Link, error: str = "", ids: Collection[UUID] = ()) -> int:
    """They are sent again as they are now; how many.

    The target takes a state that it has already for the same, so twice does no harm.
    """
    actor = relay_kinds.runner(actor, link)
    _live(link)
    count = _due(dead(link, error=error, ids=ids))
    if not count:
        raise FlowProblem("none", "", "None of them is there any more.")
    audit.record(Action.RELAY_REPLAYED, actor=actor, subject=link, count=count, error=error)
    relay_outbox.ask(link.target_id, hurry=True)
    return count


def send_again(*, actor: Actor, link: Link, item: RelayItem) -> None:
    """One thing is sent once more, whatever became of it."""
    actor = relay_kinds.runner(actor, link)
    _live(link)
    _due(RelayItem.objects.filter(link_id=link.id, id=item.id))
    audit.record(Action.RELAY_REPLAYED, actor=actor, subject=link, count=1, key=item.key)
    relay_outbox.ask(link.target_id, hurry=True)


def discard(
    *, actor: Actor, link: Link, reason: str, error: str = "", ids: Collection[UUID] = ()
) -> int:
    """They are not sent; what changes of them later travels again. How many."""
    actor = relay_kinds.runner(actor, link)
    _live(link)
    reason = reason.strip()[:LONGEST_REASON]
    if not reason:
        raise FlowProblem("reason", "reason", "Say why.")
    chosen = list(dead(link, error=error, ids=ids).values_list("id", flat=True)[:MOST])
    rows = RelayItem.objects.filter(id__in=chosen, state=RelayState.DEAD)
    count: int = rows.update(state=RelayState.DISCARDED, due_at=None)
    if not count:
        raise FlowProblem("none", "", "None of them is there any more.")
    audit.record(Action.RELAY_DISCARDED, actor=actor, subject=link, count=count, reason=reason)
    return count


def _live(link: Link) -> None:
    link.hold()
    if link.state not in (LinkState.ACTIVE, LinkState.PAUSED):
        raise FlowProblem("over", "", "This link sends nothing any more.")


def _due(rows: Any) -> int:
    """Each is due with a sequence of its own, so that a target which knows it takes it again."""
    now = clock.now()
    chosen = list(rows.order_by("changed_at", "id")[:MOST])
    micros = int(now.timestamp() * 1_000_000)
    for place, item in enumerate(chosen):
        item.sequence = max(item.sequence + 1, micros + place)
        item.state, item.cause, item.urgency = RelayState.WAITING, RelayCause.REPLAY, 0
        item.due_at, item.attempts, item.error, item.error_detail = now, 0, "", ""
    RelayItem.objects.bulk_update(chosen, [*CHANGED, "error_detail"], batch_size=500)
    return len(chosen)
