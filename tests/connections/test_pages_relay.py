"""Pages of links between connections: what each shows, who may do what, and what a refusal says."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client

from connections.models import Connection, LinkRepository, RelayItem, Repository, Workspace
from portal import clock
from portal.models import Team, TeamMembership, User
from portal.policy import Role
from tests.connections import joining
from tests.connections.joining import (
    LINKS,
    attempt,
    deed,
    item,
    joined,
    part_of,
    reloaded,
)
from tests.connections.pages import refused, signed_in, text
from tests.works import Works

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def source(works: Works) -> Connection:
    return joining.code(works)


@pytest.fixture
def place(works: Works) -> Workspace:
    return joining.target(works)


@pytest.fixture
def alice(works: Works) -> Client:
    return signed_in(works.alice)


class TestList:
    def test_without_links_it_says_what_one_is_and_what_is_missing(
        self, works: Works, alice: Client
    ) -> None:
        page = text(alice.get(LINKS))
        assert "A link joins two connections" in page and "Open the catalogue" in page
        joining.code(works)
        assert "connection to Jira" in text(alice.get(LINKS))
        joining.target(works)
        assert "Join two connections" in text(alice.get(LINKS))

    def test_each_line_says_from_where_to_where_and_how_it_is(
        self, works: Works, source: Connection, place: Workspace, alice: Client
    ) -> None:
        link = joined(works, source, place)
        item(works, link, heard_at=clock.now() - timedelta(minutes=5))
        item(works, link, state="dead", error="refused")
        page = text(alice.get(LINKS))
        assert "Acme code" in page and "Acme issues" in page and "acme.atlassian.net" in page
        assert "for 5 minutes" in page and "1 event failed for good" in page

    def test_it_counts_what_is_in_trouble(
        self, works: Works, source: Connection, place: Workspace, alice: Client
    ) -> None:
        link = joined(works, source, place)
        assert "none in trouble" in text(alice.get(LINKS))
        assert "Nothing fits" in text(alice.get(f"{LINKS}?state=trouble"))
        item(works, link, heard_at=clock.now() - timedelta(minutes=5))
        page = text(alice.get(f"{LINKS}?state=trouble"))
        assert "1 in trouble" in page and "Code to issues" in page

    @pytest.mark.parametrize(
        ("query", "shown"),
        [
            ("?q=issues", True),
            ("?q=nothing", False),
            ("?state=paused", False),
            ("?target=jira", True),
        ],
    )
    def test_it_is_narrowed(
        self,
        works: Works,
        source: Connection,
        place: Workspace,
        alice: Client,
        query: str,
        shown: bool,
    ) -> None:
        joined(works, source, place)
        page = text(alice.get(LINKS + query))
        assert ("Code to issues" in page) is shown and ("Nothing fits" in page) is not shown

    @pytest.mark.parametrize("path", ["?state=x", "{}?state=x", "{}log?state=x", "{}outbox?part=x"])
    def test_a_filter_that_is_not_on_the_list_is_refused(
        self, works: Works, source: Connection, place: Workspace, alice: Client, path: str
    ) -> None:
        link = joined(works, source, place)
        assert alice.get(LINKS + path.format(f"{link.id}/")).status_code == 400

    def test_a_link_of_a_teams_connection_is_its_own_matter(
        self, works: Works, source: Connection, alice: Client
    ) -> None:
        with works.inside():
            team = Team.objects.create(name="Payments")
        link = joined(works, source, joining.target(works, team=team))
        mel = works.person("mel@acme.example", "Mel", Role.MEMBER)
        assert "Code to issues" not in text(signed_in(mel).get(LINKS))
        assert signed_in(mel).get(f"{LINKS}{link.id}/").status_code == 404
        assert "Code to issues" in text(alice.get(LINKS))


class TestOne:
    def test_each_repository_says_what_came_of_it_and_is_let_in_or_out(
        self, works: Works, source: Connection, place: Workspace, alice: Client
    ) -> None:
        link = joined(works, source, place)
        here = f"{LINKS}{link.id}/"
        with works.inside():
            first = Repository.objects.get(slug="api")
            parts = LinkRepository.objects.filter(link=link, repository=first)
            parts.update(failed=2, last_error="refused", last_error_detail="too <b>long</b>")
        page = text(alice.get(f"{here}?state=trouble"))
        assert "acme/api" in page and "too &lt;b&gt;long" in page and "web-shop" not in page

        alice.post(f"{here}repositories/parts", {"selected": [first.id], "off": "1"})
        assert part_of(works, link)["api"] is False
        alice.post(f"{here}repositories/parts", {"selected": [first.id], "on": "1"})
        assert part_of(works, link)["api"] is True
        answer = alice.post(f"{here}repositories/parts", {"selected": ["nonsense"]}, follow=True)
        assert "Tick a repository first" in text(answer)

    def test_what_was_written_is_taken_back_after_a_look(
        self, works: Works, source: Connection, place: Workspace, alice: Client
    ) -> None:
        link = joined(works, source, place)
        with works.inside():
            first = Repository.objects.get(slug="api")  # the first by name
        item(works, link, state="sent", sent_sequence=1, subjects=["ACME-1"])
        here = f"{LINKS}{link.id}/repositories/parts"
        page = text(alice.post(here, {"selected": [first.id], "erase": "1"}))
        assert "1 event of 1 repository is no longer shown at Jira" in page
        assert part_of(works, link)["api"] is True
        alice.post(here, {"selected": [first.id], "erase": "1", "sure": "1"})
        assert part_of(works, link)["api"] is False

    def test_its_repositories_are_sorted_by_their_last_trouble(
        self, works: Works, source: Connection, place: Workspace, alice: Client
    ) -> None:
        link = joined(works, source, place)
        with works.inside():
            parts = LinkRepository.objects.filter(link=link, repository__slug="web-shop")
            parts.update(last_error="refused", last_error_at=clock.now())
        page = text(alice.get(f"{LINKS}{link.id}/?sort=-trouble"))
        assert page.index("acme/web-shop") < page.index("acme/api")
        assert alice.get(f"{LINKS}{link.id}/?sort=-size").status_code == 400

    def test_a_back_fill_shows_how_far_it_is_and_is_stopped(
        self, works: Works, source: Connection, place: Workspace, alice: Client
    ) -> None:
        under_way = {"backfill_stand": "sending", "backfill_total": 900, "backfill_done": 300}
        link = joined(works, source, place, **under_way)
        here = f"{LINKS}{link.id}/"
        page = text(alice.get(here))
        assert "300 of 900 events" in page and "600 events to go" in page
        alice.post(f"{here}back-fill/stop")
        page = text(alice.get(here))
        assert "Cancelled" in page and "300 of 900 events sent" in page
        refused(alice.post(f"{here}settings", {"span": "day"}))
        alice.post(f"{here}settings", {"span": "30"})
        assert reloaded(works, link).backfill_stand == "drawing"

    def test_it_is_paused_and_resumed(
        self, works: Works, source: Connection, place: Workspace, alice: Client
    ) -> None:
        link = joined(works, source, place)
        here = f"{LINKS}{link.id}/"
        item(works, link)
        alice.post(f"{here}pause")
        page = text(alice.get(here))
        assert "by Alice" in page and "1 event waits" in page
        alice.post(f"{here}resume")
        assert reloaded(works, link).state == "active"

    def test_it_is_no_better_than_its_connections(
        self, works: Works, source: Connection, place: Workspace, alice: Client
    ) -> None:
        link = joined(works, source, place)
        with works.inside():
            rows = Connection.objects.filter(id=place.connection_id)
            rows.update(state="needs_reauthorization")
        page = text(alice.get(f"{LINKS}{link.id}/"))
        assert "Acme issues cannot be used" in page and "See Acme issues" in page

    def test_an_end_is_asked_for_by_name_and_offers_to_take_back(
        self, works: Works, source: Connection, place: Workspace, alice: Client
    ) -> None:
        link = joined(works, source, place)
        here = f"{LINKS}{link.id}/"
        item(works, link, state="sent", sent_sequence=1, subjects=["ACME-1"])
        page = text(alice.get(f"{here}settings"))
        assert "1 event of 1 repository is shown at Jira" in page
        wrong = {"erase": "0", "confirm_name": "no"}
        assert "not the name of this link" in refused(alice.post(f"{here}remove", wrong))
        alice.post(f"{here}remove", {"erase": "1", "confirm_name": "Code to issues"})
        assert "1 event as far as we know" in text(alice.get(here))
        assert "Nothing can be set any more" in text(alice.get(f"{here}settings"))

    def test_a_connections_tab_lists_the_links_it_is_an_end_of(
        self, works: Works, source: Connection, place: Workspace, alice: Client
    ) -> None:
        tab = f"/o/acme/connections/{source.id}/links"
        assert "Joined to no other connection" in text(alice.get(tab))
        joined(works, source, place)
        for end in (source.id, place.connection_id):
            assert "Code to issues" in text(alice.get(f"/o/acme/connections/{end}/links"))
        page = text(alice.get(f"/o/acme/connections/{source.id}/settings"))
        assert "1 link with other connections ends" in page and "Code to issues" in page


class TestLogAndOutbox:
    def test_the_log_says_what_was_sent_and_what_was_said(
        self, works: Works, source: Connection, place: Workspace, alice: Client
    ) -> None:
        link = joined(works, source, place)
        here = f"{LINKS}{link.id}/log"
        assert "Nothing was sent" in text(alice.get(here))
        entry = ["x", "commit", "c" * 40, "refused", HOSTILE]
        attempt(works, link, failed=1, unknown_subjects=["NOPE-1"], items=[entry])
        attempt(works, link, answer="unavailable", accepted=0)
        attempt(works, link, accepted=0, failed=3)
        page = text(alice.get(here))
        assert "2 commits, 1 branch" in page and "NOPE-1" in page and HOSTILE not in page
        assert "Jira is not answering" in page
        failed = text(alice.get(f"{here}?state=failed"))
        assert "Refused" in failed and "NOPE-1" not in failed

    @pytest.mark.parametrize(
        ("query", "is_found"),
        [
            *(("?q=acme-7", True), ("?q=cccc", True), ("?q=nope-1", True), ("?q=ACME-8", False)),
            *(("?kind=commit", True), ("?kind=deployment", False)),
        ],
    )
    def test_one_thing_is_found_in_the_log(
        self,
        works: Works,
        source: Connection,
        place: Workspace,
        alice: Client,
        query: str,
        is_found: bool,
    ) -> None:
        link = joined(works, source, place)
        sent = item(works, link, state="sent", key="c" * 40, subjects=["ACME-7"])
        entry = [str(sent.id), "commit", "c" * 40, "accepted", ""]
        attempt(works, link, items=[entry], unknown_subjects=["NOPE-1"])
        page = text(alice.get(f"{LINKS}{link.id}/log{query}"))
        assert ("2 commits, 1 branch" in page) is is_found
        assert ("Nothing fits" in page) is not is_found

    def test_the_outbox_calls_things_as_people_do(
        self, works: Works, source: Connection, place: Workspace, alice: Client
    ) -> None:
        link = joined(works, source, place)
        with works.inside():
            repository = Repository.objects.get(slug="web-shop")
        for kind, key in (("commit", "c" * 40), ("pull_request", "7"), ("deployment", "{d1}")):
            item(works, link, kind=kind, key=key, repository=repository)
        page = text(alice.get(f"{LINKS}{link.id}/outbox"))
        assert "ACME-1 Take the cart along" in page and "#7 ACME-1: Take the cart" in page
        assert "Staging" in page

    def test_what_failed_is_sent_again_or_discarded_after_a_look(
        self, works: Works, source: Connection, place: Workspace, alice: Client
    ) -> None:
        link = joined(works, source, place)
        here = f"{LINKS}{link.id}/outbox"
        assert "Nothing waits" in text(alice.get(here))
        kept = item(works, link, state="dead", error="refused", subjects=["ACME-7"])
        item(works, link, state="dead", error="remote_gone")
        page = text(alice.get(f"{here}?part=dead"))
        assert "ACME-7" in page and "2 events" in page

        assert "Send 1 event again" in text(alice.get(f"{here}/replay?item={kept.id}"))
        assert "Discard 1 event" in text(alice.get(f"{here}/discard?error=remote_gone"))
        refused(alice.post(f"{here}/discard?error=remote_gone", {"reason": ""}))
        alice.post(f"{here}/discard?error=remote_gone", {"reason": "The issue is gone"})
        alice.post(f"{here}/replay?item={kept.id}")
        with works.inside():
            found = dict(RelayItem.objects.values_list("error", "state"))
        assert found == {"": "waiting", "remote_gone": "discarded"}
        assert "Nothing fits any more" in text(alice.get(f"{here}/replay"))
        assert alice.get(f"{here}/destroy").status_code == 404

    def test_commands_show_who_asked_for_what_and_why_it_failed(
        self, works: Works, source: Connection, alice: Client
    ) -> None:
        place = joining.target(works, method="classic-token", capabilities=["relay-links"])
        link = joined(works, source, place, way="remote-links")
        here = f"{LINKS}{link.id}/commands"
        assert "No commands yet" in text(alice.get(here))
        deed(works, link, state="failed", detail="Dana Levi may not log work.", command="time")
        page = text(alice.get(here))
        assert "#time" in page and "Dana Levi may not log work." in page
        assert "Nothing fits" in text(alice.get(f"{here}?state=done"))


class TestWhoMayWhat:
    def test_members_look_auditors_read_and_only_managers_change(
        self, works: Works, source: Connection, place: Workspace
    ) -> None:
        link = joined(works, source, place)
        here = f"{LINKS}{link.id}/"
        mel = signed_in(works.person("mel@acme.example", "Mel", Role.MEMBER))
        ann = signed_in(works.person("ann@acme.example", "Ann", Role.AUDITOR))
        for client, path, status in (
            *((mel, "", 200), (mel, "log", 403), (mel, "settings", 200), (mel, "outbox", 403)),
            *((ann, "log", 200), (ann, "outbox", 200), (ann, "repositories", 403)),
        ):
            assert client.get(here + path).status_code == status, path
        for client in (mel, ann):
            for path in ("pause", "remove", "repositories/parts", "outbox/replay", "settings"):
                assert client.post(here + path, {"span": "30"}).status_code == 403, path
            assert "Pause" not in text(client.get(here))

    def test_a_teams_admin_joins_only_what_they_manage(
        self, works: Works, source: Connection, place: Workspace
    ) -> None:
        with works.inside():
            team = Team.objects.create(name="Payments")
        joining.target(works, name="Team issues", team=team)
        tess = works.person("tess@acme.example", "Tess", Role.MEMBER)
        with works.inside():
            TeamMembership.objects.create(team=team, user_id=tess.id, role="admin")
        page = text(signed_in(tess).get(f"{LINKS}new"))
        assert "you manage none" in page and "Acme code" not in page
        wish = {"source": source.id, "destination": place.id}
        assert signed_in(tess).post(f"{LINKS}new", wish).status_code == 403


class TestNew:
    def test_what_is_joined_is_ticked_where_there_is_no_choice(
        self, works: Works, source: Connection, place: Workspace, alice: Client
    ) -> None:
        joining.target(works, name="Other issues")
        tab = text(alice.get(f"/o/acme/connections/{place.connection_id}/links"))
        assert f"{LINKS}new?connection={place.connection_id}" in tab
        page = text(alice.get(f"{LINKS}new"))
        assert f'value="{source.id}" checked' in page and f'value="{place.id}" checked' not in page
        page = text(alice.get(f"{LINKS}new?connection={place.connection_id}"))
        assert f'value="{source.id}" checked' in page and f'value="{place.id}" checked' in page
        assert "From</a>: Choose where it begins" in refused(alice.post(f"{LINKS}new", {}))


class TestStaff:
    def test_support_reads_how_a_link_does_and_nothing_of_what_it_says(
        self, works: Works, source: Connection, place: Workspace
    ) -> None:
        link = joined(works, source, place)
        item(works, link, state="dead", error="refused", error_detail="ACME-1 is closed")
        entry = ["x", "commit", "c" * 40, "refused", "ACME-1 is closed"]
        attempt(works, link, failed=1, items=[entry], unknown_subjects=["NOPE-1"])
        attempt(works, link, accepted=0, events={"branch": 1}, unknown_subjects=["NOPE-1"])
        sam = support()
        assert 'href="/support/acme/links/"' in text(sam.get("/support/acme/look/"))
        assert "Code to issues" in text(sam.get("/support/acme/links/?q=issues"))
        page = text(sam.get(f"/support/acme/links/{link.id}/"))
        assert "Acme code" in page and "Jira refused a request" in page and "1 event" in page
        assert "Taken in part" in page and "Shown nowhere" in page
        assert "NOPE-1" not in page and "ACME-1" not in page and "Pause" not in page

    def test_operators_count_by_organization(
        self, works: Works, source: Connection, place: Workspace
    ) -> None:
        link = joined(works, source, place)
        item(works, link, heard_at=clock.now() - timedelta(minutes=20))
        item(works, link, state="dead", error="refused")
        page = text(staff("olga@portal.example", is_operator=True).get("/platform/links/"))
        assert "Acme" in page and "Events wait for more than ten minutes" in page
        assert "1 event waits" in page and "Code to issues" not in page


def support() -> Client:
    """Somebody of support who looks at Acme."""
    client = staff("sam@portal.example", is_support=True)
    client.post("/support/acme/", {"reason": "Ticket 4711: nothing arrives"})
    return client


def staff(address: str, **claims: bool) -> Client:
    user = User.objects.create_user(address, "a long enough password", name=address)
    User.objects.filter(id=user.id).update(**claims)
    client = Client()
    client.force_login(user)
    return client
