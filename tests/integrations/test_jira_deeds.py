"""Smart commits carried out, and links written, over real sockets at Jira's sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from connections.contracts import (
    Carried,
    CommitRecord,
    Deed,
    Order,
    Outcomes,
    Person,
    Reach,
    RelayEvent,
    Sent,
)
from connections.errors import (
    RateLimited,
    ReauthorizationRequired,
    RemoteGone,
    ScopeMissing,
    Unavailable,
)
from integrations.jira import CONNECTOR, relay
from integrations.jira.documents import texts
from integrations.sandbox.running import Sandbox
from tests.contract import door_to
from tests.integrations.atlassian_standings import ORIGINS, row
from tests.integrations.jira_documents import PLATFORM, against, needs_documents
from tests.integrations.jira_events import (
    MARK,
    NOW,
    branch,
    build,
    commit,
    deployment,
    gone,
    pull,
    sha,
)
from tests.integrations.jira_targets import CALLBACK, Heard, Target


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
    return target.reach(target.token("scoped-token", "dana-jira"))


def wrote(email: str = "", name: str = "Dana Miller", account: str = "") -> Carried:
    return Carried(Person("d", name, email), email=email, target_id=account)


def email_of(target: Target, token: str = "dana-classic") -> str:
    return str(row(target.sandbox, "tokens", token)["email"])


def run(reach: Reach, message: str, author: Carried, *, again: bool = False) -> list[Deed]:
    made = CommitRecord(
        sha(5), (), message, author.person, NOW, f"https://bitbucket.org/acme/x/commits/{sha(5)}"
    )
    return [
        CONNECTOR.run(reach, Order(command, made, author, again=again))
        for command in CONNECTOR.commands(message)
    ]


# ── Commands ──────────────────────────────────────────────────────────────────────────────────


def test_all_commands_of_a_message_are_carried_out(target: Target, reach: Reach) -> None:
    message = "PAY-1 #time 1.5h on it #comment Größe ist 5 % #start-progress now it begins"
    assert run(reach, message, wrote(email_of(target))) == [Deed(True)] * 3
    (worklog,) = target.issue("PAY-1", "worklog")
    comments = [texts(each["body"]) for each in target.issue("PAY-1", "comment")]
    assert (worklog["timeSpentSeconds"], texts(worklog["comment"])) == (
        5400,
        "on it in commit 0000000",
    )
    assert worklog["started"] == "2026-11-20T09:30:00.000+0000"
    assert comments == [
        "Größe ist 5 % in commit 0000000",
        "now it begins in commit 0000000",
    ]
    assert target.status("PAY-1") == "In Progress"


@pytest.mark.parametrize(
    ("message", "author", "says"),
    [
        ("PAY-1 #comment a", wrote(), "Changeset doesn't contain author email"),
        ("PAY-1 #comment a", wrote("dana"), "Can't find JIRA user with given author email: dana"),
        ("PAY-1 #comment a", wrote("who@else.example"), "Can't find JIRA user"),
        ("PAY-999 #comment a", wrote(account="712020:x"), "Issue has not been found :PAY-999"),
        ("PAY-999 #done", wrote(account="712020:x"), "Issue has not been found :PAY-999"),
        ("PAY-999 #time 1h", wrote(account="712020:x"), "Issue has not been found :PAY-999"),
        ("PAY-1 #comment", wrote(account="712020:x"), "There is no text after #comment."),
        ("PAY-1 #time soon", wrote(account="712020:x"), "no time after #time"),
        ("PAY-1 #approve", wrote(account="712020:x"), "No transition of PAY-1 begins with"),
        ("WEB-1 #start", wrote(account="712020:x"), "“start” may mean several transitions"),
        ("WEB-1 #close", wrote(account="712020:x"), "Close Issue, Close as duplicate"),
    ],
)
def test_what_cannot_be_done_says_why(
    reach: Reach, message: str, author: Carried, says: str
) -> None:
    (deed,) = run(reach, message, author)
    assert not deed.done
    assert says in deed.detail


def test_a_mapped_author_is_not_looked_for(target: Target, reach: Reach) -> None:
    assert run(reach, "PAY-2 #comment a", wrote("who@else.example", account="712020:x")) == [
        Deed(True)
    ]
    (comment,) = target.issue("PAY-2", "comment")
    assert comment["body"]["content"][-1]["content"][0]["attrs"]["id"] == "712020:x"


def test_a_cut_off_command_does_nothing_twice(target: Target, reach: Reach) -> None:
    message = "PAY-3 #time 2h #comment once #start-progress moved"
    author = wrote(email_of(target))
    assert all(deed.done for deed in run(reach, message, author))
    assert all(deed.done for deed in run(reach, message, author, again=True))
    assert len(target.issue("PAY-3", "worklog")) == 1
    assert len(target.issue("PAY-3", "comment")) == 2


def test_a_transition_that_was_cut_off_is_not_called_a_mistake(reach: Reach) -> None:
    author = wrote(account="712020:x")
    run(reach, "PAY-4 #start-progress", author)
    (deed,) = run(reach, "PAY-4 #start-progress", author, again=True)
    assert "it probably was" in deed.detail


def test_without_the_right_to_write_nothing_is_called_the_authors_mistake(target: Target) -> None:
    narrow = target.reach(target.token("scoped-token", "dana-narrow"))
    with pytest.raises((ScopeMissing, ReauthorizationRequired)):
        run(narrow, "PAY-1 #comment a", wrote(account="712020:x"))


def test_who_may_not_look_for_people_is_told_what_is_missing(target: Target) -> None:
    scopes = ["read:jira-work", "write:jira-work"]
    target.order("/atlassian/tokens", name="blind", kind="scoped", user="dana", scopes=scopes)
    blind = target.reach(target.token("scoped-token", "blind"))
    (deed,) = run(blind, "PAY-1 #comment a", wrote(email_of(target)))
    assert "has to allow “Find people”" in deed.detail


@pytest.mark.parametrize(("status", "error"), [(429, RateLimited), (503, Unavailable)])
def test_an_outage_is_tried_again(
    target: Target, reach: Reach, status: int, error: type[Exception]
) -> None:
    target.spoil(match="POST /ex/jira/*", kind="status", status=status, times=1)
    with pytest.raises(error):
        run(reach, "PAY-1 #comment a", wrote(account="712020:x"))


@needs_documents
def test_every_deed_is_one_that_jira_documents(reach: Reach) -> None:
    heard = Heard(reach.api)
    message = "PAY-5 #comment a b #time 1.5h #time 2h on it #start-progress #resolve and why"
    run(replace(reach, api=heard), message, wrote(account="712020:x"))
    posted = [(path, body) for method, path, body in heard.sent if method == "POST"]
    assert len(posted) == 5
    for path, body in posted:
        what = path.partition("?")[0].rpartition("/")[2]
        document = f"/rest/api/3/issue/{{issueIdOrKey}}/{what}"
        assert against(PLATFORM, document, "post", body) == []


# ── Links ─────────────────────────────────────────────────────────────────────────────────────


def deliver(reach: Reach, *events: RelayEvent) -> dict[str, Sent]:
    packing = relay.pack(events, way=relay.LINKS, mark=MARK)
    return {parcel.events[0].key: CONNECTOR.send(reach, parcel) for parcel in packing.parcels}


EVERY = (commit(), branch(), pull(), build(), deployment())


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("", ""),
        ("classic-token", "dana-classic"),
        ("scoped-token", "dana-jira"),
        ("service-account-token", "bot-jira"),
    ],
)
def test_every_kind_is_linked_once_by_every_way(target: Target, key: str, name: str) -> None:
    reach = target.reach(target.token(key, name) if key else target.consent())
    for _ in range(2):
        words = [sent.told[0] for sent in deliver(reach, *EVERY).values()]
        assert {word.outcome for word in words} == {Outcomes.ACCEPTED}
        assert {word.subjects for word in words} == {("PAY-1",)}
    links = target.issue("PAY-1", "remotelink")
    assert sorted(link["relationship"] for link in links) == [
        "Branch",
        "Build",
        "Commit",
        "Deployment",
        "Pull request",
    ]
    assert all(MARK in link["globalId"] for link in links)


def test_a_link_moves_when_another_issue_is_named(target: Target, reach: Reach) -> None:
    deliver(reach, pull(title="PAY-1 x", source_branch="x"))
    moved = pull(title="PAY-2 x GONE-7", source_branch="x", former=("PAY-1",), sequence=9)
    (sent,) = deliver(reach, moved).values()
    assert sent.told[0].subjects == ("PAY-2",)
    assert sent.told[0].unknown == ("GONE-7",)
    assert sent.requests == 3
    assert target.issue("PAY-1", "remotelink") == []
    assert len(target.issue("PAY-2", "remotelink")) == 1


def test_what_names_only_unknown_issues_says_so(reach: Reach) -> None:
    (sent,) = deliver(reach, commit(message="GONE-7 x")).values()
    assert sent.told[0].outcome is Outcomes.UNKNOWN_SUBJECT
    assert sent.told[0].detail == "Jira knows none of the issues GONE-7."


def test_what_is_gone_is_taken_back(target: Target, reach: Reach) -> None:
    deliver(reach, branch())
    (sent,) = deliver(reach, gone(branch(), "PAY-1")).values()
    assert sent.told[0].outcome is Outcomes.WITHDRAWN
    assert target.issue("PAY-1", "remotelink") == []


def test_all_links_can_be_taken_back(target: Target, reach: Reach) -> None:
    deliver(reach, *EVERY)
    known = [replace(event, former=("PAY-1",), record=None) for event in EVERY]
    assert CONNECTOR.remains(reach, way=relay.LINKS, mark=MARK, known=known)
    CONNECTOR.erase(reach, way=relay.LINKS, mark=MARK, known=known)
    assert not CONNECTOR.remains(reach, way=relay.LINKS, mark=MARK, known=known)
    assert target.issue("PAY-1", "remotelink") == []


def test_an_issue_that_is_closed_to_us_holds_up_no_other(target: Target, reach: Reach) -> None:
    deliver(reach, commit(1, "PAY-1 PAY-2 x"))
    target.spoil(match="* /ex/jira/*/issue/PAY-1/*", kind="status", status=403, times=None)
    moved = commit(1, "PAY-1 PAY-3 x", former=("PAY-1", "PAY-2"))
    (sent,) = deliver(reach, moved).values()
    known = [replace(moved, former=("PAY-1", "PAY-3"))]
    left = CONNECTOR.erase(reach, way=relay.LINKS, mark=MARK, known=known)
    target.sandbox.faults.withdraw()
    assert sent.told[0].subjects == ("PAY-3",)
    assert "may not link PAY-1" in sent.told[0].detail
    assert left == 1
    assert [len(target.issue(key, "remotelink")) for key in ("PAY-1", "PAY-2", "PAY-3")] == [
        1,
        0,
        0,
    ]


def test_a_renamed_site_is_named_as_such(target: Target) -> None:
    reach = target.reach(target.token("classic-token", "dana-classic"))
    target.spoil(match="POST /rest/api/3/*", kind="redirect", times=None)
    try:
        with pytest.raises(RemoteGone, match="renamed"):
            deliver(reach, commit())
    finally:
        target.sandbox.faults.withdraw()


@needs_documents
@pytest.mark.parametrize("event", EVERY, ids=lambda event: event.kind)
def test_every_link_is_one_that_jira_documents(event: RelayEvent) -> None:
    (parcel,) = relay.pack([event], way=relay.LINKS, mark=MARK).parcels
    body: Any = parcel.body
    path = "/rest/api/3/issue/{issueIdOrKey}/remotelink"
    assert against(PLATFORM, path, "post", body["link"]) == []
