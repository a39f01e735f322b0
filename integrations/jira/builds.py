"""Builds as Jira takes them: a pipeline's run, or what some build system says of a commit."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from connections.contracts import BuildRecord, BuildState, PipelineRecord, RelayEvent
from integrations.jira.entity_ids import composed, repository_id
from integrations.jira.issue_keys import keys_of
from integrations.jira.wording import LONGEST_NAME, address, cut, moment, present

STATES: Final = {
    BuildState.WAITING: "pending",
    BuildState.RUNNING: "in_progress",
    BuildState.SUCCESSFUL: "successful",
    BuildState.FAILED: "failed",
    BuildState.STOPPED: "cancelled",
    BuildState.UNKNOWN: "unknown",
}
HASH_BITS: Final = 20  # of a number, below its moment in seconds: 2^53 is never reached


@dataclass(frozen=True, slots=True)
class BuildKey:
    """What tells a build from all others of ours."""

    pipeline: str
    number: int


def build_key(event: RelayEvent) -> BuildKey | None:
    """The key of an event's build; None when it is gone."""
    home = repository_id(event.repository)
    match event.record:
        case PipelineRecord(number=number):
            return BuildKey(composed(home, "pipelines"), number)
        case BuildRecord(key=key) as record:
            return BuildKey(composed(home, key), event.number or ordinal(event, record))
    return None


def ordinal(event: RelayEvent, record: BuildRecord) -> int:
    """A number of a build that has none: it grows with time, and never changes.

    Jira takes the highest of a pipeline for the newest. Builds have no number of their own where
    they are told as the state of a commit.
    """
    dated = [each.committed_at for each in event.commits if each.remote_id == record.commit]
    at = record.created_at or next(iter(dated), None)
    return number_at(at, record.remote_id)


def number_at(at: datetime | None, text: str) -> int:
    """A number that grows with the moment; two things of one second differ by their text."""
    digest = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
    if at is None:
        return digest >> 12
    return (int(at.timestamp()) << HASH_BITS) | (digest & ((1 << HASH_BITS) - 1))


def build(event: RelayEvent) -> dict[str, Any]:
    """The build of an event that has a record and at least one key."""
    record, key = event.record, build_key(event)
    if not isinstance(record, BuildRecord | PipelineRecord) or key is None:
        raise TypeError("This is no build.")
    return present(
        schemaVersion="1.0",
        pipelineId=key.pipeline,
        buildNumber=key.number,
        updateSequenceNumber=event.sequence,
        displayName=cut(_name(event, record), LONGEST_NAME),
        url=address(record.url, event.repository.url),
        state=STATES[record.state],
        lastUpdated=moment(_changed_at(record) or event.at),
        issueKeys=list(keys_of(event)),
        references=_references(event, record),
    )


def _name(event: RelayEvent, record: BuildRecord | PipelineRecord) -> str:
    if isinstance(record, BuildRecord):
        return record.name or record.key
    return f"{event.repository.name or event.repository.full_name} #{record.number}"


def _changed_at(record: BuildRecord | PipelineRecord) -> datetime | None:
    if isinstance(record, BuildRecord):
        return record.updated_at or record.created_at
    return record.completed_at or record.created_at


def _references(event: RelayEvent, record: BuildRecord | PipelineRecord) -> list[dict[str, Any]]:
    """The commit and the ref that were built; each only where its address can be told."""
    url = address(event.repository.url)
    page = address(event.links.filled(event.links.branch, url, branch=record.refname))
    told = present(
        commit={"id": record.commit, "repositoryUri": url} if record.commit and url else None,
        ref={"name": cut(record.refname, LONGEST_NAME), "uri": page or url}
        if record.refname and url
        else None,
    )
    return [told] if told else []
