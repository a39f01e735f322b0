"""Who reviewed a pull request outlives their account, in both products."""

from __future__ import annotations

from typing import Any

import pytest

from connections.contracts import PullRequestRecord, Verdict
from integrations.bitbucket_cloud import code_reading as cloud
from integrations.bitbucket_data_center import code_reading as data_center

PULL: dict[str, Any] = {"id": 1, "title": "x", "state": "MERGED"}
APPROVED = {"role": "REVIEWER", "approved": True}
LOOKED = {"role": "PARTICIPANT", "approved": False}


def of_cloud(*people: dict[str, Any]) -> PullRequestRecord:
    return cloud.pull_request({**PULL, "participants": list(people)})


def of_data_center(*people: dict[str, Any]) -> PullRequestRecord:
    reviewers = [one for one in people if one["role"] == "REVIEWER"]
    return data_center.pull_request({**PULL, "reviewers": reviewers, "participants": list(people)})


@pytest.mark.parametrize(
    ("read", "named"), [(of_cloud, "display_name"), (of_data_center, "displayName")]
)
def test_an_approval_outlives_the_account_that_gave_it(read: Any, named: str) -> None:
    people = [{"user": None, **APPROVED}, {"user": {named: "Nora"}, **APPROVED}]
    found = read(*people, {"user": None, **LOOKED}).participants

    assert [one.person.name for one in found] == ["A deleted account", "Nora"]
    assert {(one.person.remote_id, one.reviewer, one.verdict) for one in found} == {
        ("", True, Verdict.APPROVED)
    }
