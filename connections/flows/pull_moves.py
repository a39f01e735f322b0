"""What happened to a pull request between two readings, as far as a vendor's triggers tell of it.

A comment, a task or a new head of where it goes changes its date too, and is none of these.
"""

from __future__ import annotations

from typing import Final

from connections.contracts import PullMove, PullRequestRecord, PullState, Verdict
from connections.models import PullRequest

ENDS: Final = {PullState.MERGED: PullMove.MERGED, PullState.DECLINED: PullMove.DECLINED}
SAID: Final = {Verdict.APPROVED: PullMove.APPROVED, Verdict.CHANGES: PullMove.CHANGES}
TAKEN_BACK: Final = {Verdict.APPROVED: PullMove.UNAPPROVED, Verdict.CHANGES: PullMove.NO_CHANGES}
NOBODY: Final = (Verdict.NONE, False)

Reviews = dict[str, tuple[Verdict, bool]]


def moves(former: PullRequest | None, now: PullRequestRecord) -> set[PullMove]:
    """What can be told of how the row became what the record says; a new one was opened."""
    if former is None:
        return {PullMove.OPENED}
    found: set[PullMove] = set()
    if former.state != now.state and now.state in ENDS:
        found.add(ENDS[now.state])
    if (former.title, former.destination_branch) != (now.title[:500], now.destination_branch[:300]):
        found.add(PullMove.EDITED)
    is_pushed = former.source_hash != now.source_hash[:64]
    if is_pushed:
        found.add(PullMove.PUSHED)
    return found | _reviewed(_held(former), _said(now), is_pushed=is_pushed)


def _reviewed(before: Reviews, after: Reviews, *, is_pushed: bool) -> set[PullMove]:
    """What reviewers did. A push may take approvals back, and nobody tells of those."""
    found: set[PullMove] = set()
    for person in before.keys() | after.keys():
        (was, asked), (now, asks) = before.get(person, NOBODY), after.get(person, NOBODY)
        if was == now:
            found |= {PullMove.REVIEWERS} if asked != asks else set()
        elif now in SAID:
            found.add(SAID[now])
        elif was in TAKEN_BACK and not is_pushed:
            found.add(TAKEN_BACK[was])
    return found


def _held(row: PullRequest) -> Reviews:
    return {
        str(each["id"]): (Verdict(each["verdict"]), bool(each["reviewer"]))
        for each in row.participants
        if each["id"]
    }


def _said(record: PullRequestRecord) -> Reviews:
    return {
        each.person.remote_id[:200]: (each.verdict, each.reviewer)
        for each in record.participants
        if each.person.remote_id
    }
