"""What pages read: state in words, lists by keyset, filters that mean what they say."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import BadRequest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from connections.models import (
    Check,
    Connection,
    Credential,
    RotationPolicy,
    SyncRun,
    Verification,
    worst_of,
)
from connections.queries import health
from connections.queries.listing import ORDERS, ConnectionList, Wish, connection_list
from connections.queries.overview import overview
from connections.queries.repositories import RepositoryWish
from connections.queries.verification import CheckLine, drifts
from portal.models import Team
from tests.connections.pages import signed_in, text
from tests.works import Works

NOW = timezone.now()
STATES: dict[str, dict[str, Any]] = {
    "working": {"state": "active"},
    "unverified": {"state": "unverified"},
    "broken": {"state": "needs_reauthorization"},
    "attention": {"state": "active", "last_error": "unavailable", "last_error_at": NOW},
    "paused": {"state": "active", "paused_at": NOW},
}


def make(works: Works, name: str, **facts: Any) -> Connection:
    with works.inside():
        team, _ = Team.objects.get_or_create(name="Payments", defaults={"organization": works.acme})
        made: Connection = Connection.objects.create(
            connector="bitbucket-cloud",
            method="api-token",
            name=name,
            team_id=team.id,
            account_id=name,
            account_name="Dana",
            account_kind="user",
            granted_by_name="Alice",
            **facts,
        )
        return made


def listed(works: Works, cursor: str = "", **wish: str) -> ConnectionList:
    with works.inside():
        return connection_list(slug="acme", wish=Wish.read(wish), cursor=cursor, details=True)


def names(shown: ConnectionList) -> list[str]:
    return [row.name for row in shown.rows]


def test_each_state_is_found_by_its_word(works: Works) -> None:
    for word, facts in STATES.items():
        make(works, word, **facts)
    make(works, "gone", state="revoked", revoked_at=NOW)

    assert sorted(names(listed(works))) == sorted(STATES)
    for word in STATES:
        assert names(listed(works, state=word)) == [word]
    assert names(listed(works, state="revoked")) == ["gone"]
    with works.inside():
        rows = Connection.objects.annotate(word=health.in_sql()).exclude(state="revoked")
        assert {row.name: row.word for row in rows} == {word: word for word in STATES}
        assert all(health.word_of(row) == row.name for row in rows)


def test_what_a_verification_found_lacking_is_attention_everywhere(works: Works) -> None:
    lacks = make(works, "lacks", state="active")
    make(works, "fine", state="active")
    with works.inside():
        Verification.objects.create(connection=lacks, outcome="partly", finished_at=NOW)

    assert names(listed(works, state="attention")) == ["lacks"]
    assert names(listed(works, state="working")) == ["fine"]
    assert "Attention" in listed(works).rows[1].badge
    with works.inside():
        shown = overview(slug="acme", actor=works.alice)
    assert [need.name for need in shown.needs] == ["lacks"]
    assert dict(shown.counts) == {"attention": 1, "working": 1}


def test_the_worst_check_says_what_is_not_possible(works: Works) -> None:
    found = {
        "unreached": ("unavailable", "Bitbucket Cloud is not answering: Probe unreached"),
        "refused": (
            "access_denied",
            "The linked account may not see something: Probe refused",
        ),
        "missing": ("scope_missing", "A permission is missing: Probe missing"),
    }
    lacks = make(works, "lacks", state="active")
    with works.inside():
        verification = Verification.objects.create(
            connection=lacks, outcome="partly", finished_at=NOW
        )
    for position, (outcome, (error, says)) in enumerate(found.items()):
        with works.inside():
            Check.objects.create(
                verification=verification,
                position=position,
                key=outcome,
                title=f"Probe {outcome}",
                outcome=outcome,
                error=error,
            )
            verification.lack = worst_of(verification.checks.all())
            verification.save(update_fields=["lack"])
            shown = overview(slug="acme", actor=works.alice)
        assert [row.trouble for row in listed(works).rows] == [says]
        assert [need.title for need in shown.needs] == [says]
        assert [square.words for square in shown.squares] == [says]


def test_removals_are_held_back_until_the_next_run_ends(works: Works) -> None:
    held = make(works, "held", state="active")
    over = make(works, "over", state="active")
    gone = make(works, "gone", state="revoked", revoked_at=NOW)
    later = NOW + timedelta(hours=1)
    with works.inside():
        for connection in (held, over, gone):
            SyncRun.objects.create(
                connection=connection, state="quarantined", created_at=NOW, finished_at=NOW
            )
        SyncRun.objects.create(connection=held, state="running", created_at=later)
        SyncRun.objects.create(connection=over, state="done", created_at=later, finished_at=later)
        shown = overview(slug="acme", actor=works.alice)
    assert [need.name for need in shown.needs] == ["held"]
    assert "held back" in shown.needs[0].title


def test_what_is_overdue_by_policy_needs_somebody(works: Works) -> None:
    old = make(works, "old", state="active")
    with works.inside():
        Credential.objects.create(
            connection=old, kind="api_token", created_at=NOW - timedelta(days=100)
        )
        assert not overview(slug="acme", actor=works.alice).needs
        RotationPolicy.objects.create(max_age_days=90)
        shown = overview(slug="acme", actor=works.alice)
        (need,) = shown.needs
    assert shown.says_overdue and "overdue by policy" not in text(
        signed_in(works.alice).get("/o/acme/")
    )
    assert (need.name, need.title) == ("1 credential", "Overdue for replacement")
    assert need.button_url == "/o/acme/calendar/"


def test_a_kind_of_credential_is_said_in_words() -> None:
    check = Check(key="credential", detail="user_http_token", outcome="noted")
    assert CheckLine(check, "", "", "", None).detail == "HTTP access token of a person"
    [found] = drifts([{"what": "credential kind", "before": "apppassword", "after": "api_token"}])
    assert (found.before, found.after) == ("App password", "API token")


def test_x24_wildcards_in_a_search_are_letters(works: Works) -> None:
    make(works, "100% code")
    make(works, "100 code")
    make(works, "snake_case")
    make(works, "snakeXcase")
    make(works, "back\\slash")

    assert names(listed(works, q="100%")) == ["100% code"]
    assert names(listed(works, q="snake_c")) == ["snake_case"]
    assert names(listed(works, q="\\")) == ["back\\slash"]


def test_a_label_is_found_by_filter_and_by_search(works: Works) -> None:
    make(works, "one", labels=["production"])
    make(works, "two", labels=["staging"])

    assert names(listed(works, label="production")) == ["one"]
    assert names(listed(works, q="staging")) == ["two"]


def test_a_search_finds_no_account_that_the_list_hides(works: Works) -> None:
    make(works, "theirs")
    default = make(works, "default")
    with works.inside():
        Connection.objects.filter(id=default.id).update(team_id=None)

        def found(*, details: bool) -> list[tuple[str, str]]:
            wish = Wish(search="dan")
            shown = connection_list(slug="acme", wish=wish, cursor="", details=details)
            return [(row.name, row.account) for row in shown.rows]

        assert found(details=True) == [("default", "Dana"), ("theirs", "Dana")]
        assert found(details=False) == [("default", "Dana")]


@pytest.mark.parametrize("sort", sorted(ORDERS))
def test_walking_there_and_back_meets_every_row_once(works: Works, sort: str) -> None:
    for number in range(120):
        trouble = NOW - timedelta(minutes=number % 7) if number % 3 else None
        make(works, f"c{number:03}", last_error="refused" if trouble else "", last_error_at=trouble)

    pages = [listed(works, sort=sort)]
    while pages[-1].next:
        pages.append(listed(works, cursor_of(pages[-1].next), sort=sort))
    there = [name for page in pages for name in names(page)]
    back = [listed(works, cursor_of(pages[-1].previous), sort=sort)]
    while back[-1].previous:
        back.append(listed(works, cursor_of(back[-1].previous), sort=sort))

    assert len(there) == len(set(there)) == 120
    assert [names(page) for page in reversed(back)] == [names(page) for page in pages[:-1]]
    assert not pages[0].previous and not pages[-1].next
    assert pages[0].count == "50 of 120"


def cursor_of(address: str) -> str:
    return address.rpartition("cursor=")[2].replace("%3A", ":")


@pytest.mark.parametrize("wish", [{"sort": "password"}, {"sort": "organization__name"}])
def test_f15_a_sort_that_is_not_on_the_list_is_refused(wish: dict[str, str]) -> None:
    with pytest.raises(BadRequest):
        Wish.read(wish)
    with pytest.raises(BadRequest):
        RepositoryWish.read(wish)


@pytest.mark.parametrize("cursor", ["0", "-1", "1e9", "NaN", "x:y:z", "a" * 5000])
def test_f14_a_forged_cursor_is_refused(works: Works, cursor: str) -> None:
    with pytest.raises(BadRequest):
        listed(works, cursor)


def test_f14_a_cursor_of_another_organization_is_refused(works: Works) -> None:
    for number in range(51):
        make(works, f"c{number:02}")
    cursor = cursor_of(listed(works).next)
    other = works.organization("other")

    with pytest.raises(BadRequest), works.inside(other):
        connection_list(slug="other", wish=Wish(), cursor=cursor, details=True)


def test_the_list_asks_few_questions(works: Works) -> None:
    for number in range(60):
        make(works, f"c{number:02}", labels=["a", "b"])

    with CaptureQueriesContext(database) as asked:
        listed(works)

    assert len([each for each in asked if "SELECT" in each["sql"]]) <= 4
