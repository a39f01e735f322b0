"""What webhooks named is fetched as it is at the vendor now, each thing once however often named.

A thing is leased while it is fetched; a worker that dies leaves it to be taken again then. What was
named again meanwhile is fetched again, two seconds later at the earliest. The deliveries that named
it learn what came of it, and what could not be had is read by a sync. One worker at a time fetches
for a connection, and a vendor that is silent does not hold it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby
from typing import Final
from uuid import UUID

from django.db import DatabaseError

from connections.contracts import Stream
from connections.errors import RateLimited, ReauthorizationRequired, RemoteGone, VendorError
from connections.flows import budget, fetching, keep, made_due, overload, plan, relay_capture
from connections.flows.answered import Fetched
from connections.flows.applying import ask_to_fetch
from connections.flows.asking import Asking
from connections.flows.meanings import WAITS, wait
from connections.flows.told_rows import Settled, Taken, group, settle, take, take_all_of
from connections.models import DirtyTarget, Repository, Workspace
from portal import clock, everybody, tenancy, work
from portal.models import Job
from portal.steps import step

log = logging.getLogger(__name__)

FAILED, NEVER = "fetching_failed", "never_finished"
LEFT_TO_SYNC: Final = "left_to_sync"
TURNS: Final = 10  # of a sitting
SITTING: Final = 30.0  # seconds, then others have their turn
SILENT: Final = 3  # containers in a row without an answer: it is not they that are in trouble
PAUSE: Final = timedelta(minutes=2)  # after which a silent vendor is asked again
NO_MORE: Final = (fetching.UNKNOWN, keep.UNREADABLE, RemoteGone.code)  # no sync would bring it
SOON: Final = timedelta(seconds=10)  # later ones are found by the sweep
KEPT: Final = timedelta(days=30)


@dataclass(slots=True)
class Sitting:
    """One worker's turn; `silent` are the containers in a row that gave no answer."""

    claim: work.Claim
    asking: Asking
    silent: set[UUID] = field(default_factory=set)
    is_refused: bool = False
    has_news: bool = False
    began: float = field(default_factory=time.monotonic)

    @property
    def is_out_of_reach(self) -> bool:
        return self.is_refused or len(self.silent) >= SILENT

    @property
    def is_over(self) -> bool:
        return self.is_out_of_reach or time.monotonic() - self.began > SITTING

    def note(self, one: Taken, error: VendorError) -> None:
        """No answer came of its container; a refused credential is refused for all."""
        self.silent.add(one.repository_id or one.workspace_id)
        self.is_refused |= isinstance(error, ReauthorizationRequired)


@dataclass(slots=True)
class _Turn:
    """What is fetched together, and where it belongs, read once."""

    sitting: Sitting
    grown: keep.Grown
    streams: Mapping[str, Stream]
    workspaces: Mapping[UUID, Workspace]
    repositories: Mapping[UUID | None, Repository]

    @classmethod
    def at(cls, sitting: Sitting, taken: Sequence[Taken], grown: keep.Grown) -> _Turn:
        repositories = {one.repository_id for one in taken} - {None}
        with tenancy.transaction():
            there = Workspace.objects.filter(gone_at=None)
            return cls(
                sitting,
                grown,
                plan.chosen(sitting.asking.connection),
                there.in_bulk([*{one.workspace_id for one in taken}]),
                Repository.objects.in_bulk([*repositories]),
            )


def perform(claim: work.Claim, *, connection_id: str) -> None:
    """What is due of this connection was fetched, as far as its account's budget allows."""
    with tenancy.transaction():
        claim.hold()
    asking = fetching.opened(UUID(connection_id), chunk=budget.CHUNK)
    if asking is None:
        return
    again_at: datetime | None = None
    sitting = Sitting(claim, asking, has_news=claim.job.attempts > 1)  # of who died before this
    try:
        if _sit(sitting, connection_id):
            again_at = clock.now() + PAUSE
    except RateLimited as error:
        again_at = clock.now() + timedelta(seconds=asking.rest(error))
    finally:
        asking.close()
        _read_what_follows(sitting)
    with tenancy.transaction():
        claim.hold()
        Job.objects.filter(id=claim.id).update(dedupe=None)  # what is told now asks for its own
        _ask_again(UUID(connection_id), again_at)


def _sit(sitting: Sitting, connection_id: str) -> bool:
    """What is due was fetched; whether the vendor is out of reach."""
    _read_lists_instead(sitting, connection_id)
    for _ in range(TURNS):
        taken = [] if sitting.is_over else take(sitting.claim, connection_id)
        if not taken:
            break
        step("told.taken")
        _fetch(sitting, taken)
    return sitting.is_out_of_reach


def _read_what_follows(sitting: Sitting) -> None:
    """What the news of the whole sitting calls for is read by one run."""
    if sitting.has_news:
        connection = sitting.asking.connection
        with tenancy.transaction():
            streams = plan.chosen(connection)
        made_due.read_what_follows(connection, streams)


def _read_lists_instead(sitting: Sitting, connection_id: str) -> None:
    """Where much waits, a list that takes fewer requests is due in place of what it holds."""
    connection = sitting.asking.connection
    with tenancy.transaction():
        if not overload.is_behind(connection.id):
            return
        streams = plan.chosen(connection)
        lists = overload.lists(connection.id, streams)
    taken = take_all_of(sitting.claim, connection_id, lists) if lists else []
    if taken:
        left = [Settled(one, LEFT_TO_SYNC, is_left_to_sync=True) for one in taken]
        settle(sitting.claim, left)
        made_due.read_what_follows(connection, streams)


def _ask_again(connection_id: UUID, again_at: datetime | None) -> None:
    """One job waits for what is due next, however much is told until then."""
    rows = DirtyTarget.objects.filter(connection_id=connection_id)
    if again_at is None:
        soon = rows.filter(due_at__lte=clock.now() + SOON, lease_until=None)
        again_at = soon.order_by("due_at").values_list("due_at", flat=True).first()
    elif not rows.exclude(due_at=None).exists():
        return
    if again_at is not None:
        ask_to_fetch(connection_id, run_at=again_at)


def _fetch(sitting: Sitting, taken: Sequence[Taken]) -> None:
    """Container by container; what could not be asked yet is due as before."""
    left, settled = list(taken), list[Settled]()
    try:
        with relay_capture.asking_once(), keep.growing() as grown:
            turn = _Turn.at(sitting, taken, grown)
            for _, grouped in groupby(taken, key=group):
                if sitting.is_over:
                    break
                these = list(grouped)
                came = _of_container(turn, these)
                left = left[len(these) :]
                if these[0].attempts > 1:  # what may kill its worker takes no other along
                    settle(sitting.claim, came)
                else:
                    settled += came
    except RateLimited:
        _end(sitting, settled, left)
        raise
    _end(sitting, settled, left)


def _end(sitting: Sitting, settled: Sequence[Settled], left: Sequence[Taken]) -> None:
    """The rows say what came: once for all containers."""
    now = clock.now()
    back = [Settled(one, due_at=now, was_tried=False) for one in left]
    settle(sitting.claim, [*settled, *back])
    step("told.fetched")


def _of_container(turn: _Turn, these: Sequence[Taken]) -> list[Settled]:
    sitting, first = turn.sitting, these[0]
    sitting.claim.stay()
    workspace = turn.workspaces.get(first.workspace_id)
    repository = turn.repositories.get(first.repository_id)
    if workspace is None or (first.repository_id is not None and repository is None):
        return [Settled(one, "gone") for one in these]
    if workspace.last_error in plan.LOST:  # which only its listing finds out to be over
        return [_given_up(one, workspace.last_error) for one in these]
    if first.attempts > len(WAITS) + 1:
        return [_given_up(first, NEVER)]
    targets, place = [one.target for one in these], keep.Place(workspace, repository)
    try:
        with relay_capture.heard([each for one in these for each in one.told_by]):
            found = fetching.of_container(sitting.asking, place, turn.streams, targets, turn.grown)
    except RateLimited:
        raise
    except VendorError as error:
        sitting.note(first, error)
        return [_later(one, error.code, error.detail) for one in these]
    except (work.LeaseLost, DatabaseError):
        raise
    except Exception:  # what we cannot fetch keeps nothing else from being fetched
        log.exception("told.raised", extra={"streams": sorted({o.target.stream for o in these})})
        return [_later(one, FAILED) for one in these]
    sitting.silent.clear()
    sitting.has_news |= any(each.is_news for each in found)
    return [_settled(one, came) for one, came in zip(these, found, strict=True)]


def _settled(one: Taken, came: Fetched) -> Settled:
    if came.error and came.error not in NO_MORE:
        return _given_up(one, came.error)
    error = "" if came.error == fetching.UNKNOWN else came.error
    return Settled(one, word(came), error=error)


def word(came: Fetched) -> str:
    """What came of a fetch, for the deliveries that asked for it."""
    if came.error:
        return came.error
    if came.due:
        return LEFT_TO_SYNC
    if came.gone:
        return "gone" if came.changed else "absent"
    return "changed" if came.changed else "nothing_new"


def _later(one: Taken, code: str, detail: str = "") -> Settled:
    """It is asked for again, later each time."""
    if one.attempts > len(WAITS):
        return _given_up(one, code, detail)
    return Settled(one, due_at=clock.now() + wait(one.attempts), error=code, detail=detail)


def _given_up(one: Taken, code: str, detail: str = "") -> Settled:
    """A sync reads the whole list instead."""
    return Settled(one, code, error=code, detail=detail, is_left_to_sync=True)


@work.every("connections.forget_told", 3600)
def forget() -> None:
    """What was fetched long ago is known by its own row alone."""
    everybody.for_each(everybody.organizations(), forget_here)


def forget_here() -> None:
    """The same for the acting organization; outside of transactions."""
    with tenancy.transaction():
        old = DirtyTarget.objects.filter(due_at=None, fetched_at__lt=clock.now() - KEPT)
        old.delete()
