"""What a link would send of the last events: packed as it would travel, and sent nowhere.

Nothing is written and nobody is asked, so it may be looked at as often as one likes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db.models import F, QuerySet
from django.db.models.functions import Coalesce

from connections import registry
from connections.code_records import Person
from connections.contracts import (
    BranchRecord,
    BuildRecord,
    CommitRecord,
    DeploymentRecord,
    Packing,
    PipelineRecord,
    PullRequestRecord,
    RelayEvent,
    RelayKind,
    Relays,
    SubjectPanel,
)
from connections.flows import relay_kinds, relay_records
from connections.flows.chains import workspace_record
from connections.flows.relay_links import rules_of
from connections.models import (
    Branch,
    Build,
    Commit,
    Deployment,
    Link,
    Pipeline,
    PullRequest,
    Repository,
)
from portal.policy import Actor

LAST: Final = 20
DATES: Final[tuple[tuple[type[Any], RelayKind, tuple[str, ...]], ...]] = (
    (Commit, RelayKind.COMMIT, ("committed_at",)),
    (Branch, RelayKind.BRANCH, ("committed_at",)),
    (PullRequest, RelayKind.PULL_REQUEST, ("remote_updated_at", "remote_created_at")),
    (Build, RelayKind.BUILD, ("remote_updated_at", "remote_created_at")),
    (Pipeline, RelayKind.BUILD, ("completed_at", "remote_created_at")),
    (Deployment, RelayKind.DEPLOYMENT, ("remote_updated_at", "completed_at", "started_at")),
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A row that would become an item of the outbox."""

    repository_id: UUID
    kind: str
    key: str
    changed_at: datetime
    sequence: int = 1
    subjects: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DryLine:
    """One event; without `subjects` it stays here, for the reason that `outcome` says."""

    kind: RelayKind
    title: str
    repository: str
    at: datetime
    person: str
    subjects: tuple[str, ...]
    outcome: str

    @property
    def goes(self) -> bool:
        return bool(self.subjects)

    @property
    def what(self) -> str:
        """The kind as people call it: "pull request"."""
        return self.kind.replace("_", " ")


@dataclass(frozen=True, slots=True)
class DryRun:
    """The last events, in how many requests they would travel, and what people would see."""

    lines: tuple[DryLine, ...]
    requests: tuple[str, ...]
    panels: tuple[SubjectPanel, ...]
    panel: SubjectPanel | None

    @property
    def going(self) -> int:
        return sum(line.goes for line in self.lines)

    @property
    def idle(self) -> int:
        return len(self.lines) - self.going


def look(*, actor: Actor, link: Link, subject: str = "", most: int = LAST) -> DryRun:
    """The last events of the repositories that take part; `subject` is looked at, or the first."""
    relay_kinds.editor(actor, link)
    rules = rules_of(link.target)
    connector = registry.get(link.target.connector)
    assert isinstance(connector, Relays)
    every = relay_records.events(link, list(_latest(link, most)))
    # What another event says too, such as the build of a pipeline, is not told apart from it.
    found = [event for event in every if event.record is not None]
    kinds, on = relay_kinds.travelling(link), relay_kinds.options_of(link)
    going = [event for event in found if event.kind in kinds]
    packing = connector.pack(going, way=link.way, mark=str(link.id), options=on)
    told = [event for parcel in packing.parcels for event in parcel.events]
    panels = connector.preview(told, destination=workspace_record(link.destination))
    return DryRun(
        lines=tuple(_line(event, connector, kinds, rules.subject) for event in found),
        requests=tuple(_names(packing)),
        panels=panels,
        panel=next((each for each in panels if each.subject == subject), None)
        or (panels[0] if panels else None),
    )


def _names(packing: Packing) -> Iterator[str]:
    return (parcel.name for parcel in packing.parcels)


def _latest(link: Link, most: int) -> Sequence[Candidate]:
    """The newest rows of every kind, in the repositories that changed last."""
    here = Repository.objects.filter(links__link_id=link.id, links__enabled=True, gone_at=None)
    newest = here.order_by(F("remote_updated_at").desc(nulls_last=True), "id")
    ids = list(newest.values_list("id", flat=True)[:most])
    found = [each for model, kind, dates in DATES for each in _of(model, kind, dates, ids, most)]
    return sorted(found, key=lambda one: one.changed_at, reverse=True)[:most]


def _of(
    model: type[Any], kind: RelayKind, dates: tuple[str, ...], ids: Sequence[UUID], most: int
) -> Iterator[Candidate]:
    rows: QuerySet[Any] = model.objects.filter(repository_id__in=ids, gone_at=None)
    if model is Branch:
        rows = rows.filter(kind="branch")
    moment = Coalesce(*dates) if len(dates) > 1 else F(dates[0])
    rows = rows.annotate(moment=moment).exclude(moment=None).order_by("-moment", "id")
    for row in rows.values_list("repository_id", "remote_id", "moment")[:most]:
        yield Candidate(row[0], kind, row[1], row[2])


def _line(
    event: RelayEvent, connector: Relays, kinds: Collection[RelayKind], subject: str
) -> DryLine:
    subjects = connector.subjects(event) if event.kind in kinds else ()
    title, person = _words(event)
    return DryLine(
        kind=event.kind,
        title=title,
        repository=event.repository.full_name,
        at=event.at,
        person=person.name,
        subjects=subjects,
        outcome="" if subjects else f"no {subject}" if event.kind in kinds else "switched off",
    )


def _words(event: RelayEvent) -> tuple[str, Person]:
    """What a person calls it, and who did it."""
    nobody = Person()
    match event.record:
        case CommitRecord() as commit:
            return commit.message.partition("\n")[0] or commit.remote_id[:12], commit.author
        case BranchRecord() as branch:
            return branch.name, event.head.author if event.head else nobody
        case PullRequestRecord() as pull:
            return f"#{pull.number} {pull.title}", pull.author
        case PipelineRecord() as pipeline:
            return f"Pipeline {pipeline.number}: {pipeline.state}", pipeline.creator
        case BuildRecord() as build:
            return f"{build.name or build.key}: {build.state}", nobody
        case DeploymentRecord() as deployment:
            return f"{deployment.environment}: {deployment.state}", deployment.by
    return event.key, nobody
