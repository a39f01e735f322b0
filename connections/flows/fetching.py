"""The present state of things that somebody told of: one request each, never what the teller said.

A thing that the vendor does not find is gone, but no repository is: a listing judges that, with the
guard that it has (`shrink.py`). Whole streams are left to a run.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
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
from connections.flows import (
    answered,
    budget,
    effects,
    keep,
    made_due,
    persons,
    plan,
    relay_capture,
    relay_range,
)
from connections.flows.answered import Answer, Fetched, Known
from connections.flows.asking import FEW, Asking
from connections.flows.chains import container_of
from connections.models import Connection, Repository, Workspace
from portal import clock, tenancy

UNKNOWN: Final = "unknown_stream"
PART_OF: Final = {"commit-pulls": plan.COMMITS}  # kept with each commit
NOTHING: Final = Page((), None)


def opened(
    connection_id: UUID, purpose: Purpose = Purpose.TOLD, *, chunk: int = FEW
) -> Asking | None:
    """The way to fetch on behalf of this connection; None when it is not live. Close it."""
    with tenancy.transaction():
        rows = Connection.objects.select_related("consumer").filter(id=connection_id)
        connection = rows.first()
        if connection is None or not connection.is_live:
            return None
        way = way_of(connection)
    return Asking(connection, way, budget.of(connection), purpose, chunk)


def fetch(
    asking: Asking, workspace: Workspace, repository: Repository | None, targets: Iterable[Target]
) -> list[Fetched]:
    """Each target as the vendor has it now is kept. Call it outside transactions.

    Raises RateLimited (BudgetSpent when nothing was asked), and what a vendor in trouble raises;
    targets before that one are kept already, and fetching them again does no harm.
    """
    with tenancy.transaction():
        streams = plan.chosen(asking.connection)
    with keep.growing() as grown:
        place = keep.Place(workspace, repository)
        found = of_container(asking, place, streams, targets, grown)
    if any(each.is_news for each in found):
        made_due.read_what_follows(asking.connection, streams)
    return found


def of_container(
    asking: Asking,
    place: keep.Place,
    streams: Mapping[str, Stream],
    targets: Iterable[Target],
    grown: keep.Grown,
) -> list[Fetched]:
    """The same with streams that are known; whoever calls it reads what follows news, and writes
    by how much lists `grown` are."""
    return _Visit(asking, place, streams, grown).fetch(targets)


@dataclass(slots=True)
class _Visit:
    """One container's things, kept together; `is_there` once the container was looked at."""

    asking: Asking
    place: keep.Place
    streams: Mapping[str, Stream]
    grown: keep.Grown
    is_there: bool | None = None

    def fetch(self, targets: Iterable[Target]) -> list[Fetched]:
        """What came of each. What was answered before there was trouble is kept all the same."""
        answers: list[Answer | Fetched] = []
        trouble: VendorError | None = None
        for target in targets:
            try:
                answers.append(self._answer(target))
            except VendorError as error:
                trouble = error
                break
        changed = self._keep(
            [one for one in answers if isinstance(one, Answer) and one.says_something]
        )
        if trouble is not None:
            raise trouble
        return [self._fetched(one, changed) for one in answers]

    def _answer(self, target: Target) -> Answer | Fetched:
        """What the vendor says, or what comes of a target that it was not or not well asked for."""
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
        answer = Answer(target, stream, page, began)
        if answer.says_something:
            if _says_nothing(page) and not self._is_repository_there():
                return Fetched(target, due=True, error=RemoteGone.code)
            self.is_there = True
        return answer

    def _fetched(self, one: Answer | Fetched, changed: Collection[Known]) -> Fetched:
        if isinstance(one, Fetched):
            return one
        if not one.says_something:
            return self._gone(one.stream, one.target)
        ids = tuple(each.remote_id for each in one.page.records if answered.known(each) in changed)
        error = "" if one.page.records else keep.UNREADABLE
        return Fetched(one.target, changed=ids, error=error)

    def _asked(self, target: Target) -> Page:
        """As the vendor has it; ValueError where a connector cannot ask for one thing."""
        connector = self.asking.way.connector
        if not isinstance(connector, Receives):
            raise ValueError("This connector fetches nothing.")
        fields = self.asking.connection.fields
        return connector.fetch(self.asking.api(), container_of(self.place), fields, target)

    def _keep(self, answers: Sequence[Answer]) -> set[Known]:
        """The records are rows, at once; those that changed. What changed calls for more."""
        changed: set[Known] = set()
        if not answers:
            return changed
        commits = self.streams.get(plan.COMMITS)
        said = [record for one in answers for record in one.page.records]
        brought = relay_range.read(self.asking, self.place, commits, said)
        began = min(one.began for one in answers)
        seen = keep.Seen(pass_id=uuid4(), at=clock.now(), began=began)
        news: dict[str, keep.Written] = {}
        with tenancy.transaction(), persons.gathered():
            for key, records in answered.lists(answers):
                written = keep.page(self.place, records, seen)
                changed |= {answered.known(each) for each in records if each.remote_id in written}
                news.setdefault(key, keep.Written()).add(written)
            effects.follow(self.place, news, self.streams)
            brought_new = keep.page(self.place, brought.commits, seen).new
            relay_range.note(self.place, brought)
            for one in answers:
                if one.page.rejected:
                    model = keep.SHELVES[one.stream.record].model
                    keep.rejected(model, self.place, one.page.rejected, seen)
        self._grew(plan.COMMITS, brought_new)
        for key, written in news.items():
            self._grew(key, written.new)
        return changed

    def _gone(self, stream: Stream, target: Target) -> Fetched:
        """The row is gone, unless it is its whole repository that is not found."""
        if stream.key != target.stream:
            return Fetched(target, gone=True)
        with tenancy.transaction():
            was_there = self._rows(stream, target).exists()
            if was_there and stream.key == plan.REPOSITORIES:
                made_due.list_anew(self.place.workspace)
                return Fetched(target, due=True)
        if not was_there:
            return Fetched(target, gone=True)
        before = self.place
        if self.place.repository is not None and not self._is_repository_there():
            return Fetched(target, due=True, error=RemoteGone.code)
        if self.place is not before:  # it has another name by now
            return self.fetch([target])[0]
        with tenancy.transaction():
            gone = self._rows(stream, target).update(gone_at=timezone.now())
            if gone and self.place.repository is not None:
                model = keep.SHELVES[stream.record].model
                relay_capture.note(self.place.repository, model, [target.key])
        self._grew(stream.key, -gone)
        return Fetched(target, changed=(target.key,) if gone else (), gone=True)

    def _grew(self, key: str, by: int) -> None:
        """Written apart, by whoever visits: a run that keeps pages may lock the same lists the
        other way than what follows does."""
        self.grown[keep.list_of(self.place, key)] += by

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
                made_due.list_anew(self.place.workspace)
        elif found.slug != repository.slug and plan.REPOSITORIES in self.streams:
            space = keep.Place(self.place.workspace)
            itself = _Visit(self.asking, space, self.streams, self.grown)
            itself._keep([Answer(target, self.streams[plan.REPOSITORIES], page, began)])
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


def _whole(place: keep.Place, target: Target) -> Fetched:
    """The stream of this container is due, and a run reads what changed of it."""
    made_due.stream(place, target.stream)
    return Fetched(target, due=True)
