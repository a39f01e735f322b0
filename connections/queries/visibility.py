"""Why a repository is not here: only what the rows prove, each line with when it was so."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from django.db.models import BooleanField, ExpressionWrapper, F, Q

from connections.errors import ScopeMissing
from connections.explain import explain
from connections.flows import plan
from connections.models import (
    Connection,
    Repository,
    StreamStand,
    StreamState,
    SyncFailure,
    Workspace as Space,
)
from connections.queries.happenings import of_gone
from portal import phrases

LONGEST: Final = 400
MOST: Final = 20  # workspaces that are gone through for a name without one
PATHS: Final = frozenset({"projects", "repos", "scm", "repositories", "users"})


@dataclass(frozen=True, slots=True)
class Evidence:
    """One thing that is known: `means` in a word, `at` when it was found out."""

    means: str
    says: str
    tone: str = "plain"
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """A repository as somebody wrote it down: its slug or name, and its workspace where said."""

    name: str
    workspace: str = ""


def read(text: str) -> Wanted:
    """From a name, "workspace/name", or an address that was copied from a browser or from git."""
    text = text.strip()[:LONGEST]
    path = urlsplit(text).path if "://" in text else text.rpartition(":")[2]
    parts = [unquote(part) for part in path.split("/") if part and part.lower() not in PATHS]
    parts = parts[:2] if "://" in text else parts[-2:]
    name = parts[-1].removesuffix(".git") if parts else ""
    return Wanted(name, parts[-2] if len(parts) > 1 else "")


def why(connection: Connection, text: str) -> list[Evidence]:
    """What is known of this repository here, the most telling first; empty for an empty text."""
    wanted = read(text)
    if not wanted.name:
        return []
    found = list(_named(connection, wanted)[:5])
    if found:
        return [line for row in found for line in _of_row(row)]
    return list(_absent(connection, wanted))


def _named(connection: Connection, wanted: Wanted) -> Any:
    rows = Repository.objects.filter(connection_id=connection.id)
    rows = rows.select_related("workspace", "connection")
    names = Q(slug__iexact=wanted.name) | Q(name__iexact=wanted.name)
    here = names | Q(remote_id=wanted.name)
    former = Q(former_name__iendswith=f"/{wanted.name}")
    if wanted.workspace:
        spaces = Q(workspace__slug__iexact=wanted.workspace)
        here &= spaces | Q(workspace__name__iexact=wanted.workspace)
        former = Q(former_name__iexact=f"{wanted.workspace}/{wanted.name}")
    found = rows.filter(here | former).annotate(is_former=ExpressionWrapper(~here, BooleanField()))
    return found.order_by(F("gone_at").asc(nulls_first=True), "is_former", "full_name")


def _of_row(row: Any) -> Iterator[Evidence]:
    name, space = row.full_name, row.workspace
    if row.gone_at is not None:
        yield Evidence("gone", of_gone(row.connection, name, row.remote_id), "warning", row.gone_at)
        return
    if row.is_former:
        said = f"{row.former_name} was renamed: it is {name} now."
        yield Evidence("renamed", said, "plain", row.renamed_at)
    if not space.selected:
        said = f"{name} is known, and its workspace {space.name} is not chosen any more."
        yield Evidence("not chosen", said, "warning")
    elif space.gone_at is not None or space.last_error in plan.LOST:
        said = f"{name} stays as it was read: the account lost its workspace {space.name}."
        yield Evidence("not shared", said, "danger", space.gone_at or space.synced_at)
    elif row.last_error:
        said = f"{name} is listed, and the vendor's answer about it could not be read."
        yield Evidence("unreadable", said, "warning", row.seen_at)
    else:
        yield Evidence("here", f"{name} is here.", "good", space.synced_at)
    failing = StreamState.objects.filter(repository_id=row.id, stand=StreamStand.FAILING)
    for state in failing.order_by("stream"):
        cause = explain(state.error, product="the vendor")
        said = f"Its {state.stream.replace('-', ' ')} cannot be read: {cause.title}."
        yield Evidence("failing", f"{said} {cause.who_acts}", "danger", state.failing_since)


def _absent(connection: Connection, wanted: Wanted) -> Iterator[Evidence]:
    """Nothing bears the name: where the trail ends, by workspace."""
    if plan.REPOSITORIES not in plan.streams_of(connection):
        said = "This connection was not linked for reading repositories: the scope is missing."
        yield Evidence("scope missing", said, "danger")
        return
    for kind in ("repository", "project"):
        if connection.fields.get(kind):
            said = f"The credential opens one {kind} only: {connection.fields[kind]}."
            yield Evidence("narrow credential", said, "warning")
    spaces = Space.objects.filter(connection_id=connection.id).order_by("name")
    if wanted.workspace:
        spaces = spaces.filter(Q(slug__iexact=wanted.workspace) | Q(name__iexact=wanted.workspace))
        if not spaces.exists():
            said = f"The linked account, {connection.account_name}, does not reach a workspace"
            said += f" called {wanted.workspace}."
            yield Evidence("not shared", said, "warning", connection.last_success_at)
            return
    for space in spaces[:MOST]:
        yield _in_workspace(connection, space, wanted)
    if (more := spaces.count() - MOST) > 0:
        said = phrases.plural(more, "further workspace is,further workspaces are")
        said += " not gone through here: ask for the name with its workspace, as in"
        said += f" “workspace/{wanted.name}”."
        yield Evidence("not looked at", said, "plain")


def _in_workspace(connection: Connection, space: Any, wanted: Wanted) -> Evidence:
    if space.gone_at is not None:
        said = f"The account lost the workspace {space.name}."
        return Evidence("not shared", said, "danger", space.gone_at)
    if not space.selected:
        return Evidence("not chosen", f"The workspace {space.name} is not chosen.", "warning")
    if space.last_error:
        cause = explain(space.last_error, product="the vendor")
        said = f"{space.name} cannot be listed: {cause.title}. {cause.who_acts}"
        means = "scope missing" if space.last_error == ScopeMissing.code else "failing"
        return Evidence(means, said, "danger", space.synced_at)
    rows = StreamState.objects.filter(workspace_id=space.id, repository=None)
    state = rows.filter(stream=plan.REPOSITORIES).first()
    one = _unreadable(connection, space, wanted, state and state.last_full_at)
    if one is not None:
        said = f"An entry called {one.label} was listed in {space.name} and could not be read."
        return Evidence("unreadable", said, "warning", one.at)
    if state is None or state.last_full_at is None:
        said = f"{space.name} has not been read to its end yet: what is not here may come."
        return Evidence("newer than the last run", said, "plain")
    said = f"{space.name} was listed whole, and nothing in it is called {wanted.name}: it is not"
    said += " shared with the linked account, is spelled otherwise, or is newer than that."
    if connection.next_sync_at is not None:
        said += f" The next look is due {phrases.relative(connection.next_sync_at)}."
    return Evidence("not listed", said, "warning", state.last_success_at or state.last_full_at)


def _unreadable(
    connection: Connection, space: Any, wanted: Wanted, listed_at: datetime | None
) -> SyncFailure | None:
    """What the run that listed this workspace whole last, or one since, could not read.

    It is called by the name alone or with that of its workspace, whichever the vendor told.
    """
    rows = SyncFailure.objects.filter(
        Q(label__iexact=wanted.name) | Q(label__iendswith=f"/{wanted.name}"),
        run__connection_id=connection.id,
        stream=plan.REPOSITORIES,
        workspace_name=space.name[:300],
    )
    if listed_at is not None:
        rows = rows.filter(Q(run__finished_at=None) | Q(run__finished_at__gte=listed_at))
    found: SyncFailure | None = rows.order_by("-at").first()
    return found
