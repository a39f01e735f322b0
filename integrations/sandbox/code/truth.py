"""Everything that is so, for a test to compare with: no pages, no permissions, no budget."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from integrations.sandbox.code.contents import Contents

Json = dict[str, Any]


def of_contents(contents: Contents) -> Json:
    """Commits are those that some ref still reaches; `statuses` are of every commit."""
    return {
        "branches": contents.branches,
        "tags": [asdict(tag) for tag in contents.tags.values()],
        "commits": [asdict(one) for one in contents.log(contents.heads())],
        "pull_requests": [asdict(one) for one in contents.pull_requests.values()],
        "statuses": [asdict(one) for keyed in contents.statuses.values() for one in keyed.values()],
        "pipelines": [asdict(one) for one in contents.pipelines],
        "environments": [asdict(one) for one in contents.environments],
        "deployments": [asdict(one) for one in contents.deployments],
    }
