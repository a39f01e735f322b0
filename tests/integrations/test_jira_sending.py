"""Development information over real sockets at Jira's sandbox, with all that can go wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from connections.contracts import (
    Outcomes,
    Participation,
    PullState,
    Reach,
    RelayEvent,
    Sent,
    Told,
    Verdict,
)
from connections.errors import (
    AccessDenied,
    RateLimited,
    ReauthorizationRequired,
    RemoteGone,
    ScopeMissing,
    Unavailable,
    VendorError,
)
from integrations.jira import CONNECTOR, relay
from integrations.sandbox.running import Sandbox
from tests.contract import door_to
from tests.integrations.atlassian_standings import ORIGINS, atlassian
from tests.integrations.jira_events import (
    DANA,
    MARK,
    TOMAS,
    branch,
    build,
    commit,
    deployment,
    gone,
    pull,
    sha,
)
from tests.integrations.jira_targets import CALLBACK, Target

BULK = "POST /jira/devinfo/*/bulk"


@pytest.fixture(scope="module")
def whole() -> Iterator[Target]:
    with Sandbox(callbacks=[CALLBACK]) as sandbox:
        door = door_to(sandbox, *ORIGINS)
        yield Target(sandbox, door)
        door.close()


@pytest.fixture
def target(whole: Target) -> Target:
    whole.sandbox.reset()
    return whole


@pytest.fixture
def reach(target: Target) -> Reach:
    return target.reach(target.credentials())


def deliver(reach: Reach, *events: RelayEvent, **options: Any) -> list[Sent]:
    packing = relay.pack(events, way=relay.DEVELOPMENT, mark=MARK, **options)
    return [CONNECTOR.send(reach, parcel) for parcel in packing.parcels]


def words(sent: list[Sent]) -> dict[str, Told]:
    return {word.event.key: word for each in sent for word in each.told}


def panel(target: Target, issue: str = "PAY-1") -> dict[str, Any]:
    shown: dict[str, Any] = atlassian(target.sandbox).questions["/atlassian/panel"](
        {"site": ["acme"], "issue": [issue]}
    )
    return shown


def truth(target: Target) -> dict[str, Any]:
    known: dict[str, Any] = atlassian(target.sandbox).questions["/atlassian/truth"](
        {"site": ["acme"]}
    )
    return known


EVERY = (
    commit(1),
    commit(2),
    branch(),
    pull(participants=(Participation(TOMAS, reviewer=True, verdict=Verdict.APPROVED),)),
    build(),
    deployment(),
)


def test_everything_appears_at_its_issue_once(target: Target, reach: Reach) -> None:
    for _ in range(2):
        told = words(deliver(reach, *EVERY))
        assert {word.outcome for word in told.values()} == {Outcomes.ACCEPTED}
    shown = panel(target)
    assert [len(shown[kind]) for kind in ("commits", "branches", "pullRequests")] == [2, 1, 1]
    assert [len(shown[kind]) for kind in ("builds", "deployments")] == [1, 1]
    assert shown["commits"][0]["author"]["email"] == DANA.email
    (reviewer,) = shown["pullRequests"][0]["reviewers"]
    assert (reviewer["name"], reviewer["approvalStatus"]) == (TOMAS.name, "APPROVED")
    assert shown["deployments"][0]["state"] == "successful"


def test_an_older_state_never_replaces_a_newer_one(target: Target, reach: Reach) -> None:
    deliver(reach, pull(state=PullState.MERGED, sequence=20))
    (sent,) = deliver(reach, pull(state=PullState.OPEN, sequence=10))
    assert sent.told[0].outcome is Outcomes.ACCEPTED
    assert panel(target)["pullRequests"][0]["status"] == "MERGED"


def test_a_title_that_loses_its_key_takes_the_pull_request_away(
    target: Target, reach: Reach
) -> None:
    deliver(reach, pull(source_branch="x"))
    (sent,) = deliver(reach, pull(title="Count", source_branch="x", sequence=9, former=("PAY-1",)))
    assert sent.told[0].outcome is Outcomes.WITHDRAWN
    assert panel(target)["pullRequests"] == []


def test_a_title_with_another_key_moves_it(target: Target, reach: Reach) -> None:
    deliver(reach, pull(source_branch="x"))
    deliver(reach, pull(title="PAY-2", source_branch="x", sequence=9, former=("PAY-1",)))
    assert panel(target)["pullRequests"] == []
    assert len(panel(target, "PAY-2")["pullRequests"]) == 1


def test_a_key_that_is_unknown_takes_it_from_the_former_issue(target: Target, reach: Reach) -> None:
    deliver(reach, pull(source_branch="x"))
    moved = pull(title="GONE-1", source_branch="x", sequence=9, former=("PAY-1",))
    (sent,) = deliver(reach, moved)
    assert sent.told[0].outcome is Outcomes.UNKNOWN_SUBJECT
    assert sent.requests == 2
    assert panel(target)["pullRequests"] == []


def test_a_deleted_branch_goes(target: Target, reach: Reach) -> None:
    deliver(reach, branch("feature/PAY-1 größe"))
    assert len(panel(target)["branches"]) == 1
    deliver(reach, gone(branch("feature/PAY-1 größe"), "PAY-1"))
    assert panel(target)["branches"] == []


def test_a_merged_pull_request_does_not_bring_its_branch_back(target: Target, reach: Reach) -> None:
    deliver(reach, branch(), pull())
    deliver(reach, gone(branch(sequence=30), "PAY-1"))
    deliver(reach, pull(state=PullState.MERGED, sequence=40))
    assert panel(target)["branches"] == []
    assert panel(target)["pullRequests"][0]["status"] == "MERGED"


@pytest.mark.parametrize(
    "then",
    [
        {"title": "Count"},
        {"title": "NOPE-3 Count"},
        {"state": PullState.MERGED},
        {"state": PullState.DECLINED},
    ],
)
def test_a_branch_that_hung_on_its_pull_request_alone_goes_with_it(
    target: Target, reach: Reach, then: dict[str, Any]
) -> None:
    deliver(reach, pull(source_branch="count"))
    assert len(panel(target)["branches"]) == 1
    deliver(reach, pull(source_branch="count", former=("PAY-1",), sequence=9, **then))
    assert panel(target)["branches"] == []


def test_a_forks_branch_goes_when_its_pull_request_ends(target: Target, reach: Reach) -> None:
    deliver(reach, branch(), pull(source_repository="nora/ledger"))
    assert len(panel(target)["branches"]) == 2
    ended = pull(source_repository="nora/ledger", state=PullState.MERGED, sequence=9)
    deliver(reach, replace(ended, former=("PAY-1",)))
    assert [each["id"] for each in panel(target)["branches"]] == ["PAY-1-count"]


def test_unknown_and_known_issues_are_told_apart(reach: Reach) -> None:
    told = words(deliver(reach, commit(1, "PAY-1 NOPE-4 x"), commit(2, "NOPE-4 y")))
    assert (told[sha(1)].subjects, told[sha(1)].unknown) == (("PAY-1",), ("NOPE-4",))
    assert told[sha(2)].outcome is Outcomes.UNKNOWN_SUBJECT


def test_unlinking_leaves_nothing_of_ours(target: Target, reach: Reach) -> None:
    deliver(reach, *EVERY)
    assert CONNECTOR.remains(reach, way=relay.DEVELOPMENT, mark=MARK)
    CONNECTOR.erase(reach, way=relay.DEVELOPMENT, mark="another")
    assert len(panel(target)["commits"]) == 2
    CONNECTOR.erase(reach, way=relay.DEVELOPMENT, mark=MARK)
    assert not CONNECTOR.remains(reach, way=relay.DEVELOPMENT, mark=MARK)
    shown = panel(target)
    kinds = ("commits", "branches", "pullRequests", "builds", "deployments")
    assert all(shown[kind] == [] for kind in kinds)


def test_one_repositorys_things_can_be_taken_back_alone(target: Target, reach: Reach) -> None:
    every = [*EVERY, pull(8, source_branch="keyless")]
    deliver(reach, *every)
    known = [replace(each, former=("PAY-1",), sequence=50) for each in every]
    CONNECTOR.erase(reach, way=relay.DEVELOPMENT, mark=MARK, known=known)
    shown = panel(target)
    assert shown["commits"] == shown["pullRequests"] == shown["branches"] == []
    assert shown["builds"] == shown["deployments"] == []


# ── What goes wrong ───────────────────────────────────────────────────────────────────────────


def test_one_bad_event_spoils_no_other(target: Target, reach: Reach) -> None:
    target.spoil(match=BULK, kind="status", status=400, times=1)
    events = [commit(number) for number in range(1, 9)]
    (sent,) = deliver(reach, *events)
    assert {word.outcome for word in sent.told} == {Outcomes.ACCEPTED}
    assert sent.requests == 3
    assert len(panel(target)["commits"]) == 8


def test_what_jira_never_takes_is_refused_alone(target: Target, reach: Reach) -> None:
    target.spoil(match=BULK, kind="status", status=400, times=None)
    (sent,) = deliver(reach, commit(1))
    target.sandbox.faults.withdraw()
    assert sent.told[0].outcome is Outcomes.REFUSED
    assert sent.told[0].detail


def test_what_is_too_large_is_sent_in_halves(target: Target, reach: Reach) -> None:
    target.order("/atlassian/switches", most_bytes=3_000)
    events = [commit(number) for number in range(1, 9)]
    (sent,) = deliver(reach, *events)
    assert {word.outcome for word in sent.told} == {Outcomes.ACCEPTED}
    assert sent.requests >= 3
    assert [word.event.key for word in sent.told] == [event.key for event in events]
    assert len(panel(target)["commits"]) == 8


def test_what_is_too_large_by_itself_says_so(target: Target, reach: Reach) -> None:
    target.order("/atlassian/switches", most_bytes=100)
    (sent,) = deliver(reach, commit(1))
    assert sent.told[0].detail == "Jira says that it is too large."


def test_builds_and_deployments_are_halved_too(target: Target, reach: Reach) -> None:
    target.order("/atlassian/switches", most_bytes=2_000)
    builds = [build(of=number) for number in range(1, 9)]
    deployments = [deployment(remote_id=f"d{number}", number=number) for number in range(1, 9)]
    told = words(deliver(reach, *builds, *deployments))
    assert {word.outcome for word in told.values()} == {Outcomes.ACCEPTED}
    assert len(panel(target)["builds"]) == len(panel(target)["deployments"]) == 8


def test_a_rate_limit_says_when_to_come_back(target: Target, reach: Reach) -> None:
    target.order("/atlassian/switches", bulk_per_minute=5, retry_after_seconds=7)
    with pytest.raises(RateLimited) as caught:
        deliver(reach, *[commit(number) for number in range(1, 12)])
    assert caught.value.retry_after_seconds
    assert panel(target)["commits"] == []


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (401, ReauthorizationRequired),
        (500, Unavailable),
        (503, Unavailable),
        (429, RateLimited),
    ],
)
def test_a_refused_request_sends_nothing(
    target: Target, reach: Reach, status: int, error: type[VendorError]
) -> None:
    target.spoil(match=BULK, kind="status", status=status, times=1)
    with pytest.raises(error):
        deliver(reach, commit(1))
    assert panel(target)["commits"] == []
    assert deliver(reach, commit(1))[0].told[0].outcome is Outcomes.ACCEPTED


def test_credentials_without_the_tick_are_told_so(target: Target) -> None:
    narrow = target.reach(target.credentials("acme-builds"))
    assert deliver(narrow, build())[0].told[0].outcome is Outcomes.ACCEPTED
    with pytest.raises((ScopeMissing, AccessDenied)):
        deliver(narrow, commit(1))


def test_a_person_may_not_write_the_panel(target: Target) -> None:
    with pytest.raises((ScopeMissing, AccessDenied, ReauthorizationRequired)):
        deliver(target.reach(target.consent()), commit(1))


def test_a_redirect_is_the_renamed_site_that_it_is(target: Target, reach: Reach) -> None:
    target.spoil(match=BULK, kind="redirect", times=1)
    with pytest.raises(RemoteGone, match="renamed"):
        deliver(reach, commit(1))


@pytest.mark.parametrize("kind", ["html", "empty", "cut", "reset"])
def test_a_broken_answer_is_tried_again_without_a_double(
    target: Target, reach: Reach, kind: str
) -> None:
    target.spoil(match=BULK, kind=kind, times=1)
    with pytest.raises(VendorError) as caught:
        deliver(reach, commit(1))
    assert caught.value.retry
    deliver(reach, commit(1))
    assert len(panel(target)["commits"]) == 1


def test_a_back_fill_moves_nothing_and_says_what_it_is(target: Target, reach: Reach) -> None:
    deliver(reach, commit(1, "PAY-1 #close"), back_fill=True)
    deliver(reach, commit(2, "PAY-1 #close"), options=frozenset({"quiet"}))
    assert truth(target)["fired"] == []
    received = truth(target)["received"]
    assert [each["backfill"] for each in received] == [True, False]
    assert [each["prevent_transitions"] for each in received] == [True, True]


def test_jira_runs_the_commands_of_what_arrives_once(target: Target, reach: Reach) -> None:
    accounts = atlassian(target.sandbox).describe()["accounts"]
    email = next(each["email"] for each in accounts if each["nickname"] == "dana")
    author = replace(DANA, email=email)
    said = "PAY-1 #comment Counted #time 1.5h on it #start-progress now\nNO-9 #close"
    for _ in range(2):
        deliver(reach, commit(1, said, author=author))
        deliver(reach, commit(2, "PAY-2 #comment x", author=replace(DANA, email="no@body.example")))
    assert [each["did"] for each in truth(target)["fired"]] == [
        ["PAY-1 comment", "PAY-1 time", "PAY-1 Start Progress", "Issue has not been found :NO-9"],
        ["Can't find JIRA user with given author email: no@body.example"],
    ]
    assert target.status("PAY-1") == "In Progress"
    assert [each["timeSpentSeconds"] for each in target.issue("PAY-1", "worklog")] == [5400]
    assert len(target.issue("PAY-1", "comment")) == 2  # what follows a transition is one, too


def test_without_smart_commits_none_is_run(target: Target, reach: Reach) -> None:
    deliver(reach, commit(1, "PAY-1 #start-progress"), options=frozenset())
    assert (truth(target)["fired"], target.status("PAY-1")) == ([], "Open")


def test_a_full_back_fill_is_taken_in_the_fewest_requests(target: Target, reach: Reach) -> None:
    events = [commit(number, f"PAY-{number % 40 + 1} x") for number in range(1, 2001)]
    sent = deliver(reach, *events, back_fill=True)
    assert len(sent) == 5
    assert {word.outcome for each in sent for word in each.told} == {Outcomes.ACCEPTED}
