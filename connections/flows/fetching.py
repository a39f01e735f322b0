"""The present state of things that somebody told of: one request each, never what the teller said.

A thing that the vendor does not find is gone, but no repository is: a listing judges that, with the
guard that it has (`shrink.py`). Whole streams are left to a run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

from django.utils import timezone

from connections.access import way_of
from connections.budgets import Purpose
from connections.contracts import (
    CommitPullsRecord,
    Page,
    PullsSaid,
    Receives,
    RepositoryRecord,
    Stream,
    Target,
)
from connections.errors import EndpointRemoved, ReauthorizationRequired, RemoteGone, VendorError
from connections.flows import budget, effects, keep, plan, relay_capture, relay_range, sync
from connections.flows.asking import Asking
from connections.flows.chains import container_of
from connections.models import Connection, Repository, StreamStand, StreamState, Workspace
from portal import clock, tenancy

UNKNOWN: Final = "unknown_stream"
PART_OF: Final = {"commit-pulls": plan.COMMITS}  # kept with each commit
SHORT: Final = 300  # repositories: so many are listed whenever one is not found
EACH: Final = timedelta(hours=1) / 10_000  # of more than those, until they are listed again
NOTHING: Final = Page((), None)


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came of one target: ids of the rows it changed, or the code of what went wrong.

    `due` when the whole stream was made due instead.
    """

    target: Target
    changed: tuple[str, ...] = ()
    gone: bool = False
    due: bool = False
    error: str = ""


def opened(connection_id: UUID, purpose: Purpose = Purpose.TOLD) -> Asking | None:
    """The way to fetch on behalf of this connection; None when it is not live. Close it."""
    with tenancy.transaction():
        rows = Connection.objects.select_related("consumer").filter(id=connection_id)
        connection = rows.first()
        if connection is None or not connection.is_live:
            return None
        way = way_of(connection)
    return Asking(connection, way, budget.of(connection), purpose)


def fetch(
    asking: Asking, workspace: Workspace, repository: Repository | None, targets: Iterable[Target]
) -> list[Fetched]:
    """Each target as the vendor has it now is kept. Call it outside transactions.

    Raises RateLimited (BudgetSpent when nothing was asked), and what a vendor in trouble raises;
    targets before that one are kept already, and fetching them again does no harm.
    """
    with tenancy.transaction():
        streams = plan.chosen(asking.connection)
    visit = _Visit(asking, keep.Place(workspace, repository), streams)
    found = [visit.fetch(target) for target in targets]
    if any(each.due or each.changed for each in found):
        read_what_follows(asking.connection, streams)
    return found


def read_what_follows(connection: Connection, streams: Mapping[str, Stream]) -> None:
    """What these changes call for is read by a run; a new repository has its streams."""
    with tenancy.transaction():
        plan.draw(connection, streams.values())
        if plan.due(connection, streams).exists():
            sync.go_on(connection)


@dataclass(slots=True)
class _Visit:
    """One container's things, one after the other; `is_there` once the container was looked at."""

    asking: Asking
    place: keep.Place
    streams: Mapping[str, Stream]
    is_there: bool | None = None

    def fetch(self, target: Target) -> Fetched:
        stream = self.streams.get(PART_OF.get(target.stream, target.stream))
        if stream is None:  # nobody chose it, or we do not keep it
            return Fetched(target, error=UNKNOWN)
        if not target.key:
            return _whole(self.place, target)
        began = clock.now()
        try:
            page = self._asked(target)
        except EndpointRemoved as error:  # which says nothing of what was asked for
            return Fetched(target, error=error.code)
        except RemoteGone:
            page = NOTHING
        except ValueError:  # it cannot be asked for alone
            return _whole(self.place, target)
        except VendorError as error:
            if is_passing(error):
                raise
            return Fetched(target, error=error.code)
        if not page.records and not page.rejected:
            return self._gone(stream, target)
        if _says_nothing(page) and not self._is_repository_there():
            return Fetched(target, due=True, error=RemoteGone.code)
        self.is_there = True
        return self._keep(stream, target, page, began)

    def _asked(self, target: Target) -> Page:
        """As the vendor has it; ValueError where a connector cannot ask for one thing."""
        connector = self.asking.way.connector
        if not isinstance(connector, Receives):
            raise ValueError("This connector fetches nothing.")
        fields = self.asking.connection.fields
        return connector.fetch(self.asking.api(), container_of(self.place), fields, target)

    def _keep(self, stream: Stream, target: Target, page: Page, began: datetime) -> Fetched:
        """The records are rows. What changed calls for more."""
        seen = keep.Seen(pass_id=uuid4(), at=clock.now(), began=began)
        commits = self.streams.get(plan.COMMITS)
        brought = relay_range.read(self.asking, self.place, commits, page.records)
        with tenancy.transaction():
            changed = keep.page(self.place, page.records, seen)
            more = keep.page(self.place, brought.commits, seen)
            relay_range.note(self.place, brought)
            if page.rejected:
                model = keep.SHELVES[stream.record].model
                keep.rejected(model, self.place, page.rejected, seen)
            effects.follow(self.place, stream.key, changed, self.streams)
        self._grew(stream, changed.new)
        if commits is not None:
            self._grew(commits, more.new)
        error = "" if page.records else keep.UNREADABLE
        return Fetched(target, changed=tuple(changed), error=error)

    def _gone(self, stream: Stream, target: Target) -> Fetched:
        """The row is gone, unless it is its whole repository that is not found."""
        if stream.key != target.stream:
            return Fetched(target, gone=True)
        with tenancy.transaction():
            was_there = self._rows(stream, target).exists()
            if was_there and stream.key == plan.REPOSITORIES:
                list_anew(self.place.workspace)
                return Fetched(target, due=True)
        if not was_there:
            return Fetched(target, gone=True)
        before = self.place
        if self.place.repository is not None and not self._is_repository_there():
            return Fetched(target, due=True, error=RemoteGone.code)
        if self.place is not before:  # it has another name by now
            return self.fetch(target)
        with tenancy.transaction():
            gone = self._rows(stream, target).update(gone_at=timezone.now())
            if gone and self.place.repository is not None:
                model = keep.SHELVES[stream.record].model
                relay_capture.note(self.place.repository, model, [target.key])
        self._grew(stream, -gone)
        return Fetched(target, changed=(target.key,) if gone else (), gone=True)

    def _grew(self, stream: Stream, by: int) -> None:
        """Apart from what follows: a run that keeps pages may lock the same lists the other way."""
        if by:
            with tenancy.transaction():
                keep.grew(self.place, stream.key, by)

    def _rows(self, stream: Stream, target: Target) -> Any:
        model = keep.SHELVES[stream.record].model
        return keep.present(model, self.place).filter(remote_id=target.key)

    def _is_repository_there(self) -> bool:
        """One request more, once: an account that lost a repository sees nothing of it either."""
        repository = self.place.repository
        if self.is_there is None and repository is not None:
            self.is_there = self._look(repository)
        return bool(self.is_there)

    def _look(self, repository: Repository) -> bool:
        """Whether it is found, by its new name as well. What is not is left to the listing."""
        target, began = Target(plan.REPOSITORIES, repository.remote_id), clock.now()
        try:
            page = self._asked(target)
        except (RemoteGone, ValueError):
            page = NOTHING
        except VendorError as error:
            if is_passing(error):
                raise
            page = NOTHING
        found = next((one for one in page.records if isinstance(one, RepositoryRecord)), None)
        if found is None:
            with tenancy.transaction():
                list_anew(self.place.workspace)
        elif found.slug != repository.slug and plan.REPOSITORIES in self.streams:
            itself = _Visit(self.asking, keep.Place(self.place.workspace), self.streams)
            itself._keep(self.streams[plan.REPOSITORIES], target, page, began)
            with tenancy.transaction():
                renamed = Repository.objects.get(id=repository.id)
            self.place = keep.Place(self.place.workspace, renamed)
        return found is not None


def is_passing(error: VendorError) -> bool:
    """Whether the same question may have an answer later: nothing is known of what was asked for.

    A refused credential is one of those: it is renewed, or a server that starts refuses all.
    """
    return error.retry or isinstance(error, ReauthorizationRequired)


def _says_nothing(page: Page) -> bool:
    """Whether the vendor keeps no such index, which it says of what it does not show as well."""
    return any(
        isinstance(one, CommitPullsRecord) and one.said is PullsSaid.ABSENT for one in page.records
    )


def list_anew(workspace: Workspace) -> None:
    """All its repositories are listed soon, unless removals wait for a person or it fails.

    A long listing is made due no oftener than the hour's requests allow.
    """
    rows = StreamState.objects.filter(workspace_id=workspace.id, stream=plan.REPOSITORIES)
    state = rows.select_for_update().first()
    if state is None or state.stand in (StreamStand.FAILING, StreamStand.HELD_BACK):
        return
    now = clock.now()
    soonest = max(now, (state.last_full_at or now) + max(0, state.held - SHORT) * EACH)
    is_due = state.due_at is not None and state.due_at <= now
    if not is_due or state.wanted != plan.ASKED:  # which is whole, and sooner
        state.wanted = plan.FULL
    state.due_at = now if is_due else min(soonest, state.due_at or soonest)
    state.save(update_fields=["wanted", "due_at"])


def _whole(place: keep.Place, target: Target) -> Fetched:
    """The stream of this container is due, and a run reads what changed of it."""
    with tenancy.transaction():
        rows = StreamState.objects.filter(
            workspace_id=place.workspace.id,
            repository_id=place.repository.id if place.repository else None,
            stream=target.stream,
        )
        plan.want(rows, plan.TOLD)
    return Fetched(target, due=True)
