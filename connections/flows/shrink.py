"""Absence is evidence only after a complete reading, and a sharp shrink only after a person agrees.

Trust.md §10 row P46: more than 20 % and more than 50 rows gone are held back, and fewer where it
looks as if the account had lost its workspace, or where a list is empty all at once. What was seen
since the reading began, by whomever, is there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db.models import Count, Q, QuerySet
from django.utils import timezone

from connections import registry
from connections.flows import relay_capture
from connections.flows.keep import SHELVES, Kept, Place, Seen, mark, present
from connections.models import (
    Branch,
    Connection,
    Member,
    Project,
    PullRequest,
    Repository,
    StreamStand,
    StreamState,
    SyncRun,
    Workspace,
)

SHARE, COUNT = 0.20, 50
NEVER_EMPTIED: Final = (Repository, Project, Member, Branch, PullRequest)  # all of two and more


def settle(
    place: Place, state: StreamState, model: Kept, seen: Seen, listed: Sequence[str] | None
) -> dict[str, Any]:
    """Mark what a completed pass no longer lists as gone; {} or what is held back instead.

    A pass of one page says itself what it `listed`; a longer one marked its rows.
    """
    there = present(model, place)
    missing = ~Q(seen_run=seen.pass_id) if listed is None else ~Q(remote_id__in=list(listed))
    missing &= Q(seen_at__lt=state.pass_started_at or seen.at)
    found = there.aggregate(before=Count("id"), gone=Count("id", filter=missing))
    before, gone = found["before"], found["gone"]
    is_sharp = gone > COUNT and gone > before * SHARE
    is_sharp |= model in NEVER_EMPTIED and gone == before > 1
    if is_sharp or (model is Repository and gone > before * SHARE and _looks_lost(there, missing)):
        if listed is not None:
            mark(model, place, listed, seen)
        return {
            "workspace": str(place.workspace.id),
            "name": str(place.repository or place.workspace.name),
            "stream": state.stream,
            "state": str(state.id),
            "pass": str(seen.pass_id),
            "before": before,
            "missing": gone,
        }
    if gone:
        _mark_gone(place, model, there.filter(missing))
    return {}


def _mark_gone(place: Place, model: Kept, rows: QuerySet[Any]) -> None:
    """These are gone, and a link's target is told so."""
    repository = place.repository
    if repository is not None and repository.relayed_at is not None:
        relay_capture.note(repository, model, list(rows.values_list("remote_id", flat=True)))
    rows.update(gone_at=timezone.now())


def _looks_lost(there: QuerySet[Any], missing: Q) -> bool:
    """Only what everybody may see is left, and private ones went: the account may have lost it.

    A vendor may list the public repositories of a workspace to who is no member of it any more.
    """
    private = there.filter(private=True)
    return bool(private.filter(missing).count() > 1 and not private.exclude(missing).exists())


def held_back(run: SyncRun) -> Iterator[QuerySet[Any]]:
    """The rows this run did not see, for each list that it held back.

    What another pass read whole since then is held back no more, and none of its rows is here.
    """
    for held in run.shrink:
        found = _place(held, run.started_at or run.created_at)
        if found is None:
            continue
        place, began = found
        rows = present(_model(run, held), place)
        unseen = rows.exclude(seen_run=UUID(held.get("pass", str(run.id))))
        yield unseen.filter(seen_at__lt=began)


def _model(run: SyncRun, held: dict[str, Any]) -> Kept:
    streams = {stream.key: stream for stream in registry.get(run.connection.connector).streams}
    return SHELVES[streams[held["stream"]].record].model


def holds_back(connection: Connection) -> bool:
    """Whether removals of it wait for a person."""
    held = StreamState.objects.filter(connection_id=connection.id, stand=StreamStand.HELD_BACK)
    return bool(held.exists())


def _place(held: dict[str, Any], began: datetime) -> tuple[Place, datetime] | None:
    """Where it was held back, and when that reading began; None when that was settled since."""
    if "state" not in held:  # of a run before streams had a row of their own
        return Place(Workspace.objects.get(id=held["workspace"])), began
    rows = StreamState.objects.filter(id=held["state"], stand=StreamStand.HELD_BACK)
    state = rows.filter(pass_id=held["pass"]).select_related("workspace", "repository").first()
    if state is None:
        return None
    return Place(state.workspace, state.repository), state.pass_started_at or began


def apply(run: SyncRun) -> None:
    """Mark everything that was held back as gone."""
    for rows in held_back(run):
        rows.update(gone_at=timezone.now())
    for held in run.shrink:
        count(Workspace.objects.get(id=held["workspace"]))
        if "state" not in held or (found := _place(held, run.created_at)) is None:
            continue
        StreamState.objects.filter(id=held["state"]).update(
            stand=StreamStand.CURRENT,
            pass_id=None,
            held=present(_model(run, held), found[0]).count(),
        )


def count(workspace: Workspace, *, changed: tuple[str, ...] = ()) -> None:
    """Bring the workspace's repository count up to date, and save what else was changed."""
    workspace.repository_count = present(Repository, Place(workspace)).count()
    workspace.save(update_fields=["repository_count", *changed])
