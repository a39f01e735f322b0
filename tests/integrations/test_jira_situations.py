"""Situations beyond the recorded ones, as Jira and Atlassian's app for GitHub have them.

States, zones, odd names, words like keys, rollbacks, and answers in every mixture.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from connections.contracts import (
    Answer,
    BuildState,
    CommitRecord,
    Outcomes,
    Participation,
    Person,
    PullState,
    RelayEvent,
    Verdict,
)
from integrations.bitbucket_data_center.manifest import CODE_LINKS
from integrations.jira import relay, relay_answers
from integrations.jira.entity_ids import repository_id
from integrations.jira.issue_keys import issue_keys
from tests.integrations.jira_documents import needs_documents, wrong
from tests.integrations.jira_events import (
    DANA,
    HOME,
    MARK,
    NOW,
    branch,
    build,
    commit,
    deployment,
    pipeline,
    pull,
    sha,
)

PRAGUE = timezone(timedelta(hours=2))
HERE = repository_id(HOME)


def body_of(*events: RelayEvent) -> Any:
    (parcel,) = relay.pack(events, way=relay.DEVELOPMENT, mark=MARK).parcels
    return parcel.body


def only(event: RelayEvent, kind: str) -> Any:
    (repository,) = body_of(event)["repositories"]
    (found,) = repository[kind]
    return found


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("Read UTF-8 and ISO-8601", "UTF-8 ISO-8601"),  # Jira says that it has no such issue
        ("CVE-2024-1234", "CVE-2024"),
        ("RFC-0042", ""),
        ("sha-256", "SHA-256"),
        ("x86-64", "X86-64"),
        ("PAY-1PAY-2", ""),
        ("PAY-1_PAY-2", "PAY-1 PAY-2"),
        ("PAY-1-PAY-2-3", "PAY-1 PAY-2"),
        ("PAY–1", ""),  # a dash that is none
        ("ＰＡＹ-1", ""),
        ("pay-1's", "PAY-1"),
        ("🚀PAY-1🚀", "PAY-1"),
        ("#PAY-1,PAY-2;PAY-3", "PAY-1 PAY-2 PAY-3"),
        ("PAY-1\nPAY-2\r\nPAY-3", "PAY-1 PAY-2 PAY-3"),
        ("refs/heads/feature/pay-1", "PAY-1"),
        ("Merged in feature/PAY-1 (pull request #7)", "PAY-1"),
        ('Revert "PAY-1 Count"', "PAY-1"),
        ("PAY-99999999999999999999", "PAY-99999999999999999999"),
        ("P" * 256 + "-1", "P" * 256 + "-1"),
        ("P" * 257 + "-1", ""),
    ],
)
def test_words_like_keys_are_read_as_githubs_app_reads_them(text: str, keys: str) -> None:
    assert " ".join(issue_keys(text)) == keys


STATES = {
    BuildState.WAITING: "pending",
    BuildState.RUNNING: "in_progress",
    BuildState.SUCCESSFUL: "successful",
    BuildState.FAILED: "failed",
    BuildState.STOPPED: "cancelled",
    BuildState.UNKNOWN: "unknown",
}


@needs_documents
@pytest.mark.parametrize("state", BuildState)
def test_each_state_of_a_run_has_jiras_word(state: BuildState) -> None:
    for event, name in (
        (build(state=state), "builds"),
        (pipeline(state=state), "builds"),
        (deployment(state=state), "deployments"),
    ):
        (parcel,) = relay.pack([event], way=relay.DEVELOPMENT, mark=MARK).parcels
        body: Any = parcel.body
        assert body[name][0]["state"] == STATES[state]
        assert wrong(parcel.path, body) == []


def test_a_run_that_runs_again_is_newer_and_the_same_run_is_not_two() -> None:
    first, again = (body_of(pipeline(number))["builds"][0] for number in (84, 85))
    assert first["pipelineId"] == again["pipelineId"]
    assert first["buildNumber"] < again["buildNumber"]
    done = body_of(pipeline(84, BuildState.STOPPED, sequence=9))["builds"][0]
    assert (done["buildNumber"], done["updateSequenceNumber"]) == (84, 9)


def test_moments_are_told_in_utc_whatever_zone_they_come_in() -> None:
    at = datetime(2026, 3, 29, 2, 30, 15, 999_999, PRAGUE)
    told = only(replace(commit(), record=replace(commit().record, committed_at=at)), "commits")  # type: ignore[type-var, arg-type]
    assert told["authorTimestamp"] == "2026-03-29T00:30:15.999Z"
    assert only(pull(updated_at=at), "pullRequests")["lastUpdate"] == "2026-03-29T00:30:15.999Z"
    assert only(pull(updated_at=None), "pullRequests")["lastUpdate"] == "2026-11-20T09:30:00.000Z"


def test_each_entity_bears_the_sequence_of_its_own_change() -> None:
    body = body_of(commit(sequence=5), branch(sequence=6), pull(sequence=9, source_branch="x"))
    (repository,) = body["repositories"]
    assert repository["updateSequenceId"] == 9
    assert [one["updateSequenceId"] for one in repository["commits"]] == [5]
    assert {one["name"]: one["updateSequenceId"] for one in repository["branches"]} == {
        "PAY-1-count": 6,
        "x": 9,
    }
    assert {one["lastCommit"]["updateSequenceId"] for one in repository["branches"]} == {6, 9}


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("PAY-1/ü", "PAY-1/%C3%BC"),
        ("PAY-1#2", "PAY-1%232"),
        ("PAY-1?x=1&y=2", "PAY-1%3Fx%3D1%26y%3D2"),
        ("PAY-1%2F", "PAY-1%252F"),
        ("PAY-1+🚀", "PAY-1%2B%F0%9F%9A%80"),
        ("PAY-1{branch}", "PAY-1%7Bbranch%7D"),
    ],
)
def test_a_branch_with_any_name_has_a_valid_id_and_address(name: str, path: str) -> None:
    told = only(branch(name), "branches")
    assert told["id"] == f"~{name.encode().hex()}"
    assert told["name"] == name
    assert told["url"] == f"https://bitbucket.org/acme/ledger/branch/{path}"


def test_a_branch_that_is_gone_is_not_brought_back_by_its_open_pull_request() -> None:
    told = replace(pull(sequence=9), branch_key="branch:PAY-1-count", branch_gone=True)
    assert body_of(told)["repositories"][0]["branches"] == []
    fork = replace(pull(source_repository="nora/ledger"), branch_gone=True)
    assert only(fork, "branches")["name"] == "PAY-1-count"  # ours was called the same


def test_a_long_branch_is_the_same_one_by_itself_and_with_its_pull_request() -> None:
    """Its key is a digest, which is all that is known of it once it is gone."""
    name, key = "PAY-1-" + "x" * 240, f"branch:{sha(1)}"
    alone = replace(branch(name), key=key)
    both = replace(pull(source_branch=name), branch_key=key)
    (repository,) = body_of(alone, both)["repositories"]
    assert [each["id"] for each in repository["branches"]] == [sha(1)]


def test_a_fork_that_is_gone_has_no_branch_and_no_page() -> None:
    told = pull(source_repository="")
    (asked,) = body_of(told)["repositories"][0]["pullRequests"]
    assert (asked["sourceBranch"], asked.get("sourceBranchUrl")) == ("PAY-1-count", None)
    assert body_of(told)["repositories"][0]["branches"] == []


def test_a_head_that_is_not_known_stood_when_its_pull_request_changed() -> None:
    last = only(pull(updated_at=NOW - timedelta(days=3)), "branches")["lastCommit"]
    assert last["authorTimestamp"] == "2026-11-17T09:30:00.000Z"


def test_a_fork_on_a_server_of_ones_own_is_where_its_product_says() -> None:
    root = "https://git.acme.example/bitbucket"
    home = replace(HOME, full_name="PAY/ledger", url=f"{root}/projects/PAY/repos/ledger/browse")
    told = pull(repository=home, source_repository="~NORA/ledger", links=CODE_LINKS)
    (asked,) = body_of(told)["repositories"][0]["pullRequests"]
    theirs = f"{root}/projects/~NORA/repos/ledger/browse?at=refs/heads/PAY-1-count"
    assert asked["sourceBranchUrl"] == only(told, "branches")["url"] == theirs


def test_somebody_without_an_account_has_a_name_all_the_same() -> None:
    asked = pull(author=Person(), participants=(Participation(Person(), reviewer=True),))
    told = only(asked, "pullRequests")
    assert told["author"] == {"name": "Unknown"}
    assert told["reviewers"] == [{"name": "Unknown", "approvalStatus": "UNAPPROVED"}]
    raw = only(commit(author=Person("", "", "ci@acme.example")), "commits")
    assert raw["author"] == {"name": "ci@acme.example", "email": "ci@acme.example"}


def test_who_only_commented_is_no_reviewer() -> None:
    spoke = Participation(DANA, reviewer=False, verdict=Verdict.NONE)
    assert "reviewers" not in only(pull(participants=(spoke,)), "pullRequests")
    approved = replace(spoke, verdict=Verdict.APPROVED)
    (told,) = only(pull(participants=(approved,)), "pullRequests")["reviewers"]
    assert told["approvalStatus"] == "APPROVED"


def test_comments_are_counted() -> None:
    assert only(pull(comments=12), "pullRequests")["commentCount"] == 12
    assert only(pull(), "pullRequests")["commentCount"] == 0


@pytest.mark.parametrize(
    ("state", "word"),
    [
        (PullState.OPEN, "OPEN"),
        (PullState.MERGED, "MERGED"),
        (PullState.DECLINED, "DECLINED"),
        (PullState.SUPERSEDED, "DECLINED"),
    ],
)
def test_a_review_ends_in_jiras_words(state: PullState, word: str) -> None:
    assert only(pull(state=state), "pullRequests")["status"] == word


def test_a_deployment_back_to_an_older_run_is_the_older_one_anew() -> None:
    first, later = deployment(number=80), deployment(number=84)
    back = deployment(number=80, remote_id="{again}", sequence=99)
    keys = [body_of(each)["deployments"][0]["deploymentSequenceNumber"] for each in (first, later)]
    assert keys == [80, 84]
    told = body_of(back)["deployments"][0]
    assert (told["deploymentSequenceNumber"], told["updateSequenceNumber"]) == (80, 99)


def test_a_deployment_is_shown_at_the_issues_of_all_its_commits() -> None:
    brought = tuple(CommitRecord(sha(n), (), f"PAY-{n} x") for n in (3, 2, 1))
    issues, commits = body_of(deployment(commits=brought))["deployments"][0]["associations"]
    assert issues == {"associationType": "issueIdOrKeys", "values": ["PAY-3", "PAY-2", "PAY-1"]}
    assert commits["values"][0] == {"commitHash": sha(3), "repositoryId": HERE}


# ── Answers in every mixture ──────────────────────────────────────────────────────────────────


def outcome(body: Any, *events: RelayEvent) -> list[tuple[str, tuple[str, ...], tuple[str, ...]]]:
    (parcel,) = relay.pack(events, way=relay.DEVELOPMENT, mark=MARK).parcels
    told = relay_answers.told(parcel, Answer(202, {}, body, "POST /bulk", 0.1))
    return [(str(one.outcome), one.subjects, one.unknown) for one in told]


def devinfo(accepted: list[str], failed: list[str], unknown: list[str]) -> Any:
    errors = [{"id": each, "errorMessages": [{"message": "no"}]} for each in failed]
    return {
        "acceptedDevinfoEntities": {
            HERE: {"commits": accepted, "branches": [], "pullRequests": []}
        },
        "failedDevinfoEntities": {HERE: {"commits": errors}} if failed else {},
        "unknownIssueKeys": unknown,
    }


ONE = (commit(1, "PAY-1 OPS-2 x"),)
MIXED: tuple[tuple[Any, str, tuple[str, ...], tuple[str, ...]], ...] = (
    (devinfo([sha(1)], [], []), Outcomes.ACCEPTED, ("PAY-1", "OPS-2"), ()),
    (devinfo([sha(1)], [], ["OPS-2"]), Outcomes.ACCEPTED, ("PAY-1",), ("OPS-2",)),
    (devinfo([sha(1)], [], ["ops-2"]), Outcomes.ACCEPTED, ("PAY-1",), ("OPS-2",)),
    (devinfo([sha(1)], [], ["OPS-2", "PAY-1"]), Outcomes.UNKNOWN_SUBJECT, (), ("PAY-1", "OPS-2")),
    (devinfo([], [], ["OPS-2", "PAY-1"]), Outcomes.UNKNOWN_SUBJECT, (), ("PAY-1", "OPS-2")),
    (devinfo([], [sha(1)], []), Outcomes.REFUSED, (), ()),
    (devinfo([], [sha(1)], ["OPS-2"]), Outcomes.REFUSED, (), ("OPS-2",)),
    (devinfo([sha(1)], [sha(1)], []), Outcomes.REFUSED, (), ()),
    (devinfo([sha(2)], [sha(3)], ["XX-9"]), Outcomes.REFUSED, (), ()),  # of others alone
)


@pytest.mark.parametrize("case", MIXED, ids=range(len(MIXED)))
def test_every_mixture_of_an_answer_is_told_apart(case: Any) -> None:
    body, word, subjects, unknown = case
    assert outcome(body, *ONE) == [(str(word), subjects, unknown)]


def test_an_unknown_commit_of_a_deployment_is_no_unknown_issue() -> None:
    told = body_of(deployment())["deployments"][0]
    key = {
        "pipelineId": told["pipeline"]["id"],
        "environmentId": told["environment"]["id"],
        "deploymentSequenceNumber": str(told["deploymentSequenceNumber"]),  # some say it as a text
    }
    lost = {"associationType": "commit", "values": [{"commitHash": sha(1), "repositoryId": HERE}]}
    body = {"acceptedDeployments": [key], "unknownAssociations": [lost]}
    assert outcome(body, deployment()) == [("accepted", ("PAY-1",), ())]


def test_the_newest_state_is_sent_even_when_the_day_is_the_same() -> None:
    older = replace(pull(title="PAY-1 a", sequence=8), at=NOW)
    newer = replace(pull(title="PAY-1 b", sequence=9), at=NOW)
    for pair in ((older, newer), (newer, older)):
        (repository,) = body_of(*pair)["repositories"]
        assert [one["title"] for one in repository["pullRequests"]] == ["PAY-1 b"]
