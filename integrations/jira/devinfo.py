"""Development information: a repository's commits, branches and pull requests as Jira takes them.

The limits of each text are those of the operation `POST …/bulk` (Jira Software's OpenAPI file).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from connections.contracts import (
    BranchRecord,
    ChangedFile,
    CommitRecord,
    PullRequestRecord,
    PullState,
    RelayEvent,
    RelayKind,
    RepositoryRecord,
    Verdict,
)
from integrations.jira.entity_ids import branch_id, entity_id, repository_id
from integrations.jira.issue_keys import MOST_KEYS, issue_keys, keys_of
from integrations.jira.wording import (
    LONGEST_MESSAGE,
    LONGEST_NAME,
    LONGEST_TITLE,
    Json,
    address,
    author,
    cut,
    moment,
    present,
    reviewer,
)

LISTS: Final = {
    RelayKind.COMMIT: "commits",
    RelayKind.BRANCH: "branches",
    RelayKind.PULL_REQUEST: "pullRequests",
}
DELETED_AS: Final = {
    RelayKind.COMMIT: "commit",
    RelayKind.BRANCH: "branch",
    RelayKind.PULL_REQUEST: "pull_request",
}
LONGEST_BRANCH: Final = 512
LONGEST_PATH: Final = 1024
MOST_FILES: Final = 10
SHORT_HASH: Final = 6
STATUSES: Final = {
    PullState.OPEN: "OPEN",
    PullState.MERGED: "MERGED",
    PullState.DECLINED: "DECLINED",
    PullState.SUPERSEDED: "DECLINED",
}
CHANGES: Final = frozenset({"ADDED", "COPIED", "DELETED", "MODIFIED", "MOVED"})


@dataclass(frozen=True, slots=True)
class Entities:
    """What one event brings: an entity of its own and, with an open pull request, its branch."""

    kind: RelayKind
    own: Json
    branch: Json | None = None


def entities(event: RelayEvent) -> Entities:
    """The entities of an event that has a record and at least one key."""
    match event.record:
        case CommitRecord() as record:
            return Entities(event.kind, _commit(event, record, keys_of(event), files=True))
        case BranchRecord() as record:
            return Entities(event.kind, _branch(event, record.name, record.target))
        case PullRequestRecord() as record:
            return Entities(event.kind, _pull_request(event, record), _source(event, record))
    raise TypeError(f"{event.kind} is no development information")


def entity_key(event: RelayEvent) -> str:
    """The id of the event's own entity."""
    return branch_id(event.key) if event.kind is RelayKind.BRANCH else entity_id(event.key)


def repository(record: RepositoryRecord, sequence: int) -> dict[str, Any]:
    """A repository without what is in it."""
    return present(
        id=repository_id(record),
        name=cut(record.full_name or record.name, LONGEST_NAME),
        url=address(record.url),
        updateSequenceId=sequence,
    )


def _commit(
    event: RelayEvent, record: CommitRecord, keys: Sequence[str], *, files: bool = False
) -> dict[str, Any]:
    changed = [each for each in event.files if each.path] if files else []
    return present(
        id=record.remote_id,
        hash=record.remote_id,
        displayId=record.remote_id[:SHORT_HASH],
        issueKeys=list(keys),
        message=cut(record.message, LONGEST_MESSAGE) or "n/a",
        author=author(event, record.author),
        authorTimestamp=moment(record.committed_at or event.at),
        fileCount=max(event.file_count, len(event.files)) if files else 0,
        files=[_file(event, each) for each in changed[:MOST_FILES]],
        flags=["MERGE_COMMIT"] if len(record.parents) > 1 else [],
        url=address(record.url, _at(event, "commit", hash=record.remote_id), event.repository.url),
        updateSequenceId=event.sequence,
    )


def _file(event: RelayEvent, file: ChangedFile) -> dict[str, Any]:
    change = file.change.upper()
    return {
        "path": cut(file.path, LONGEST_PATH),
        "changeType": change if change in CHANGES else "UNKNOWN",
        "linesAdded": max(file.added, 0),
        "linesRemoved": max(file.removed, 0),
        "url": address(file.url, event.repository.url),
    }


def _branch(event: RelayEvent, name: str, target: str, home: str = "") -> dict[str, Any]:
    """A branch; the commit it stands at hangs on the branch's issues, whatever its message says.

    `home` is the address of another repository that it is in; what is `beside` is of this one.
    """
    beside = () if home else issue_keys(*event.beside)
    keys = tuple(dict.fromkeys((*keys_of(event), *beside)))[:MOST_KEYS]
    head = event.head if event.head and event.head.remote_id == target else None
    last = head or CommitRecord(target or "unknown", committed_at=_stood_at(event))
    both = tuple(dict.fromkeys((*keys, *issue_keys(last.message))))[:MOST_KEYS]
    begins = _at(event, "new_pull_request", home, branch=name)
    return present(
        id=branch_id(event.key) if event.kind is RelayKind.BRANCH else entity_id(name),
        name=cut(name, LONGEST_BRANCH),
        issueKeys=list(keys),
        lastCommit=_commit(event, last, both),
        url=_page_of_branch(event, name, home),
        createPullRequestUrl=address(begins),
        updateSequenceId=event.sequence,
    )


def _stood_at(event: RelayEvent) -> datetime:
    match event.record:
        case BranchRecord(committed_at=at) | PullRequestRecord(updated_at=at):
            return at or event.at
    return event.at


def _source(event: RelayEvent, record: PullRequestRecord) -> Json | None:
    """The branch of a pull request, as long as it stands: one that is merged would come back.

    Whether a declined one's stands is known by its head; of a fork we never hear.
    """
    fork, home = is_fork(event, record), _source_home(event, record)
    if not home or not record.source_branch or record.state is PullState.MERGED:
        return None
    known = event.head is not None and not fork
    if (event.branch_gone and not fork) or not (known or record.state is PullState.OPEN):
        return None
    made = _branch(event, record.source_branch, _source_hash(event, record), home if fork else "")
    return made | {"id": source_id(event, record)}


def source_id(event: RelayEvent, record: PullRequestRecord) -> str:
    """The id of a pull request's branch. A fork's may be named like one of ours."""
    if is_fork(event, record):
        return entity_id(f"{record.source_repository}:{record.source_branch}")
    return branch_id(event.branch_key) if event.branch_key else entity_id(record.source_branch)


def fork_url(event: RelayEvent, record: PullRequestRecord) -> str:
    """The fork's address where it is like ours, or the product says how; empty where neither."""
    here, name = event.repository, event.repository.full_name
    if name and here.url.endswith(f"/{name}"):
        return here.url.removesuffix(name) + record.source_repository
    return event.links.sibling(here.url, record.source_repository)


def _source_home(event: RelayEvent, record: PullRequestRecord) -> str:
    """The address of the repository that it is from; empty where it may be a fork that is gone."""
    if is_fork(event, record):
        return fork_url(event, record)
    return event.repository.url if record.source_repository or event.head else ""


def _source_hash(event: RelayEvent, record: PullRequestRecord) -> str:
    """The whole hash where the head is known: pull requests may have a shortened one."""
    head = event.head.remote_id if event.head else ""
    return (
        head if record.source_hash and head.startswith(record.source_hash) else record.source_hash
    )


def is_fork(event: RelayEvent, record: PullRequestRecord) -> bool:
    """Whether the pull request comes from another repository."""
    source, here = record.source_repository, event.repository
    return bool(source) and source.lower() not in (here.full_name.lower(), here.remote_id.lower())


def _pull_request(event: RelayEvent, record: PullRequestRecord) -> dict[str, Any]:
    home = _source_home(event, record)
    return present(
        id=entity_id(event.key),
        displayId=f"#{record.number}",
        issueKeys=list(keys_of(event)),
        title=cut(record.title, LONGEST_TITLE) or "n/a",
        status=_status(record),
        author=author(event, record.author),
        commentCount=max(record.comments, 0),
        sourceBranch=cut(record.source_branch, LONGEST_NAME) or "n/a",
        sourceBranchUrl=_page_of_branch(event, record.source_branch, home) if home else "",
        destinationBranch=cut(record.destination_branch, LONGEST_NAME),
        destinationBranchUrl=_page_of_branch(event, record.destination_branch),
        lastUpdate=moment(record.updated_at or event.at),
        reviewers=[
            reviewer(event, each.person, approved=each.verdict is Verdict.APPROVED)
            for each in record.participants
            if each.reviewer or each.verdict is not Verdict.NONE
        ],
        url=address(
            record.url, _at(event, "pull_request", number=str(record.number)), event.repository.url
        ),
        updateSequenceId=event.sequence,
    )


def _status(record: PullRequestRecord) -> str:
    if record.draft and record.state is PullState.OPEN:
        return "DRAFT"  # not in the OpenAPI file; Atlassian's own app for GitHub sends it
    return STATUSES.get(record.state, "UNKNOWN")


def _page_of_branch(event: RelayEvent, name: str, home: str = "") -> str:
    return address(_at(event, "branch", home, branch=name), home, event.repository.url)


def _at(event: RelayEvent, kind: str, home: str = "", **parts: str) -> str:
    template = getattr(event.links, kind)
    return event.links.filled(template, home or event.repository.url, **parts)
