"""Events as the core makes them, for tests of what is sent to Jira."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from connections.contracts import (
    BranchRecord,
    BuildRecord,
    BuildState,
    CodeLinks,
    CommitRecord,
    DeploymentRecord,
    Person,
    PipelineRecord,
    PullRequestRecord,
    PullState,
    RelayEvent,
    RelayKind,
    RepositoryRecord,
)

NOW = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
MARK = "0b8f4a52-7f0e-4b8d-9a3c-0f6b7e21ac01"
LINKS = CodeLinks(
    branch="{repository}/branch/{branch}",
    commit="{repository}/commits/{hash}",
    pull_request="{repository}/pull-requests/{number}",
    new_pull_request="{repository}/pull-requests/new?source={branch}",
    new_branch="{root}/branch/create?issueKey={issue}&issueSummary={summary}",
)
HOME = RepositoryRecord(
    remote_id="{6f1c2a52-8f0e-4b8d-9a3c-0f6b7e21ac09}",
    slug="ledger",
    name="ledger",
    full_name="acme/ledger",
    url="https://bitbucket.org/acme/ledger",
)
DANA = Person("557058:dana", "Dana Miller", "dana@acme.example", "https://bitbucket.org/dana")
TOMAS = Person("557058:tomas", "Tomáš Dvořák", "tomas@acme.example")
NORA = Person("557058:nora", "Nora", "")


def sha(number: int) -> str:
    return f"{number:040x}"


def event(kind: RelayKind, key: str, record: object, **more: Any) -> RelayEvent:
    told: dict[str, Any] = {"sequence": 7, "at": NOW, "repository": HOME, "links": LINKS, **more}
    return RelayEvent(kind=kind, key=key, record=record, **told)  # type: ignore[arg-type]


def commit(number: int = 1, message: str = "PAY-1 Count twice", **more: Any) -> RelayEvent:
    record = CommitRecord(
        remote_id=sha(number),
        parents=(sha(number + 1000),),
        message=message,
        author=DANA,
        committed_at=NOW - timedelta(minutes=number % 1000),
        url=f"https://bitbucket.org/acme/ledger/commits/{sha(number)}",
    )
    fields = {name: more.pop(name) for name in ("author", "parents", "url") if name in more}
    return event(RelayKind.COMMIT, sha(number), replace(record, **fields), **more)


def branch(name: str = "PAY-1-count", target: int = 1, **more: Any) -> RelayEvent:
    record = BranchRecord(f"branch:{name}", "branch", name, sha(target), NOW)
    return event(RelayKind.BRANCH, f"branch:{name}", record, **more)


def pull(number: int = 7, title: str = "PAY-1 Count twice", **more: Any) -> RelayEvent:
    names = set(PullRequestRecord.__dataclass_fields__)
    fields = {name: more.pop(name) for name in list(more) if name in names}
    defaults: dict[str, Any] = {
        "state": PullState.OPEN,
        "author": DANA,
        "source_branch": "PAY-1-count",
        "source_hash": sha(1),
        "source_repository": "acme/ledger",
        "destination_branch": "main",
        "updated_at": NOW,
        "url": f"https://bitbucket.org/acme/ledger/pull-requests/{number}",
    }
    record = PullRequestRecord(
        remote_id=str(number), number=number, title=title, **{**defaults, **fields}
    )
    return event(RelayKind.PULL_REQUEST, str(number), record, **more)


def build(key: str = "unit", state: BuildState = BuildState.SUCCESSFUL, **more: Any) -> RelayEvent:
    of = more.pop("of", 1)
    record = BuildRecord(
        remote_id=f"{sha(of)}:{key}",
        commit=sha(of),
        key=key,
        name=more.pop("name", f"Build {key}"),
        state=state,
        url=more.pop("url", "https://ci.acme.example/unit/7"),
        refname=more.pop("refname", "PAY-1-count"),
        created_at=more.pop("created_at", NOW),
        updated_at=NOW,
    )
    return event(RelayKind.BUILD, record.remote_id, record, **more)


def pipeline(number: int = 84, state: BuildState = BuildState.RUNNING, **more: Any) -> RelayEvent:
    record = PipelineRecord(
        remote_id=f"{{pipeline-{number}}}",
        number=number,
        state=state,
        commit=sha(1),
        refname=more.pop("refname", "PAY-1-count"),
        created_at=NOW,
        url=f"https://bitbucket.org/acme/ledger/pipelines/{number}",
    )
    return event(RelayKind.BUILD, record.remote_id, record, **more)


def deployment(environment: str = "Production", **more: Any) -> RelayEvent:
    record = DeploymentRecord(
        remote_id=more.pop("remote_id", f"{{deployment-{environment}}}"),
        environment=environment,
        state=more.pop("state", BuildState.SUCCESSFUL),
        environment_kind=more.pop("environment_kind", ""),
        commit=sha(1),
        started_at=NOW,
        completed_at=NOW,
        url=more.pop("url", "https://bitbucket.org/acme/ledger/deployments/1"),
    )
    commits = more.pop("commits", (commit(1).record,))
    return event(RelayKind.DEPLOYMENT, record.remote_id, record, commits=commits, **more)


def gone(event: RelayEvent, *former: str) -> RelayEvent:
    """The same thing after it was removed at the source."""
    return replace(event, record=None, former=former, sequence=event.sequence + 1)
