"""What the first question of a pass is: since when, of which commits, and what is held already."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final
from uuid import uuid4

from connections.contracts import Ask, Stream
from connections.flows import clocks, heads, plan
from connections.flows.chains import Chain, container_of
from connections.flows.heads import ENDED, OVERLAP, Heads
from connections.flows.keep import SHELVES, Place
from connections.models import Pipeline, Repository, StreamStand, StreamState
from portal import clock

STALE: Final = timedelta(days=3)  # a pass that got on so long ago last begins anew
MOST_KNOWN: Final = 200
PIPELINES: Final = "pipelines"
NEWEST_FIRST: Final = frozenset({plan.COMMITS, PIPELINES})


def chain_of(
    state: StreamState, stream: Stream, fields: dict[str, str], *, keep_days: int | None = None
) -> Chain:
    """The pass under way, or the next one from its first page. Call it inside a transaction."""
    was_read, goes_on = state.last_success_at is not None, _resumes(state, stream)
    if not goes_on:
        _begin(state, stream)
    place, commits = Place(state.workspace, state.repository), Heads()
    if place.repository is not None:
        commits = heads.of(state, stream, place.repository, goes_on=goes_on)
        state.heads = list(commits.asked)
    return Chain(
        state=state,
        stream=stream,
        container=container_of(place),
        place=place,
        fields=fields,
        ask=_ask(state, stream, place, commits),
        heads=commits,
        was_read=was_read,
        due_at=state.due_at,
        horizon=_horizon(stream, keep_days),
    )


def _horizon(stream: Stream, keep_days: int | None) -> datetime | None:
    if keep_days is None or stream.key not in NEWEST_FIRST:
        return None
    return clock.now() - timedelta(days=keep_days)


def is_incremental(state: StreamState, stream: Stream) -> bool:
    """Whether only what changed has to be asked for; removals that wait are judged by a whole pass.

    Of commits only what is not below others can be left out.
    """
    return bool(
        stream.incremental
        and state.since is not None
        and state.last_success_at is not None
        and state.stand != StreamStand.HELD_BACK
        and (stream.key != plan.COMMITS or state.held_heads)
    )


def since(state: StreamState) -> datetime | None:
    """From when on changes are asked for."""
    return None if state.since is None else state.since - OVERLAP


def _resumes(state: StreamState, stream: Stream) -> bool:
    if state.pass_id is None or state.checkpoint is None:
        return False
    if stream.by_commit and state.heads is None:
        return False  # of which commits it was asked is not kept
    got_on = state.last_page_at or state.pass_started_at
    if got_on is None or got_on < clock.now() - STALE:
        return False
    return bool(state.is_full or _is_witness(stream) or state.wanted not in clocks.WHOLE)


def _is_witness(stream: Stream) -> bool:
    return SHELVES[stream.record].is_witness


def _begin(state: StreamState, stream: Stream) -> None:
    """A new pass: whole where absence is evidence and it is time for that, else what changed.

    What could not be read stays so until a pass that is whole has read it.
    """
    may_skip = _is_witness(stream) or state.wanted not in clocks.WHOLE
    state.is_full = not (may_skip and is_incremental(state, stream))
    state.pass_id, state.pass_started_at = uuid4(), clock.now()
    state.checkpoint, state.total, state.last_page_at = None, None, None
    state.pages = state.read = 0
    if state.is_full or _is_witness(stream):
        state.rejected = 0


def _ask(state: StreamState, stream: Stream, place: Place, commits: Heads) -> Ask:
    after, etag = (None, state.etag) if state.is_full else (since(state), "")
    if place.repository is None:
        return Ask(since=after, etag=etag)
    known = _with_steps(place.repository) if stream.key == PIPELINES else commits.known
    return Ask(since=after, etag=etag, known=known, commits=commits.asked)


def _with_steps(repository: Repository) -> tuple[str, ...]:
    """The newest pipelines that ended and whose steps are held."""
    ended = Pipeline.objects.filter(repository=repository, state__in=ENDED).exclude(steps=[])
    return tuple(ended.order_by("-number").values_list("remote_id", flat=True)[:MOST_KNOWN])
