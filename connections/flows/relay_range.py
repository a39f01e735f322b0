"""The commits that a push brought to a linked repository, whichever branch they are on.

A sync reads the commits of the main branch and of open pull requests; what travels to a target is
all of them. So when a branch of a linked repository has moved, the commits between are read at
once, down to what is held, and kept together with the branch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from connections.contracts import Ask, BranchRecord, CommitRecord, Record, Stream
from connections.errors import RateLimited, ReauthorizationRequired, VendorError
from connections.flows import heads, plan
from connections.flows.asking import Asking
from connections.flows.chains import container_of
from connections.flows.keep import Place
from connections.models import Branch, Commit, StreamState
from portal import tenancy

MOST_PAGES: Final = 5


@dataclass(frozen=True, slots=True)
class Range:
    """Commits down to what was held; all of them, with `is_whole`, below these heads."""

    heads: tuple[str, ...] = ()
    commits: tuple[Record, ...] = ()
    is_whole: bool = False


NOTHING: Final = Range()


def read(asking: Asking, place: Place, stream: Stream | None, records: Sequence[Record]) -> Range:
    """What the vendor lists below these branches and is not held; outside of transactions.

    Nothing for a repository that takes part in no link. Raises what concerns the whole vendor.
    """
    repository = place.repository
    if repository is None or repository.relayed_at is None or stream is None:
        return NOTHING
    moved = {one.target: one for one in records if isinstance(one, BranchRecord) and _is(one)}
    if not moved:
        return NOTHING
    with tenancy.transaction():
        rows = Commit.objects.filter(repository_id=repository.id, remote_id__in=list(moved))
        there = set(rows.values_list("remote_id", flat=True))
        wanted = tuple(target for target in moved if target not in there)
        held = tuple(_state(place).values_list("held_heads", flat=True).first() or ())
        names = [one.remote_id for one in moved.values()]
        former = Branch.objects.filter(repository_id=repository.id, remote_id__in=names)
        known = held or tuple(former.values_list("target", flat=True))
    if not wanted:
        return NOTHING
    try:
        return _pages(asking, place, stream, Ask(commits=wanted, known=known), whole=bool(held))
    except (RateLimited, ReauthorizationRequired):
        raise
    except VendorError as error:
        if error.retry:
            raise
        return NOTHING  # a sync finds them


def _is(record: BranchRecord) -> bool:
    return record.kind == "branch" and bool(record.target)


def _state(place: Place) -> Any:
    assert place.repository is not None
    return StreamState.objects.filter(repository_id=place.repository.id, stream=plan.COMMITS)


def _pages(asking: Asking, place: Place, stream: Stream, ask: Ask, *, whole: bool) -> Range:
    found: list[Record] = []
    container, fields = container_of(place), asking.connection.fields
    for _ in range(MOST_PAGES):
        page = stream.page(asking.api(), container, fields, ask)
        found += [one for one in page.records if isinstance(one, CommitRecord)]
        if page.checkpoint is None:
            return Range(ask.commits, tuple(found), whole and not page.rejected)
        ask = Ask(checkpoint=page.checkpoint, commits=ask.commits, known=ask.known)
    return Range(ask.commits, tuple(found))


def note(place: Place, read: Range) -> None:
    """All below these heads is held now: no pass has to ask for it. With the commits kept."""
    if read.is_whole:
        for state in _state(place).select_for_update():
            state.held_heads = list(heads.kept((*read.heads, *(state.held_heads or ()))))
            state.save(update_fields=["held_heads"])
