"""Of which commits a pass asks: where branches stand, without those below which all is held.

A push costs one request then, however long the history before it. Heads that no question has room
for are left to the passes that follow at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from connections.contracts import BuildState, Stream
from connections.flows import plan
from connections.models import Branch, Build, Commit, PullRequest, Repository, StreamState
from portal import clock

AT_ONCE: Final = 50  # heads of one pass
MOST_KEPT: Final = 60  # of heads that no branch stands at any more
MOST_BRANCHES: Final = 1000  # of open pull requests, the newest changed ones
OVERLAP: Final = timedelta(minutes=2)  # what was written late bears an earlier time
RECENT: Final = timedelta(days=1)
ENDED: Final = (BuildState.SUCCESSFUL, BuildState.FAILED, BuildState.STOPPED)


@dataclass(frozen=True, slots=True)
class Heads:
    """The commits that a pass goes by; below `known` ones every commit is held.

    `held` is what `known` becomes when the pass ends, `is_last` whether nothing is left then.
    """

    asked: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    held: tuple[str, ...] = ()
    is_idle: bool = False
    is_last: bool = True


def of(state: StreamState, stream: Stream, repository: Repository, *, goes_on: bool) -> Heads:
    """What the pass is asked of; one that goes on keeps its own."""
    if stream.by_commit:
        again = tuple(state.heads or ()) if goes_on else _of_builds(state, repository)
        return Heads(asked=again)
    if stream.key == plan.COMMITS:
        return _of_history(state, repository, goes_on=goes_on)
    return Heads()


# ── Commits ───────────────────────────────────────────────────────────────────────────────────


def _of_history(state: StreamState, repository: Repository, *, goes_on: bool) -> Heads:
    """Where no branch is held the vendor's main branch is asked, as far as nothing is known."""
    heads = _standing(repository)
    known = () if state.is_full else tuple(state.held_heads or ())
    fresh = tuple(head for head in heads if head not in set(known))[:AT_ONCE]
    asked = tuple(state.heads or ()) if goes_on else fresh
    covered = {*asked, *known}
    standing = [head for head in heads if head in covered]
    return Heads(
        asked=asked,
        known=known,
        held=kept((*standing, *asked, *known), len(standing)),
        is_idle=bool(heads) and not asked and not goes_on,
        is_last=covered.issuperset(heads),
    )


def kept(heads: Iterable[str], least: int = 0) -> tuple[str, ...]:
    """These without repetition, and of old ones no more than a question has room for."""
    return tuple(dict.fromkeys(heads))[: max(least, MOST_KEPT)]


def _standing(repository: Repository) -> tuple[str, ...]:
    """Where the main branch and those of open pull requests stand: main first, then the newest."""
    opened = PullRequest.objects.filter(repository=repository, state="open", gone_at=None)
    newest = opened.order_by("-remote_updated_at", "-number")
    sources = newest.values_list("source_branch", flat=True)[:MOST_BRANCHES]
    names = dict.fromkeys((repository.main_branch, *sources, *_lately(repository)))
    branches = Branch.objects.filter(repository=repository, kind="branch", gone_at=None)
    found = dict(branches.filter(name__in=[*names]).values_list("name", "target"))
    return tuple(dict.fromkeys(found[name] for name in names if found.get(name)))


def _lately(repository: Repository) -> list[str]:
    """Branches that moved last, where all commits are wanted: a linked repository's travel."""
    if repository.relayed_at is None:
        return []
    rows = Branch.objects.filter(repository=repository, kind="branch", gone_at=None)
    newest = rows.exclude(committed_at=None).order_by("-committed_at", "name")
    return list(newest.values_list("name", flat=True)[:AT_ONCE])


# ── Builds, commit by commit ──────────────────────────────────────────────────────────────────


def _of_builds(state: StreamState, repository: Repository) -> tuple[str, ...]:
    """Each costs a request: the new ones after a change, and so many in turn when one looks."""
    heads, was = _standing(repository), state.last_success_at
    if was is not None and not state.is_full:
        if state.wanted == plan.CHANGED:
            heads = _later(repository, heads, was - OVERLAP)
        elif state.wanted == plan.LOOK:
            heads = _some(heads, state)
    return (*heads, *_unbuilt(repository, heads))


def _later(repository: Repository, heads: tuple[str, ...], moment: datetime) -> tuple[str, ...]:
    """Those of the heads that were not held at that moment."""
    rows = Commit.objects.filter(repository=repository, remote_id__in=heads, seen_at__lte=moment)
    held = set(rows.values_list("remote_id", flat=True))
    return tuple(head for head in heads if head not in held)


def _some(heads: tuple[str, ...], state: StreamState) -> tuple[str, ...]:
    """As many as one look asks for, beginning anywhere, so that each has its turn."""
    begin = (state.pass_id or state.id).int % len(heads) if len(heads) > AT_ONCE else 0
    return (*heads[begin:], *heads[:begin])[:AT_ONCE]


def _unbuilt(repository: Repository, heads: tuple[str, ...]) -> tuple[str, ...]:
    """Commits whose builds had not ended when we looked last."""
    running = Build.objects.filter(repository=repository, gone_at=None).exclude(state__in=ENDED)
    recent = running.filter(remote_created_at__gt=clock.now() - RECENT)
    return tuple(sorted(set(recent.values_list("commit", flat=True)[:20]) - set(heads)))
