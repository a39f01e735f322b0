"""The calendar, its feed, and the board: who sees what of what comes due."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.test import Client
from hypothesis import given, strategies as st

from connections import icalendar, registry, used
from connections.changes import endpoint_of
from connections.contracts import VendorChange
from connections.flows import calendar_feeds, campaigns, endpoints, policy_settings
from connections.flows.policies import Rule
from connections.models import CalendarFeed, Check, Connection, UsedEndpoint, Verification
from connections.queries import board, changes, due
from portal import clock, key_rotation, logs, mfa_keys, roles
from portal.models import AuditEvent, Membership, Team, TeamMembership, User
from portal.policy import Actor, Role
from tests.connections.due import make
from tests.connections.pages import linked, signed_in, text
from tests.vendor import Vendor
from tests.works import Works

FEED = "/o/acme/calendar/feed/"


@pytest.fixture(autouse=True)
def _real_time() -> Iterator[None]:
    yield
    clock.reset()


@pytest.fixture
def alice(works: Works) -> Client:
    return signed_in(works.alice)


def a_team(works: Works, name: str = "Web") -> Any:
    with works.inside():
        return Team.objects.create(name=name).id


class TestCalendar:
    def test_what_ends_and_what_is_due_stand_on_their_days(
        self, works: Works, alice: Client
    ) -> None:
        make(works, "Ends soon", ends_in=20)
        make(works, "Too old", age=100, team_id=a_team(works))
        with works.inside():
            policy_settings.set_general(actor=works.admin, rule=Rule(max_age_days=90))
            campaigns.start(
                actor=works.alice,
                goal="rotate",
                title="All by Friday",
                connection_ids=Connection.objects.values_list("id", flat=True),
                due_at=clock.now() + timedelta(days=3),
            )
        page = text(alice.get("/o/acme/calendar/"))
        overdue, _, months = page.partition('class="agenda"')
        assert "Replace the credential of Too old" in overdue
        assert "Ends soon expires" in months and "All by Friday is due" in months
        only = text(alice.get("/o/acme/calendar/?kind=campaign"))
        assert "All by Friday is due" in only and "Ends soon expires" not in only
        assert alice.get("/o/acme/calendar/?kind=weather").status_code == 400
        assert alice.get("/o/acme/calendar/?from=2026-13").status_code == 400
        assert "Nothing comes due" in text(alice.get("/o/acme/calendar/?from=2040-01"))

    def test_much_that_is_overdue_hides_nothing_that_comes(
        self, works: Works, alice: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("connections.queries.calendar.MOST_OVERDUE", 1)
        monkeypatch.setattr(due, "MOST", 1)
        monkeypatch.setattr(due.entries, "__kwdefaults__", {"most": 1})
        team = a_team(works)
        for name, days in {"Late": -9, "Later": -8, "Soon": 0.05, "Sooner": 0.1}.items():
            make(works, name, ends_in=days, team_id=team)
        make(works, "Mine", ends_in=0.2, granted_by_id=works.alice.id)
        page = text(alice.get("/o/acme/calendar/"))
        assert "Late expired" in page and "Later expired" not in page
        assert "and 1 more" in page and "Soon expires" in page and "Sooner expires" not in page
        assert "Mine expires" in text(alice.get("/o/acme/calendar/?owner=me"))
        assert "Mine expires" in text(alice.get("/o/acme/calendar/?team=none"))
        assert "Soon expires" in text(alice.get(f"/o/acme/calendar/?team={team}"))

        feed = Client().get(TestFeed().made(alice)).content
        assert b"Soon expires" in feed and b"Sooner expires" not in feed
        assert feed.rpartition(b"BEGIN:VEVENT")[2].count(b"There is more than this calendar") == 1

    def test_a_member_sees_what_is_theirs(self, works: Works) -> None:
        bob = works.person("bob@acme.example", "Bob", Role.MEMBER)
        team = a_team(works)
        with works.inside():
            TeamMembership.objects.create(team_id=team, user_id=bob.id, role="reader")
        make(works, "Alices", ends_in=5, team_id=team)
        make(works, "Bobs", ends_in=5, granted_by_id=bob.id)
        page = text(signed_in(bob).get("/o/acme/calendar/"))
        assert "Bobs expires" in page and "Alices" not in page


class TestFeed:
    def made(self, client: Client) -> str:
        """The path of a new address, as its person copies it."""
        client.post(FEED + "make")
        found = re.search(r"/calendar/[\w-]{43}\.ics", text(client.get(FEED)))
        assert found
        return found[0]

    def test_a_calendar_program_reads_it_without_a_sign_in(
        self, works: Works, alice: Client
    ) -> None:
        make(works, "Web; a, b\\c", ends_in=5)
        address = self.made(alice)
        answer = Client().get(address)

        assert answer["Content-Type"] == "text/calendar; charset=utf-8"
        assert b"SUMMARY:Web\\; a\\, b\\\\c expires\r\n" in answer.content
        again = Client().get(address, headers={"If-None-Match": answer["ETag"]})
        assert (again.status_code, again.content) == (304, b"")
        with works.inside():
            assert CalendarFeed.objects.get().read_at is not None
            assert AuditEvent.objects.filter(action="calendar_feed.made").exists()

    def test_a_replaced_or_revoked_address_was_never_there(self, alice: Client) -> None:
        first = self.made(alice)
        second = self.made(alice)
        assert Client().get(first).status_code == 404
        assert Client().get(second).status_code == 200
        alice.post(FEED + "revoke")
        gone, unknown = Client().get(second), Client().get("/calendar/" + "x" * 43 + ".ics")
        assert gone.status_code == unknown.status_code == 404

    def test_T05_it_ends_with_the_membership(self, works: Works, alice: Client) -> None:
        address = self.made(alice)
        with works.inside():
            Membership.objects.filter(user_id=works.alice.id).delete()
        assert Client().get(address).status_code == 404

    def test_it_ends_with_the_account(self, works: Works, alice: Client) -> None:
        address = self.made(alice)
        User.objects.filter(id=works.alice.id).update(is_active=False)
        assert Client().get(address).status_code == 404

    def test_it_shows_what_its_person_sees_now(self, works: Works) -> None:
        bob = works.person("bob@acme.example", "Bob", Role.MEMBER)
        make(works, "Bobs", ends_in=5, granted_by_id=bob.id)
        make(works, "The teams", ends_in=5, team_id=a_team(works))
        address = self.made(signed_in(bob))
        assert b"Bobs expires" in Client().get(address).content
        assert b"The teams" not in Client().get(address).content
        with works.inside():
            Membership.objects.filter(user_id=bob.id).update(role=Role.AUDITOR)
        assert b"The teams expires" in Client().get(address).content

    def test_its_address_is_a_secret_at_rest_and_in_logs(self, works: Works, alice: Client) -> None:
        token = self.made(alice).removeprefix("/calendar/").removesuffix(".ics")
        with works.inside():
            feed = CalendarFeed.objects.get()
        assert token.encode() not in bytes(feed.sealed) + bytes(feed.hash)
        assert token not in logs.redact(f'GET "/calendar/{token}.ics" 200')

    def test_its_data_key_is_replaced_and_leaves_nothing_behind(
        self, works: Works, alice: Client
    ) -> None:
        address = self.made(alice)
        with works.inside():
            before = bytes(CalendarFeed.objects.get().sealed)
        version = int.from_bytes(before[3:7], "big")
        assert calendar_feeds.under(version) == 1
        assert mfa_keys.replace(clock.now()) > timedelta()
        assert (calendar_feeds.under(version), calendar_feeds.under(version + 1)) == (0, 1)
        clock.shift(key_rotation.SETTLED + timedelta(minutes=1))
        assert mfa_keys.replace(clock.now() - timedelta(days=90)) == timedelta()
        assert address in text(alice.get(FEED))
        with works.inside():
            assert bytes(CalendarFeed.objects.get().sealed) != before

    def test_one_whose_seal_is_broken_can_still_be_replaced(
        self, works: Works, alice: Client
    ) -> None:
        address = self.made(alice)
        with works.inside():
            CalendarFeed.objects.update(sealed=b"broken")
        assert "cannot be shown any more" in text(alice.get(FEED))
        assert Client().get(address).status_code == 200
        assert address in text(alice.get(FEED)), "reading it sealed it anew"


class TestICalendar:
    """RFC 5545: §3.1 folding, §3.3.11 escaping."""

    @given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=300))
    def test_no_text_breaks_out_of_its_line(self, words: str) -> None:
        event = icalendar.Event(
            "one@portal", datetime(2026, 11, 27, 17, tzinfo=UTC), words, words, "https://x/", "K"
        )
        whole = icalendar.calendar(words, [event])
        lines = whole.split("\r\n")
        assert lines.pop() == "" and all("\n" not in one and "\r" not in one for one in lines)
        assert all(len(one.encode()) <= 75 for one in lines)
        unfolded = whole.replace("\r\n ", "").split("\r\n")
        assert unfolded.count("BEGIN:VEVENT") == 1 and len(unfolded) == 19
        assert f"SUMMARY:{icalendar.escaped(words)}" in unfolded

    def test_a_day_has_no_hour_and_a_moment_is_utc(self) -> None:
        at = datetime(2026, 7, 28, tzinfo=UTC)
        whole = icalendar.calendar(
            "C",
            [
                icalendar.Event("a", at, "Day", "d", "https://x/", "K", is_day=True),
                icalendar.Event("b", at.replace(hour=9), "Hour", "d", "https://x/", "K"),
            ],
        )
        assert "DTSTART;VALUE=DATE:20260728\r\n" in whole
        assert "DTSTART:20260728T090000Z\r\n" in whole


class TestBoard:
    def lines(self, works: Works, actor: Actor | None = None) -> dict[str, board.BoardLine]:
        with works.inside():
            found = board.board(actor=actor or works.alice)
        return {line.change.key: line for line in [*found.coming, *found.in_force, *found.past]}

    def test_a_change_hits_by_kind_of_credential_scope_and_endpoint(self, works: Works) -> None:
        token = make(works, "Token", method="api-token")
        wiki = make(works, "Wiki", credential={"scopes": ["wiki"]}, team_id=a_team(works))
        asked = make(works, "Asked", team_id=a_team(works, "Data"))
        with roles.using_role("worker"), works.inside():
            UsedEndpoint.objects.create(connection=asked, endpoint="GET repositories")
            old = clock.now() - timedelta(days=120)
            UsedEndpoint.objects.create(
                connection=token, endpoint="GET workspaces", first_at=old, last_at=old
            )
        make(works, "Ends", method="api-token", ends_in=90, team_id=a_team(works, "Ops"))
        lines = self.lines(works)
        hit = {key: [one.name for one in line.connections] for key, line in lines.items()}
        assert hit["api-tokens-expire"] == [token.name]
        assert hit["issues-and-wikis-removed"] == [wiki.name]
        assert hit["cross-workspace-removed"] == [asked.name]
        assert hit["oauth-2026"] == []

    def test_what_asks_nothing_of_anybody_is_no_alarm(self, works: Works) -> None:
        make(works, method="client-credentials", credential={"kind": "client_credentials"})
        with works.inside():
            found = board.board(actor=works.alice)
        [line] = [one for one in found.past if one.change.key == "client-credentials-2026"]
        assert (line.count, line.state, line.word) == (1, "paused", "Nothing to do")
        assert (found.in_force, found.hits) == ([], 0)

    def test_a_server_is_hit_by_the_version_it_told_last(self, works: Works) -> None:
        made = {}
        for name, versions in {
            "Old": ["9.5.1", "9.4.2"],
            "New": ["10.3"],
            "Mute": [],
            "Late": ["8.19.12"],
            "Early": ["8.19.3"],
        }.items():
            team = a_team(works, name)
            made[name] = make(works, name, team_id=team, connector="bitbucket-data-center")
            with works.inside():
                for each in versions:
                    seen = Verification.objects.create(
                        connection=made[name], outcome="passed", finished_at=clock.now()
                    )
                    Check.objects.create(
                        verification=seen, position=1, key="version", title="V", detail=each
                    )
        lines = self.lines(works)
        hit = [one.name for one in lines["data-center-9-4-ends"].connections]
        assert hit == ["Early", "Late", "Old"]
        named = {key: [one.name for one in line.connections] for key, line in lines.items()}
        assert named["data-center-8-19-ends"] == ["Early", "Late"]
        assert named["data-center-tokens-limited"] == ["Late", "New", "Old"]
        assert named["data-center-iso-dates"] == ["New"]

    def test_it_leads_to_a_campaign_of_those_it_hits(self, works: Works, alice: Client) -> None:
        make(works, "Token", method="api-token")
        make(works, "Other", team_id=a_team(works))
        page = text(alice.get("/o/acme/calendar/changes/"))
        query = "?change=bitbucket-cloud%3Aapi-tokens-expire&amp;goal=rotate"
        assert query in page
        preview = text(alice.get("/o/acme/calendar/campaigns/new" + query.replace("&amp;", "&")))
        assert "1 connection would be in it" in preview and "Other" not in preview

    def test_all_that_it_hits_can_be_found_on_its_page(self, works: Works, alice: Client) -> None:
        for number in range(7):
            make(works, f"Token {number}", method="api-token", team_id=a_team(works, f"T{number}"))
        page = text(alice.get("/o/acme/calendar/changes/"))
        assert "Show 2 more" in page and all(f"Token {number}<" in page for number in range(7))

    def test_the_next_comes_first_and_the_latest_past_one_too(
        self, works: Works, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        make(works)
        clock.shift(datetime(2026, 3, 1, tzinfo=UTC) - clock.now())
        with works.inside():
            found = board.board(actor=works.alice)
        coming = [line.change.on for line in found.coming]
        past = [line.change.on for line in found.past]
        assert coming == sorted(coming) and past == sorted(past, reverse=True)
        assert coming[0] > date(2026, 3, 1) >= past[0]

    def test_operators_see_counts_and_no_names(self, works: Works) -> None:
        make(works, "Secret name", method="api-token")
        make(works, "Ends", method="api-token", ends_in=9, team_id=a_team(works))
        olga = User.objects.create_user("olga@portal.example", None, name="Olga", is_operator=True)
        page = text(signed_in(Actor("operator", olga.id, "Olga")).get("/platform/changes/"))
        assert "1 connection of 1 organization" in page and "Secret name" not in page
        found = board.platform_board(UUID(str(works.alice.id)))
        assert not any(line.count for line in [*found.in_force, *found.coming, *found.past])

    def test_every_change_is_whole(self) -> None:
        for _, change in changes.every():
            assert change.url.startswith("https://") and change.remedy and change.breaks
            assert change.since is None or change.since <= change.on
            assert change.goal in ("", "rotate", "relink")
            assert not change.goal or change.hits_somebody


class TestUsedEndpoints:
    def test_a_verification_leaves_path_templates_and_no_names(
        self, works: Works, vendor: Vendor
    ) -> None:
        connection = linked(works, vendor)
        with roles.using_role("worker"):
            endpoints.keep()
        with works.inside():
            found = set(
                UsedEndpoint.objects.filter(connection=connection).values_list(
                    "endpoint", flat=True
                )
            )
        assert "GET user" in found and "GET user/workspaces" in found
        assert not any("acme" in one for one in found)
        assert used.take() == []

    @pytest.mark.parametrize(
        ("path", "endpoint"),
        [
            (
                "GET /2.0/repositories/acme/web/hooks?page=2",
                "repositories/{workspace}/{repository}/hooks",
            ),
            ("GET /2.0/repositories/acme/user", "repositories/{workspace}/{repository}"),
            ("GET /2.0/repositories", "repositories"),
            ("GET /2.0/something/else/again/here", "another path"),
        ],
    )
    def test_a_path_fits_its_template(self, path: str, endpoint: str) -> None:
        templates = registry.get("bitbucket-cloud").manifest.templates
        assert endpoint_of(path, templates) == f"GET {endpoint}"

    def test_a_change_of_nothing_hits_nobody(self) -> None:
        news = VendorChange("k", date(2026, 1, 1), "t", "b", "r", "https://x/")
        assert not news.hits_somebody
        assert calendar_feeds.DOMAIN == "mfa", "the web process opens no other domain"
