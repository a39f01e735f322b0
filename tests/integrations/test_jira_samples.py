"""What is sent to Jira equals what Atlassian's own app for GitHub sends, situation by situation.

The recorded bodies have dummies for moments and sequence ids; ids of repositories and addresses
of pages are the source's own. All else that people see has to be the same.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from connections.contracts import (
    BuildState,
    ChangedFile,
    CommitRecord,
    Participation,
    Person,
    PullState,
    RelayEvent,
    RepositoryRecord,
    Verdict,
)
from integrations.jira import relay
from tests.integrations.jira_events import (
    MARK,
    NOW,
    branch,
    build,
    commit,
    deployment,
    event,
    gone,
    pull,
)

SAMPLES = Path(__file__).parents[3] / "shared/samples/jira"
pytestmark = pytest.mark.skipif(not SAMPLES.exists(), reason="the recorded bodies are not here")

Json = Mapping[str, Any]

PUSHER = Person("", "test-commit-name", "test-email@example.com")
AUTHOR = Person(
    "a", "test-pull-request-author-login", "test-pull-request-author-login@noreply.user.github.com"
)
GHOST = Person("g", "Deleted User", "deleted@noreply.user.github.com")
REVIEWER = Person("r", "test-pull-request-reviewer-login", "")
REVIEWER_EMAIL = "test-pull-request-reviewer-login@email.test"
REQUESTED = Person("q", "requested", "requested@noreply.user.github.com")


def home(name: str) -> RepositoryRecord:
    return RepositoryRecord("1", "slug", name, name, url="https://bitbucket.org/acme/home")


def sample(name: str) -> Json:
    body: Json = json.loads((SAMPLES / "devinfo" / f"{name}.json").read_text())["body"]
    return body


def sent(*events: RelayEvent) -> Json:
    packing = relay.pack(events, way=relay.DEVELOPMENT, mark=MARK)
    assert len(packing.parcels) == 1
    body = packing.parcels[0].body
    assert isinstance(body, dict)
    assert body["properties"] == {"portalLink": MARK}
    return body


# ── Meaning ───────────────────────────────────────────────────────────────────────────────────


def person(raw: Json) -> tuple[object, ...]:
    return raw["name"], raw.get("email"), raw.get("approvalStatus")


def commit_means(raw: Json) -> object:
    return {
        "hash": (raw["id"], raw["hash"], raw["displayId"]),
        "keys": set(raw["issueKeys"]),
        "message": raw["message"],
        "author": person(raw["author"]),
        "files": raw["fileCount"],
        "changed": [
            (each["path"], each["changeType"], each["linesAdded"], each["linesRemoved"])
            for each in raw.get("files", ())
        ],
        "flags": raw.get("flags", []),
    }


def branch_means(raw: Json) -> object:
    last = raw["lastCommit"]
    return raw["id"], raw["name"], set(raw["issueKeys"]), commit_means(last)


def pull_means(raw: Json) -> object:
    return {
        "id": (str(raw["id"]), raw["displayId"]),
        "keys": set(raw["issueKeys"]),
        "title": raw["title"],
        "status": raw["status"],
        "author": person(raw["author"]),
        "from": (raw["sourceBranch"], bool(raw.get("sourceBranchUrl"))),
        "to": (raw["destinationBranch"], bool(raw.get("destinationBranchUrl"))),
        "reviewers": [person(each) for each in raw["reviewers"]],
    }


def means(body: Json) -> object:
    return {
        "prevented": body["preventTransitions"],
        "operation": body["operationType"],
        "repositories": [
            {
                "name": each["name"],
                "commits": [commit_means(one) for one in each.get("commits", ())],
                "branches": [branch_means(one) for one in each.get("branches", ())],
                "has_branches": "branches" in each,
                "pulls": [pull_means(one) for one in each.get("pullRequests", ())],
            }
            for each in body["repositories"]
        ],
    }


# ── Pushes ────────────────────────────────────────────────────────────────────────────────────


def files(*changes: tuple[str, str, int, int]) -> tuple[ChangedFile, ...]:
    return tuple(ChangedFile(*each) for each in changes)


def pushed(hash_: str, message: str, **more: Any) -> RelayEvent:
    parents = ("a", "b") if more.pop("merge", False) else ("a",)
    made = commit(1, message, author=PUSHER, repository=home("example/test-repo-name"), **more)
    assert isinstance(made.record, CommitRecord)
    return replace(made, key=hash_, record=replace(made.record, remote_id=hash_, parents=parents))


def test_a_push_of_many_files_names_ten() -> None:
    changed = files(
        ("test-modified", "modified", 10, 2),
        *((f"test-added-{number}", "added", 4, 0) for number in range(1, 12)),
    )
    ours = sent(
        pushed(
            "test-commit-id",
            "TEST-123 TEST-246 #comment This is a comment",
            files=changed,
            file_count=12,
        )
    )
    assert means(ours) == means(sample("push-143"))


def test_a_push_says_what_it_removed_and_names_no_file_without_a_path() -> None:
    changed = files(
        ("test-modified", "modified", 10, 2),
        ("", "added", 4, 0),
        ("", "added", 4, 0),
        ("test-removal", "deleted", 0, 4),
    )
    ours = sent(
        pushed(
            "test-commit-id",
            "TEST-123 TEST-246 #comment This is a comment",
            files=changed,
        )
    )
    assert means(ours) == means(sample("push-256"))


def test_a_merge_is_flagged() -> None:
    changed = files(
        ("test-modified", "modified", 10, 2),
        ("test-added", "added", 4, 0),
        ("test-removal", "deleted", 0, 4),
    )
    ours = sent(pushed("commit-no-username", "[TEST-123] Test commit.", files=changed, merge=True))
    assert means(ours) == means(sample("push-391"))


# ── Branches and pull requests ────────────────────────────────────────────────────────────────


def test_a_branch_brings_its_commit_with_the_branchs_keys() -> None:
    person = Person("", "test-branch-author-name", "test-branch-author-name@github.com")
    head = CommitRecord("test-branch-ref-sha", (), "test-commit-message", person, NOW)
    made = branch("TES-123-test-ref", repository=home("example/test-repo-name"), head=head)
    ours = sent(replace(made, record=replace(made.record, target="test-branch-ref-sha")))  # type: ignore[type-var, arg-type]
    assert means(ours) == means(sample("branch-68"))


def asked(state: PullState, *participants: Participation) -> RelayEvent:
    made = pull(
        1,
        "[TEST-123] Test pull request.",
        state=state,
        author=AUTHOR,
        participants=participants,
        source_branch="TEST-321-test-pull-request-head-ref",
        source_hash="test-pull-request-sha",
        source_repository="",
        destination_branch="test-pull-request-base-ref",
        head=CommitRecord("test-pull-request-sha", (), "", GHOST, NOW),
        repository=home("bgvozdev/day2-test-empy-repo-before-connect"),
    )
    known = replace(made.carried(REVIEWER), email=REVIEWER_EMAIL)
    return replace(made, people={"r": known})


APPROVED = Participation(REVIEWER, reviewer=True, verdict=Verdict.APPROVED)


def test_an_open_pull_request_brings_its_branch_and_its_reviewers() -> None:
    ours = sent(asked(PullState.OPEN, Participation(REQUESTED, reviewer=True), APPROVED))
    assert means(ours) == means(sample("pull-request-124"))


def test_a_merged_pull_request_brings_no_branch() -> None:
    ours = sent(asked(PullState.MERGED, APPROVED))
    assert ours["repositories"][0]["branches"] == []
    assert means(ours) == means(sample("pull-request-509"))


def test_a_pull_request_that_names_no_issue_any_more_is_deleted() -> None:
    nameless = pull(7, "Count twice", source_branch="count", former=("PAY-1",), sequence=12345678)
    packing = relay.pack([nameless], way=relay.DEVELOPMENT, mark=MARK)
    (parcel,) = packing.parcels
    assert parcel.verb == "DELETE"
    assert parcel.path.endswith("/pull_request/7?_updateSequenceId=12345678")


def test_a_deleted_branch_is_deleted() -> None:
    deleted = gone(branch("feature/PAY-1 zwölf"), "PAY-1")
    (parcel,) = relay.pack([deleted], way=relay.DEVELOPMENT, mark=MARK).parcels
    encoded = "feature/PAY-1 zwölf".encode().hex()
    assert parcel.verb == "DELETE"
    assert f"/branch/~{encoded}?_updateSequenceId=8" in parcel.path


# ── Builds and deployments ────────────────────────────────────────────────────────────────────


def build_means(body: Json) -> object:
    (raw,) = body["builds"]
    (told,) = raw["references"]
    return (
        raw["schemaVersion"],
        raw["buildNumber"],
        raw["displayName"],
        raw["state"],
        set(raw["issueKeys"]),
        told["commit"]["id"],
        told["ref"]["name"],
        body["preventTransitions"],
        body["operationType"],
    )


def test_a_build_of_a_branch_names_its_commit_and_ref() -> None:
    made = build(
        "9751894",
        BuildState.RUNNING,
        name="My Deployment flow",
        refname="changes",
        number=84,
        commits=(CommitRecord("ec26c3e57ca3a959ca5aad62de7213c562f8c821", (), "TES-123 fix"),),
    )
    record = replace(made.record, commit="ec26c3e57ca3a959ca5aad62de7213c562f8c821")  # type: ignore[type-var, arg-type]
    assert build_means(sent(replace(made, record=record))) == build_means(sample("workflow-61"))


def deployment_means(body: Json) -> object:
    (raw,) = body["deployments"]
    kinds = {each["associationType"]: each["values"] for each in raw["associations"]}
    return (
        raw["schemaVersion"],
        raw["deploymentSequenceNumber"],
        raw["displayName"],
        raw["state"],
        raw["environment"],
        kinds["issueIdOrKeys"],
        [each["commitHash"] for each in kinds["commit"]],
        body["preventTransitions"],
        body["operationType"],
    )


def test_a_deployment_is_tied_to_its_issues_and_commits() -> None:
    theirs = sample("deployment-152")
    hashes = [each["commitHash"] for each in theirs["deployments"][0]["associations"][1]["values"]]
    commits = (
        CommitRecord(hashes[0], (), "[TEST-123] test-commit-message"),
        CommitRecord(hashes[1], (), "tidy"),
    )
    ours = sent(deployment("Production", commits=commits, number=1234))
    assert deployment_means(ours) == deployment_means(theirs)


def test_builds_and_deployments_have_all_that_jenkins_sends() -> None:
    for name, ours in (("build", sent(build())), ("deployment", sent(deployment()))):
        theirs = json.loads((SAMPLES / f"builds-deployments/{name}.json").read_text())["payload"]
        needed = set(theirs[f"{name}s"][0]) - {"description", "label", "testInfo"}
        assert needed <= set(ours[f"{name}s"][0])


def test_the_kinds_of_events_do_not_mix() -> None:
    packing = relay.pack(
        [deployment(), build(), pull(), branch(), commit(), event(commit().kind, "x", None)],
        way=relay.DEVELOPMENT,
        mark=MARK,
    )
    assert [parcel.name for parcel in packing.parcels] == [
        "Tell development information",
        "Tell builds",
        "Tell deployments",
    ]
    assert [each.key for each in packing.idle] == ["x"]
