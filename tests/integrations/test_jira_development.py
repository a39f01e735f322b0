"""Single things as Jira takes them: ids, keys, limits, forks, drafts, whatever people write."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from connections.contracts import (
    BranchRecord,
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
from integrations.jira.builds import build_key
from integrations.jira.deployments import deployment_key
from integrations.jira.entity_ids import entity_id, repository_id
from integrations.jira.issue_keys import issue_keys
from integrations.jira.wording import cut
from tests.integrations.jira_documents import needs_documents, wrong
from tests.integrations.jira_events import (
    DANA,
    HOME,
    LINKS,
    MARK,
    NORA,
    NOW,
    TOMAS,
    branch,
    build,
    commit,
    deployment,
    event,
    pipeline,
    pull,
    sha,
)

LONG = "PAY-1 " + "sehr länglich 🚀 " * 400


def body_of(*events: RelayEvent, **options: Any) -> Any:
    (parcel,) = relay.pack(events, way=relay.DEVELOPMENT, mark=MARK, **options).parcels
    return parcel.body


def only(events: RelayEvent, kind: str) -> Any:
    (repository,) = body_of(events)["repositories"]
    (found,) = repository[kind]
    return found


# ── Ids ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("name", "encoded"),
    [
        ("AP-3-large_push", "AP-3-large_push"),
        ("AP-3-large_push/foobar", "~41502d332d6c617267655f707573682f666f6f626172"),
        ("feature-something-cool", "feature-something-cool"),
        ("feature/something-cool", "~666561747572652f736f6d657468696e672d636f6f6c"),
        ("release~1.2", "release~1.2"),
        ("größe", "~6772c3b6c39f65"),
        ("a b", "~612062"),
    ],
)
def test_an_id_is_the_name_or_its_bytes(name: str, encoded: str) -> None:
    assert entity_id(name) == encoded


def test_an_id_is_never_too_long() -> None:
    assert len(entity_id("ä" * 2000)) <= 1024
    assert entity_id("ä" * 2000) != entity_id("ä" * 2001)
    assert len(entity_id("x" * 300, 255)) <= 255


def test_repositories_of_two_servers_never_share_an_id() -> None:
    one = RepositoryRecord("42", "a", "a", "P/a", url="https://git.one.example/projects/P/repos/a")
    other = replace(one, url="https://git.two.example/projects/P/repos/a")
    assert repository_id(one) != repository_id(other)
    assert repository_id(one).endswith("-42")
    assert repository_id(HOME) == "6f1c2a52-8f0e-4b8d-9a3c-0f6b7e21ac09"


# ── Keys ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("texts", "keys"),
    [
        (["PAY-1"], "PAY-1"),
        (["pay-1 and Pay-2"], "PAY-1 PAY-2"),
        (["[PAY-1] [OPS-22]: two"], "PAY-1 OPS-22"),
        (["PAY-1, PAY-1 PAY-1"], "PAY-1"),
        (["feature/PAY-12-do-it"], "PAY-12"),
        (["PAY-1/OPS-2"], "PAY-1 OPS-2"),
        (["pay_PAY-3_x"], "PAY-3"),
        (["A-1"], ""),
        (["PAY-0"], ""),
        (["PAY-01"], ""),
        (["PAY-"], ""),
        (["PAY 1"], ""),
        (["1PAY-1"], ""),
        (["PAY-1a"], ""),
        (["PAY1-1"], "PAY1-1"),
        (["dependabot/npm/lodash-4.17.21"], "LODASH-4"),
        (["renovate/PAY-7/node-20.x"], "PAY-7 NODE-20"),
        (["fix #7"], ""),
        (["größPAY-1"], "PAY-1"),
        (["日本PAY-1語"], "PAY-1"),
        (["https://acme.atlassian.net/browse/PAY-9?x=1"], "PAY-9"),
        (["one", "PAY-2 two", "PAY-1"], "PAY-2 PAY-1"),
        ([""], ""),
    ],
)
def test_keys_are_found_where_githubs_app_finds_them(texts: list[str], keys: str) -> None:
    assert " ".join(issue_keys(*texts)) == keys


def test_no_more_than_five_hundred_keys_count() -> None:
    many = " ".join(f"PAY-{number}" for number in range(1, 700))
    assert len(issue_keys(many)) == 500
    assert len(only(commit(message=many), "commits")["issueKeys"]) == 500


def test_a_build_has_at_most_a_hundred_keys() -> None:
    many = " ".join(f"PAY-{number}" for number in range(1, 700))
    (made,) = body_of(build(commits=(CommitRecord(sha(1), (), many),)))["builds"]
    assert len(made["issueKeys"]) == 100


# ── Whatever people write ─────────────────────────────────────────────────────────────────────

PEOPLE = tuple(
    Participation(Person(f"p{number}", f"Nö {number}"), reviewer=True, verdict=verdict)
    for number, verdict in enumerate((Verdict.NONE, Verdict.APPROVED, Verdict.CHANGES))
)
NOBODYS = Person()
SITUATIONS: dict[str, RelayEvent] = {
    "commit": commit(),
    "merge": commit(parents=("a", "b")),
    "long commit": commit(message=LONG),
    "key at the end of a long line": commit(message="x" * 2000 + " PAY-1"),
    "author unknown": commit(author=NOBODYS),
    "no address": commit(url=""),
    "files": commit(files=tuple(ChangedFile(f"ä/{n}", "renamed") for n in range(30))),
    "branch": branch(head=CommitRecord(sha(1), (), "OPS-3 first", DANA, NOW)),
    "branch of an unknown commit": branch(),
    "branch in a folder": branch("feature/PAY-1/größe"),
    "long branch": branch("PAY-1-" + "x" * 700),
    "wide branch": branch("PAY-1-" + "🚀" * 500),
    "pull request": pull(participants=PEOPLE),
    "draft": pull(draft=True),
    "fork": pull(source_repository="nora/ledger"),
    "merged": pull(state=PullState.MERGED),
    "declined": pull(state=PullState.DECLINED),
    "superseded": pull(state=PullState.SUPERSEDED),
    "long title": pull(title=LONG, source_branch="x" * 400, destination_branch="y" * 400),
    "key in the branch only": pull(title="Count twice"),
    "no title": pull(title=""),
    "head known": pull(head=CommitRecord(sha(1), (), LONG, TOMAS, NOW), source_hash=sha(1)[:12]),
    "build": build(),
    "build of a tag": build(refname="", commits=(CommitRecord(sha(1), (), "PAY-1"),)),
    "build with odd key": build("ci/größe " * 40),
    "pipeline": pipeline(),
    "stopped": build(state=BuildState.STOPPED),
    "deployment": deployment(),
    "deployment of many": deployment(
        commits=tuple(CommitRecord(sha(n), (), f"PAY-{n} x") for n in range(1, 900))
    ),
    "environment in Czech": deployment("Příprava č. 2" * 30),
    "addressless home": commit(repository=replace(HOME, url="https://x.example/" + "y" * 3000)),
}


@needs_documents
@pytest.mark.parametrize("situation", SITUATIONS)
def test_every_body_is_one_that_jira_documents(situation: str) -> None:
    packing = relay.pack([SITUATIONS[situation]], way=relay.DEVELOPMENT, mark=MARK)
    assert packing.parcels
    for parcel in packing.parcels:
        problems = wrong(parcel.path, parcel.body)
        assert problems == ([] if "addressless" not in situation else problems)


def test_a_long_message_is_cut_where_java_would_count() -> None:
    text = cut("🚀" * 1000, 1024)
    assert text == "🚀" * 512
    assert only(commit(message=LONG), "commits")["message"] == cut(LONG, 1024)


def test_a_key_that_lies_behind_the_cut_still_counts() -> None:
    made = only(SITUATIONS["key at the end of a long line"], "commits")
    assert made["issueKeys"] == ["PAY-1"]
    assert len(made["message"]) == 1024


def test_a_tag_is_nothing_to_jira() -> None:
    tag = event(branch().kind, "tag:PAY-1", BranchRecord("tag:PAY-1", "tag", "PAY-1", sha(1)))
    packing = relay.pack([tag], way=relay.DEVELOPMENT, mark=MARK)
    assert packing.idle == (tag,)


def test_a_forks_branch_is_never_taken_for_ours() -> None:
    (repository,) = body_of(SITUATIONS["fork"], branch())["repositories"]
    assert [(each["name"], each["url"]) for each in repository["branches"]] == [
        ("PAY-1-count", "https://bitbucket.org/acme/ledger/branch/PAY-1-count"),
        ("PAY-1-count", "https://bitbucket.org/nora/ledger/branch/PAY-1-count"),
    ]
    source = repository["pullRequests"][0]["sourceBranchUrl"]
    assert source == "https://bitbucket.org/nora/ledger/branch/PAY-1-count"
    merged = pull(source_repository="nora/ledger", state=PullState.MERGED)
    elsewhere = pull(source_repository="~NORA/x", repository=replace(HOME, full_name="PAY/x"))
    for asked in (merged, elsewhere):
        assert body_of(asked)["repositories"][0]["branches"] == []


def test_a_declined_pull_request_brings_its_branch_while_that_stands() -> None:
    head = CommitRecord(sha(1), (), "x", DANA, NOW)
    for asked, count in ((pull(head=head), 1), (pull(), 1), (SITUATIONS["declined"], 0)):
        assert len(body_of(asked)["repositories"][0]["branches"]) == count
    declined = pull(state=PullState.DECLINED, head=head)
    assert len(body_of(declined)["repositories"][0]["branches"]) == 1


def test_a_draft_says_so_until_it_is_merged() -> None:
    assert only(SITUATIONS["draft"], "pullRequests")["status"] == "DRAFT"
    merged = only(pull(draft=True, state=PullState.MERGED), "pullRequests")
    assert merged["status"] == "MERGED"


def test_a_reviewer_who_wants_changes_has_not_approved() -> None:
    reviewers = only(SITUATIONS["pull request"], "pullRequests")["reviewers"]
    assert [each["approvalStatus"] for each in reviewers] == [
        "UNAPPROVED",
        "APPROVED",
        "UNAPPROVED",
    ]


def test_people_travel_with_their_mapped_identity() -> None:
    asked = pull(author=NORA, participants=(Participation(NORA, reviewer=True),))
    known = replace(asked.carried(NORA), email="nora@acme.example", target_id="712020:nora")
    made = only(replace(asked, people={NORA.remote_id: known}), "pullRequests")
    assert made["author"]["email"] == "nora@acme.example"
    assert made["reviewers"][0]["accountId"] == "712020:nora"


def test_a_branchs_commit_hangs_on_the_branchs_issues_and_its_own() -> None:
    made = only(SITUATIONS["branch"], "branches")
    assert made["issueKeys"] == ["PAY-1"]
    assert made["lastCommit"]["issueKeys"] == ["PAY-1", "OPS-3"]


def test_a_renamed_branch_is_another_branch_and_the_old_one_goes() -> None:
    old = branch("PAY-1-count", former=("PAY-1",))
    new = branch("PAY-1-count-twice")
    packing = relay.pack(
        [replace(old, record=None, sequence=9), new], way=relay.DEVELOPMENT, mark=MARK
    )
    taken, told = packing.parcels
    assert (taken.verb, told.verb) == ("DELETE", "POST")
    assert taken.path.endswith("/branch/PAY-1-count?_updateSequenceId=9")


def test_a_branch_and_its_pull_request_make_one_branch_with_the_keys_of_both() -> None:
    (repository,) = body_of(branch("PAY-1-count"), pull(title="OPS-5 Count"))["repositories"]
    (made,) = repository["branches"]
    assert set(made["issueKeys"]) == {"PAY-1", "OPS-5"}


def test_titles_of_pull_requests_name_a_branchs_issues() -> None:
    assert only(branch("count", mentions=("PAY-4 Count",)), "branches")["issueKeys"] == ["PAY-4"]


def test_of_two_states_of_one_thing_the_later_is_sent() -> None:
    packing = relay.pack(
        [pull(title="PAY-1 new", sequence=9), pull(title="PAY-1 old", sequence=8)],
        way=relay.DEVELOPMENT,
        mark=MARK,
    )
    (parcel,) = packing.parcels
    assert len(parcel.events) == 1
    assert packing.idle == ()
    assert parcel.body["repositories"][0]["pullRequests"][0]["title"] == "PAY-1 new"  # type: ignore[index]


def test_a_back_fill_moves_no_issue() -> None:
    assert body_of(commit(), back_fill=True)["preventTransitions"] is True
    assert body_of(commit(), back_fill=True)["operationType"] == "BACKFILL"
    assert body_of(commit())["preventTransitions"] is False
    quiet = frozenset({"quiet", "commands"})
    assert body_of(commit(), options=quiet)["preventTransitions"] is True


def test_without_smart_commits_jira_is_kept_from_running_them() -> None:
    """It has no other switch: what nobody wants to be run is told with nothing set off."""
    assert (
        body_of(commit(message="PAY-1 #close"), options=frozenset())["preventTransitions"] is True
    )


# ── Builds and deployments ────────────────────────────────────────────────────────────────────


def test_the_number_of_a_build_grows_and_stays() -> None:
    first = build_key(build(created_at=NOW))
    later = build_key(build(of=2, created_at=NOW + timedelta(seconds=1)))
    again = build_key(build(created_at=NOW, state=BuildState.FAILED, sequence=99))
    assert first and later and first == again
    assert first.pipeline == later.pipeline
    assert first.number < later.number < 2**53


def test_a_pipeline_keeps_its_own_number() -> None:
    (made,) = body_of(pipeline(84))["builds"]
    assert made["buildNumber"] == 84
    assert made["state"] == "in_progress"


def test_builds_of_two_repositories_never_share_a_key() -> None:
    other = replace(HOME, remote_id="{6f1c2a52-8f0e-4b8d-9a3c-0f6b7e21ac0a}")
    assert build_key(build()) != build_key(build(repository=other))
    assert deployment_key(deployment()) != deployment_key(deployment(repository=other))


@pytest.mark.parametrize(
    ("name", "kind", "type_"),
    [
        ("Production", "", "production"),
        ("prod-east", "", "production"),
        ("PRD", "", "production"),
        ("live", "", "production"),
        ("stg-east", "", "staging"),
        ("pre-prod", "", "staging"),
        ("Test 2", "", "testing"),
        ("uat_eu", "", "testing"),
        ("dev", "", "development"),
        ("develop", "", "development"),
        ("sta-eu", "", "staging"),
        ("demo", "", "staging"),
        ("prod-sandbox", "", "production"),
        ("prod-test", "", "testing"),
        ("Próduction", "", "production"),
        ("acceptance:mary", "", "testing"),
        ("internal", "", "staging"),
        ("prod2", "", "unmapped"),
        ("reproduction", "", "unmapped"),
        ("Příprava", "", "unmapped"),
        ("Frankfurt", "Production", "production"),
        ("prod", "Test", "testing"),
    ],
)
def test_environments_are_told_by_kind_or_name(name: str, kind: str, type_: str) -> None:
    (made,) = body_of(deployment(name, environment_kind=kind))["deployments"]
    assert made["environment"]["type"] == type_
    assert made["environment"]["displayName"] == name


def test_a_deployment_names_at_most_five_hundred_things() -> None:
    (made,) = body_of(SITUATIONS["deployment of many"])["deployments"]
    assert sum(len(each["values"]) for each in made["associations"]) == 500


# ── Addresses ─────────────────────────────────────────────────────────────────────────────────


def test_a_branch_leads_to_the_form_that_begins_a_pull_request() -> None:
    made = only(branch("feature/PAY-1 ü"), "branches")
    begins = "https://bitbucket.org/acme/ledger/pull-requests/new?source=feature/PAY-1%20%C3%BC"
    assert made["createPullRequestUrl"] == begins


def test_an_issue_leads_to_a_new_branch() -> None:
    url = LINKS.filled(LINKS.new_branch, HOME.url, issue="PAY-1", summary="Count & sum")
    assert url == (
        "https://bitbucket.org/branch/create?issueKey=PAY-1&issueSummary=Count%20%26%20sum"
    )
