"""What became of workspaces, repositories and branches lately, each in a sentence with its time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import Count, F, Max, Min, Q

from connections.flows import plan
from connections.models import Branch, Connection, Repository, StreamState, Workspace
from portal import clock, phrases

LATELY: Final = timedelta(days=30)
MOST: Final = 20
SHORT_HASH: Final = 8


@dataclass(frozen=True, slots=True)
class Happening:
    says: str
    tone: str
    at: datetime | None


def lately(connection: Connection) -> list[Happening]:
    """The newest first: what was lost, renamed, moved, deleted or rewritten in the last month."""
    since = clock.now() - LATELY
    parts = (_lost(connection), _gone(connection, since), _renamed(connection, since))
    found = [one for part in (*parts, _rewritten(connection, since)) for one in part]
    return sorted(found, key=lambda one: one.at or since, reverse=True)[:MOST]


def _lost(connection: Connection) -> Iterator[Happening]:
    """Chosen workspaces that the account does not reach any more, however long ago."""
    rows = Workspace.objects.filter(connection_id=connection.id, selected=True)
    for row in rows.filter(Q(last_error__in=plan.LOST) | ~Q(gone_at=None)).order_by("name")[:MOST]:
        states = StreamState.objects.filter(workspace_id=row.id, stream=plan.REPOSITORIES)
        since = states.values_list("failing_since", flat=True).first()
        said = f"The linked account lost the workspace {row.name}. Nothing in it is read any more,"
        said += " and nothing that was read of it is removed. It goes on by itself when the account"
        said += " has access again."
        yield Happening(said, "danger", row.gone_at or since)


def _gone(connection: Connection, since: datetime) -> Iterator[Happening]:
    """What one reading found missing in a workspace is one line."""
    rows = Repository.objects.filter(connection_id=connection.id, gone_at__gt=since)
    told = rows.values("workspace__name", "gone_at").annotate(
        count=Count("id"), first=Min("full_name"), remote_id=Min("remote_id")
    )
    for row in told.order_by("-gone_at")[:MOST]:
        if row["count"] > 1:
            many = phrases.plural(row["count"], "repository,repositories")
            said = f"{many} of {row['workspace__name']} are not listed any more, {row['first']}"
            said += " first: they were deleted, or are not shared with the linked account any more."
        else:
            said = of_gone(connection, row["first"], row["remote_id"])
        yield Happening(said, "warning", row["gone_at"])


def of_gone(connection: Connection, name: str, remote_id: str) -> str:
    """What became of a repository that its workspace lists no more."""
    there = Repository.objects.filter(connection_id=connection.id, remote_id=remote_id)
    moved = there.filter(gone_at=None).values_list("full_name", flat=True).first()
    if moved is not None:
        return f"{name} was moved to another workspace: it is {moved} now."
    said = f"{name} is not listed any more: it was deleted, moved to where the linked account does"
    return said + " not see it, or is not shared with that account any more."


def _renamed(connection: Connection, since: datetime) -> Iterator[Happening]:
    """A workspace that was renamed is one line, and not one for each of its repositories."""
    rows = Repository.objects.filter(connection_id=connection.id, renamed_at__gt=since)
    spaces: set[tuple[str, str]] = set()
    for row in rows.filter(gone_at=None).order_by("-renamed_at")[: 5 * MOST]:
        before, after = space_of(row.former_name), space_of(row.full_name)
        if before == after:
            said = f"{row.former_name} was renamed: it is {row.full_name} now. What was read of it"
            yield Happening(f"{said} stays.", "plain", row.renamed_at)
        elif (before, after) not in spaces:
            spaces.add((before, after))
            said = f"The workspace {before} was renamed: it is {after} now, with all that is in it."
            yield Happening(said, "plain", row.renamed_at)


def space_of(full_name: str) -> str:
    """The part of a repository's full name that is its workspace's."""
    return full_name.rpartition("/")[0]


def _rewritten(connection: Connection, since: datetime) -> Iterator[Happening]:
    """Branches that were rewritten; several of one repository are one line."""
    rows: Any = Branch.objects.filter(connection_id=connection.id, rewritten_at__gt=since)
    there = rows.filter(gone_at=None, repository__gone_at=None)
    told = there.values(of=F("repository__full_name")).annotate(
        count=Count("id"),
        at=Max("rewritten_at"),
        first=Min("name"),
        former=Min("former_target"),
    )
    for row in told.order_by("-at")[:MOST]:
        said = f"Somebody rewrote the branch {row['first']} of {row['of']}: the commit"
        said += f" {row['former'][:SHORT_HASH]} is not part of it any more."
        if row["count"] > 1:
            said = f"Somebody rewrote {row['count']:,} branches of {row['of']}, among them"
            said += f" {row['first']}."
        yield Happening(f"{said} What was read of the former commits stays.", "warning", row["at"])
