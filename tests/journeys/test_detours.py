"""Ways that do not lead straight to a connection: each has a page that says what to do."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.journeys import rows, walks
from tests.journeys.windows import Person, Windows, found_organization, sign_up
from tests.live import LivePortal
from tests.prove.ways_behind import begin


@pytest.fixture(scope="module")
def dora(windows: Windows) -> Person:
    """Signed up, with an organization of her own; a team for each further connection."""
    dora = windows.stranger()
    sign_up(dora, "Dora Detour")
    found_organization(dora, "Detours")
    for team in ("Reds", "Greens", "Blues"):
        walks.make_team(dora, team)
    return dora


def at_the_vendor(person: Person, name: str, team: str = "") -> None:
    """Before the vendor's consent page."""
    walks.begin_link(person)
    person.follow("Choose Sign in to Bitbucket")
    walks.name_it(person, name, team)
    person.press("Go to Bitbucket Cloud")
    person.wait_at("/site/oauth2/authorize")


def test_who_says_no_at_the_vendor_reads_so_and_may_change_their_mind(dora: Person) -> None:
    at_the_vendor(dora, "Denied first")
    walks.consent(dora, "dana", "Cancel")

    dora.wait_at("/check$")
    dora.reads("You did not allow the access", "Nothing was linked")
    dora.follow("Try once more")
    expect(dora.page.get_by_label("Name of the connection")).to_have_value("Denied first")
    dora.press("Go to Bitbucket Cloud")
    walks.consent(dora, "dana")
    walks.arrived(dora)


def test_a_state_works_once_and_only_in_its_session(dora: Person, windows: Windows) -> None:
    at_the_vendor(dora, "Used", "Reds")
    answers: list[str] = []
    dora.page.on("request", lambda r: answers.append(r.url) if "/callback?" in r.url else None)
    walks.consent(dora, "tomas")
    connection = walks.arrived(dora)

    stranger = windows.signed_in("mallory@globex.example")
    stranger.open(answers[0])
    stranger.reads("Please start again", "fits no link that was begun in this session")
    dora.open(answers[0])
    dora.wait_at(connection)


def test_an_answer_after_ten_minutes_is_too_late(dora: Person, portal: LivePortal) -> None:
    at_the_vendor(dora, "Late", "Greens")
    rows.asked(
        portal,
        "UPDATE connections_pendinglink SET expires_at = now() - interval '1 second'"
        " WHERE name = 'Late'",
    )

    walks.consent(dora, "rashid")

    dora.reads("This took longer than ten minutes", "Nothing was linked")
    dora.follow("Try once more")
    dora.press("Go to Bitbucket Cloud")
    walks.consent(dora, "rashid")
    walks.arrived(dora)


def test_a_vendor_that_is_down_is_named_and_asked_again(dora: Person, portal: LivePortal) -> None:
    walks.begin_link(dora)
    portal.order("/faults", match="GET /2.0/user", kind="status", status=503, times=1)
    secret = walks.make_token(portal, "rashid", *walks.NARROW)
    walks.link_by_secret(
        dora, "API token", "Patient", secret, team="Blues", email="rashid@yarden.example"
    )

    dora.wait_at("/check$|/workspaces$")
    walks.arrived(dora)
    portal.order("/normal")


def test_a_dead_kind_of_token_is_recognised_before_it_is_tried(
    dora: Person, portal: LivePortal
) -> None:
    walks.begin_link(dora)
    secret = walks.token(portal, "dana-app-password")
    walks.link_by_secret(dora, "API token", "Dead", secret, email="dana@acme.example")

    dora.reads("This is an app password", "28 July 2026")
    expect(dora.page.get_by_label("Name of the connection")).to_have_value("Dead")
    assert secret not in dora.page.content()


def test_a_token_in_the_wrong_form_is_told_where_it_belongs(
    dora: Person, portal: LivePortal
) -> None:
    scoped = walks.at_atlassian(portal, "tokens", "dana-jira")
    begin(dora, "jira", "classic-token")
    walks.link_by_secret(
        dora, "API token without scopes", "Issues", scoped["token"],
        site="acme", email=scoped["email"],
    )  # fmt: skip

    dora.wait_at("/check$")
    dora.reads("A token with scopes works at api.atlassian.com only")


class TestLinkedAgain:
    def test_in_place_the_address_name_and_repositories_stay(self, dora: Person) -> None:
        dora.open("connections/")
        dora.follow("Denied first")
        connection = dora.page.url
        walks.choose_workspaces(dora, connection, "yarden")
        walks.wait_synced(dora, connection)

        again(dora, connection)
        walks.consent(dora, "dana")

        assert walks.arrived(dora) == connection
        dora.reads("Denied first")
        dora.open(connection + "repositories")
        dora.reads("11 repositories")
        dora.open(connection + "record")
        dora.reads("inked")

    def test_with_another_account_it_asks_first(self, dora: Person) -> None:
        dora.open("connections/")
        dora.follow("Denied first")
        connection = dora.page.url
        again(dora, connection)
        walks.consent(dora, "dana-too")

        dora.reads("This is another account than before", "Dana Levi (second account)")
        dora.reads("You lose", "מעבדת הירדן")
        dora.press("Keep it as it is")
        dora.wait_at(connection + "$")
        expect(dora.page.get_by_text("Dana Levi (second account)")).to_have_count(0)

        again(dora, connection)
        walks.consent(dora, "dana-too")
        dora.reads("This is another account than before")
        dora.press("Use the other account")
        assert walks.arrived(dora) == connection
        dora.open(connection)
        dora.reads("Dana Levi (second account)")


def again(person: Person, connection: str) -> None:
    """Before the vendor's consent page, to link this connection again."""
    person.open(connection + "credential")
    person.press("Link again")
    person.wait_at("/what$")
    person.press("Go on")
    person.follow("Choose Sign in to Bitbucket")
    person.press("Go to Bitbucket Cloud")
    person.wait_at("/site/oauth2/authorize")
