"""The worker's part of a replacement: make, check, switch, withdraw, go back; by its row's stage.

Each stage is durable before the next begins, so another worker goes on where one was killed. What
the vendor is asked lies outside of transactions, and each transaction looks at the stage again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from connections.flows import checking, rotation, stages, switching, withdrawal
from connections.flows.replacement import JOB
from connections.models import AT_WORK, Connection, Replacement
from portal import work

Stage = Replacement.Stage
Deed = Callable[[work.Claim, Replacement], None]

DEEDS: Final[dict[str, Deed]] = {
    Stage.MAKING: rotation.make,
    Stage.CHECKING: checking.check,
    Stage.SWITCHING: switching.switch,
    Stage.WITHDRAWING: withdrawal.withdraw,
    Stage.GOING_BACK: switching.go_back,
    Stage.DROPPING: withdrawal.drop,
}


def advance(claim: work.Claim, *, replacement_id: str) -> None:
    """The replacement waits for a person, or is over. Raises what waiting may cure."""
    one = stages.load(replacement_id)
    while one is not None and one.stage in AT_WORK:
        if one.connection.state == Connection.State.REVOKED and one.stage != Stage.DROPPING:
            _over(claim, one)
        else:
            DEEDS[one.stage](claim, one)
        one = stages.load(replacement_id)


def _over(claim: work.Claim, one: Replacement) -> None:
    """The connection was revoked: there is nothing to put a credential into."""
    with stages.at(claim, one, one.stage) as row:
        if row is not None:
            stages.drop(row, Stage.CANCELLED, error="not_live")


def gave_up(code: str, *, replacement_id: str) -> None:
    """All attempts are used up: everything stays as it is, and the row says so. Runs inside the
    job's transaction."""
    for row in Replacement.objects.select_related("connection").filter(id=replacement_id):
        if row.stage == Stage.MAKING:
            rotation.failed(row, code)
        elif row.stage == Stage.CHECKING:
            checking.refused(row, code)
        elif row.stage == Stage.SWITCHING and row.automatic:
            rotation.failed(row, code)
        elif row.stage == Stage.SWITCHING:
            stages.move(row, Stage.CHECKED, error=code)
        elif row.stage == Stage.WITHDRAWING:
            withdrawal.left(row, code)
        elif row.stage == Stage.GOING_BACK:
            stages.move(row, Stage.SWITCHED, error=code)
        elif row.stage == Stage.DROPPING:
            withdrawal.dropped(row, is_left=bool(row.found.get(stages.MAY_BE_THERE)))
            return
        if row.stage in AT_WORK:  # what was made is dropped, by a job with attempts of its own
            work.later(JOB, replacement_id=row.id)
