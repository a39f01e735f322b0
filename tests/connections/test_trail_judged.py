"""What a trail sums up, and when a branch counts as rewritten: nothing that the rows do not say."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from connections.flows import rewriting
from connections.models import (
    Branch,
    Build,
    Commit,
    Deployment,
    Pipeline,
    PullRequest,
    Repository,
)
from connections.queries import trail as trails
from connections.queries.trail_search import COMMIT, PULL, Subject
from portal import clock, roles
from tests.connections.test_trail_search import keep, planted
from tests.works import Works

OWN, MERGE = "a" * 40, "b" * 40
ALICE = {"id": "1", "name": "Alice", "reviewer": True, "verdict": "approved", "at": None}


def summed_up(works: Works, repository: Repository, kind: str = COMMIT, key: str = OWN) -> str:
    with works.inside():
        return " ".join(trails.trail(Subject(kind, repository, key), []).summary)


def test_each_pull_request_is_named_with_those_who_approved_it(works: Works) -> None:
    repository = planted(works)
    keep(works, repository, Commit, remote_id=OWN, pulls=[12, 13])
    for number, people in ((12, [ALICE]), (13, [])):
        keep(
            works, repository, PullRequest, remote_id=str(number), number=number, title="x",
            state="merged", participants=people, merge_hash=MERGE if number == 12 else "",
        )  # fmt: skip
    assert summed_up(works, repository).startswith(
        "Approved by Alice in #12. Nobody approved #13, as far as is known now."
    )


def test_a_run_counts_once_and_a_merge_apart(works: Works) -> None:
    repository = planted(works)
    pull: dict[str, Any] = {"number": 12, "title": "x", "state": "merged", "merge_hash": MERGE[:12]}
    keep(works, repository, Commit, remote_id=OWN, pulls=[12])
    keep(works, repository, Commit, remote_id=MERGE)
    keep(works, repository, PullRequest, remote_id="12", source_hash=OWN[:12], **pull)
    for commit, number, state in ((OWN, 1, "successful"), (MERGE, 2, "failed")):
        run = {"commit": commit, "state": state}
        url = f"https://bitbucket.org/acme/web/pipelines/results/{number}"
        keep(works, repository, Pipeline, remote_id=f"p{number}", number=number, **run)
        keep(works, repository, Build, remote_id=f"{commit}:p", key="p", name="p", url=url, **run)
    keep(works, repository, Pipeline, remote_id="p3", number=3, commit=OWN, state="failed")
    for commit, environment in ((OWN, "Test"), (MERGE, "Production")):
        keep(
            works, repository, Deployment, remote_id=environment, environment=environment,
            state="successful", commit=commit,
        )  # fmt: skip

    said = summed_up(works, repository)
    assert "1 of 2 builds successful; 1 build of the merge of #12 failed." in said
    assert said.endswith("Deployed to Test. The merge of #12 was deployed to Production.")
    said = summed_up(works, repository, PULL, "12")
    assert "1 of 2 builds of the head of #12 successful; 1 build of the merge" in said


@pytest.mark.parametrize(
    ("held", "known", "is_rewritten"),
    [
        # The branch stood at m and stands at c now: c, b, a, m were pushed, or d beside them.
        ({"c": ["b"], "b": ["a"], "a": ["m"]}, False, False),
        ({"c": ["b"]}, True, False),  # b and a are not held: nobody can tell
        ({"c": ["r"], "r": []}, False, True),
        ({"c": ["o"], "o": ["p"]}, False, True),  # m is newer than what is missing
    ],
)
def test_a_branch_was_rewritten_only_where_nothing_is_missing_in_between(
    works: Works, held: dict[str, list[str]], known: bool, is_rewritten: bool
) -> None:
    repository, now = planted(works), clock.now()
    ages = {"m": 30, "r": 40, "o": 40}
    for name, parents in ({"m": ["r"]} | held).items():
        keep(
            works, repository, Commit, remote_id=name * 40, parents=[p * 40 for p in parents],
            committed_at=now - timedelta(days=ages.get(name, 1)),
        )  # fmt: skip
    keep(
        works, repository, Branch, remote_id="branch:x", kind="branch", name="x",
        target="c" * 40, former_target="m" * 40,
    )  # fmt: skip
    with roles.using_role("worker"), works.inside():
        rewriting.judge(repository)
        branch = Branch.objects.get()
    assert (branch.rewritten_at is not None) is is_rewritten
    assert bool(branch.former_target) is (is_rewritten or known)
