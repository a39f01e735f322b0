"""The development panel of an issue, as Jira will show it once these events have arrived."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from connections.contracts import (
    BranchRecord,
    BuildRecord,
    BuildState,
    CommitRecord,
    DeploymentRecord,
    PanelRow,
    PanelSection,
    PipelineRecord,
    PullRequestRecord,
    PullState,
    RelayEvent,
    RelayKind,
    SubjectPanel,
    Verdict,
    WorkspaceRecord,
)
from integrations.jira.deployments import environment_type
from integrations.jira.issue_keys import keys_of
from integrations.jira.parcels import latest

ORDER: Final = (
    RelayKind.BRANCH,
    RelayKind.COMMIT,
    RelayKind.PULL_REQUEST,
    RelayKind.BUILD,
    RelayKind.DEPLOYMENT,
)
NOUNS: Final = {
    RelayKind.BRANCH: ("branch", "branches"),
    RelayKind.COMMIT: ("commit", "commits"),
    RelayKind.PULL_REQUEST: ("pull request", "pull requests"),
    RelayKind.BUILD: ("build", "builds"),
    RelayKind.DEPLOYMENT: ("deployment", "deployments"),
}
RUNS: Final[Mapping[BuildState, tuple[str, str]]] = {
    BuildState.WAITING: ("PENDING", "plain"),
    BuildState.RUNNING: ("IN PROGRESS", "plain"),
    BuildState.SUCCESSFUL: ("SUCCESSFUL", "good"),
    BuildState.FAILED: ("FAILED", "danger"),
    BuildState.STOPPED: ("CANCELLED", "warning"),
    BuildState.UNKNOWN: ("UNKNOWN", "plain"),
}
PULLS: Final[Mapping[PullState, tuple[str, str]]] = {
    PullState.OPEN: ("OPEN", "plain"),
    PullState.MERGED: ("MERGED", "good"),
    PullState.DECLINED: ("DECLINED", "danger"),
    PullState.SUPERSEDED: ("DECLINED", "danger"),
}
LONG_AGO: Final = datetime(1, 1, 1, tzinfo=UTC)


def preview(
    events: Sequence[RelayEvent], *, destination: WorkspaceRecord
) -> tuple[SubjectPanel, ...]:
    """A panel for each issue that is named, the one that something happened at last first."""
    by_key: dict[str, list[RelayEvent]] = {}
    for event in latest(events):
        for key in keys_of(event):
            by_key.setdefault(key, []).append(event)
    newest = {key: max(each.at for each in found) for key, found in by_key.items()}
    return tuple(
        _panel(key, by_key[key], destination)
        for key in sorted(by_key, key=lambda key: newest[key], reverse=True)
    )


def _panel(key: str, events: Sequence[RelayEvent], destination: WorkspaceRecord) -> SubjectPanel:
    sections = (_section(kind, [each for each in events if each.kind is kind]) for kind in ORDER)
    links, home = events[0].links, events[0].repository.url
    return SubjectPanel(
        subject=key,
        url=f"{destination.url.rstrip('/')}/browse/{key}" if destination.url else "",
        sections=tuple(section for section in sections if section is not None),
        new_branch=links.filled(links.new_branch, home, issue=key, summary=""),
    )


def _section(kind: RelayKind, events: Sequence[RelayEvent]) -> PanelSection | None:
    rows = tuple(sorted(map(_row, events), key=lambda row: row.at or LONG_AGO, reverse=True))
    if not rows:
        return None
    one, many = NOUNS[kind]
    summary = f"{len(rows)} {one if len(rows) == 1 else many}"
    if kind is RelayKind.DEPLOYMENT:
        reached = [event.record for event in events if isinstance(event.record, DeploymentRecord)]
        summary = f"Deployed to {', '.join(_environments(reached))}" if _done(reached) else summary
    return PanelSection(kind, summary, rows, note=_note(kind, rows), at=rows[0].at)


def _done(records: Sequence[DeploymentRecord]) -> list[DeploymentRecord]:
    return [each for each in records if each.state is BuildState.SUCCESSFUL]


def _environments(records: Sequence[DeploymentRecord]) -> list[str]:
    """The names, production first, as Jira orders them."""
    rank = ("production", "staging", "testing", "development", "unmapped")
    named = sorted(_done(records), key=lambda each: rank.index(environment_type(each)))
    return list(dict.fromkeys(each.environment for each in named))


def _note(kind: RelayKind, rows: Sequence[PanelRow]) -> str:
    """Beside pull requests the state that still asks for something, beside builds what failed."""
    states = [row.state for row in rows]
    if kind is RelayKind.PULL_REQUEST:
        return next((one for one in ("OPEN", "DRAFT", "MERGED", "DECLINED") if one in states), "")
    if kind is RelayKind.BUILD:
        failed = states.count("FAILED")
        return f"{failed} failed" if failed else ""
    return ""


def _row(event: RelayEvent) -> PanelRow:
    match event.record:
        case CommitRecord() as record:
            return _commit(event, record)
        case BranchRecord() as record:
            return PanelRow(
                event.kind,
                record.name,
                record.name,
                url=event.links.filled(
                    event.links.branch, event.repository.url, branch=record.name
                ),
                at=record.committed_at or event.at,
                repository=event.repository.full_name,
                detail=record.target[:7],
            )
        case PullRequestRecord() as record:
            return _pull(event, record)
        case BuildRecord(name=name, key=key) as record:
            return _run(event, record, name or key)
        case PipelineRecord(number=number) as record:
            return _run(event, record, f"{event.repository.name} #{number}")
        case DeploymentRecord(environment=environment) as record:
            return _run(event, record, environment)
    raise TypeError("There is nothing to show.")


def _commit(event: RelayEvent, record: CommitRecord) -> PanelRow:
    lines = record.message.strip().splitlines()
    return PanelRow(
        event.kind,
        record.remote_id[:7],
        lines[0] if lines else "",
        url=record.url,
        who=event.carried(record.author).person.name,
        at=record.committed_at or event.at,
        repository=event.repository.full_name,
        detail="Merge" if len(record.parents) > 1 else "",
    )


def _pull(event: RelayEvent, record: PullRequestRecord) -> PanelRow:
    state, tone = PULLS[record.state]
    draft = record.draft and record.state is PullState.OPEN
    approvals = [each for each in record.participants if each.verdict is Verdict.APPROVED]
    reviewers = [each for each in record.participants if each.reviewer]
    approved = f"{len(approvals)} of {max(len(reviewers), len(approvals))} approved"
    return PanelRow(
        event.kind,
        f"#{record.number}",
        record.title,
        url=record.url,
        state="DRAFT" if draft else state,
        tone=tone,
        who=event.carried(record.author).person.name,
        at=record.updated_at or event.at,
        repository=event.repository.full_name,
        detail=approved if reviewers or approvals else "No reviewers",
    )


def _run(
    event: RelayEvent, record: BuildRecord | PipelineRecord | DeploymentRecord, name: str
) -> PanelRow:
    state, tone = RUNS[record.state]
    by, detail = "", ""
    if isinstance(record, DeploymentRecord):
        by, detail = record.by.name, environment_type(record)
    else:
        detail = record.refname
    return PanelRow(
        event.kind,
        name,
        name,
        url=record.url,
        state=state,
        tone=tone,
        who=by,
        at=event.at,
        repository=event.repository.full_name,
        detail=detail,
    )
