"""Issue keys in texts, as Atlassian's own app for GitHub finds them."""

from __future__ import annotations

import re
from typing import Final

from connections.contracts import (
    BranchRecord,
    BuildRecord,
    CommitRecord,
    DeploymentRecord,
    PipelineRecord,
    PullRequestRecord,
    RelayEvent,
)

MOST_KEYS: Final = 500
MOST_KEYS_OF_A_BUILD: Final = 100
PATTERN: Final = r"(?:^|[^A-Z0-9])([A-Z][A-Z0-9]{1,255}-[1-9][0-9]{0,255})(?![A-Z0-9])"

_KEY = re.compile(PATTERN, re.IGNORECASE | re.ASCII)


def issue_keys(*texts: str, most: int = MOST_KEYS) -> tuple[str, ...]:
    """The keys that the texts name, in upper case, each once, in their order."""
    found = (match[1].upper() for text in texts for match in _KEY.finditer(text))
    return tuple(dict.fromkeys(found))[:most]


def keys_of(event: RelayEvent) -> tuple[str, ...]:
    """The issues that an event hangs on; none of a tag, or of what is gone."""
    match event.record:
        case CommitRecord(message=message):
            return issue_keys(message, *event.mentions)
        case BranchRecord(kind="branch", name=name):
            return issue_keys(name, *event.mentions)
        case PullRequestRecord(title=title, source_branch=source):
            return issue_keys(title, source, *event.mentions)
        case BuildRecord(refname=refname) | PipelineRecord(refname=refname):
            texts = (refname, *_messages(event), *event.mentions)
            return issue_keys(*texts, most=MOST_KEYS_OF_A_BUILD)
        case DeploymentRecord():
            return issue_keys(*_messages(event), *event.mentions)
    return ()


def _messages(event: RelayEvent) -> tuple[str, ...]:
    return tuple(commit.message for commit in event.commits)
