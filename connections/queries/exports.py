"""Exports as their page shows them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from connections.models import Export
from portal import approvals
from portal.models import Approval
from portal.policy import Actor

State = Export.State
SHOWN: Final = 20
STATES: Final = {
    State.ASKED: ("users", "warning"),
    State.QUEUED: ("hourglass", "plain"),
    State.RUNNING: ("refresh", "plain"),
    State.READY: ("circle-check", "good"),
    State.REFUSED: ("circle-x", "danger"),
    State.FAILED: ("circle-x", "danger"),
    State.CANCELLED: ("circle-minus", "plain"),
    State.EXPIRED: ("history", "plain"),
}


@dataclass(frozen=True, slots=True)
class Line:
    """One export; `approval` is there when this person may be the second one."""

    export: Export
    word: str
    icon: str
    tone: str
    may_decide: bool
    may_cancel: bool


def lines(actor: Actor) -> list[Line]:
    """The exports of the last time, newest first."""
    found = list(Export.objects.order_by("-created_at")[:SHOWN])
    ids = [one.approval_id for one in found if one.state == State.ASKED]
    waiting = {one.id: one for one in Approval.objects.filter(id__in=ids)}
    return [_line(one, waiting.get(one.approval_id), actor) for one in found]


def _line(export: Export, approval: Approval | None, actor: Actor) -> Line:
    icon, tone = STATES[State(export.state)]
    decides = approval is not None and approvals.may_decide(actor, approval)
    over = export.state in {State.READY, State.ASKED, State.QUEUED, State.RUNNING}
    return Line(export, export.get_state_display(), icon, tone, decides, over)
