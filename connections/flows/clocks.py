"""When a stream of a container is read next: after a success, a failure, or unfinished work."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from connections.contracts import Level, Stream
from connections.errors import AccessDenied, RemoteGone, ScopeMissing, VendorError
from connections.flows import plan
from connections.flows.shelves import SHELVES
from connections.models import StreamState
from portal import clock

DAY: Final = timedelta(days=1)
WEEK: Final = timedelta(days=7)
SHARE: Final = 0.05  # of an hour's requests, for the full passes of one stream of all repositories
FOLLOW_UP: Final = timedelta(minutes=15)  # what runs at the vendor is looked at again
TAKEN_AWAY: Final = (AccessDenied, RemoteGone, ScopeMissing)
WHOLE: Final = frozenset({plan.FIRST, plan.FULL, plan.ASKED})
DAILY: Final = frozenset({"permissions", "hooks"})  # no `updated_on` tells of them


@dataclass(frozen=True, slots=True)
class Pace:
    """How much there is to read, and how much the vendor allows."""

    repositories: int
    per_hour: int

    def period(self, stream: Stream) -> timedelta:
        """From one full pass to the next; longer where so many cost more than their share."""
        if stream.level is Level.WORKSPACE:
            return DAY
        least = DAY if stream.key in DAILY else WEEK
        hours = self.repositories / max(1.0, self.per_hour * SHARE)
        return max(least, timedelta(hours=hours))


def after_success(state: StreamState, stream: Stream, pace: Pace, *, is_unfinished: bool) -> None:
    """The row says when it is read next: each at its own time, so that no day is full of them.

    However often it is read in between, the next whole pass comes a period after the last one.
    """
    now = clock.now()
    spread = 0.75 + 0.5 * (state.id.int % 1000) / 1000
    whole_at = _whole_at(state, stream, now)
    state.wanted, state.due_at = plan.FULL, max(now, whole_at + pace.period(stream) * spread)
    if is_unfinished and now + FOLLOW_UP < state.due_at:
        state.wanted, state.due_at = plan.CHANGED, now + FOLLOW_UP


def _whole_at(state: StreamState, stream: Stream, now: datetime) -> datetime:
    """When it was read whole last, or when that was tried; of the past nothing has to be again."""
    was_tried = SHELVES[stream.record].is_witness or state.wanted in WHOLE
    return now if was_tried else state.last_full_at or now


def after_failure(state: StreamState, error: VendorError) -> None:
    """By hours where somebody has to act first, by minutes where waiting may help."""
    first = timedelta(hours=1) if isinstance(error, TAKEN_AWAY) else timedelta(minutes=5)
    most = DAY if isinstance(error, TAKEN_AWAY) else timedelta(hours=6)
    state.attempts += 1
    state.due_at = clock.now() + min(most, first * 2 ** min(state.attempts - 1, 10))
