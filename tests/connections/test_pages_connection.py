"""One connection's pages: who sees what, what each deed does, and what stays out of the HTML."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone

from connections.flows import pace
from connections.models import Connection, Credential, SyncRun, Verification, Workspace
from connections.urls import CONNECTION
from portal import roles
from portal.models import Team, TeamMembership, User
from portal.policy import Role
from tests.connections.pages import BASE, base_of, linked, refused, signed_in, text
from tests.vendor import Vendor
from tests.works import Works

TABS = (
    "",
    "verification",
    "credential",
    "repositories",
    "workspaces",
    "sync",
    "record",
    "settings",
)
READER = "reader@acme.example"
FOR_READERS = {"", "repositories", "workspaces", "sync"}
HOSTILE = "<script>alert(1)</script> {{7*7}} [x](javascript:alert(1)) ![i](https://e.example/i)"


@pytest.fixture
def alice(works: Works) -> Client:
    return signed_in(works.alice)


@pytest.fixture
def connection(works: Works) -> Connection:
    """A team's connection with a credential; nothing of it needs the vendor."""
    with works.inside():
        team = Team.objects.create(name="Payments")
        made: Connection = Connection.objects.create(
            connector="bitbucket-cloud",
            method="api-token",
            name="Pay",
            team=team,
            account_id="{dana}",
            account_name="Dana Levi",
            account_kind="user",
            granted_by_name="Zoe",
            state="active",
            capabilities=["repositories-read"],
        )
        Credential.objects.create(
            connection=made, kind="api_token", vocabulary="api_token", last_four="9f3a"
        )
        return made


def reader(works: Works, connection: Connection, role: str = "reader") -> Client:
    person = works.person(f"{role}@acme.example", role.title(), Role.MEMBER)
    with works.inside():
        TeamMembership.objects.create(team_id=connection.team_id, user_id=person.id, role=role)
    return signed_in(person)


class TestWhoSeesWhat:
    def test_a_reader_of_the_team_reads_name_and_state(
        self, works: Works, connection: Connection
    ) -> None:
        client = reader(works, connection)
        for tab in TABS:
            answer = client.get(base_of(connection) + tab)
            assert answer.status_code == (200 if tab in FOR_READERS else 403), tab
            for detail in ("Dana Levi", "9f3a", "Zoe"):
                assert detail not in answer.content.decode(), tab

    def test_a_team_admin_sees_the_details(self, works: Works, connection: Connection) -> None:
        client = reader(works, connection, "admin")
        for tab in TABS:
            assert client.get(base_of(connection) + tab).status_code == 200, tab

    def test_who_granted_it_reads_what_they_have_to_mend(
        self, works: Works, connection: Connection
    ) -> None:
        client = reader(works, connection)
        with works.inside():
            Connection.objects.update(granted_by_id=User.objects.get(email=READER).id)
        for tab in TABS:
            assert client.get(base_of(connection) + tab).status_code == 200, tab
        asked = client.post(base_of(connection) + "verify", follow=True)
        assert "Verifying now" in text(asked)
        assert f'action="{base_of(connection)}pause"' not in text(client.get(base_of(connection)))

    def test_the_overview_leads_each_person_to_a_page_they_may_open(
        self, works: Works, connection: Connection
    ) -> None:
        with works.inside():
            Verification.objects.create(
                connection=connection, outcome="partly", finished_at=timezone.now()
            )
        reads, manages = reader(works, connection), reader(works, connection, "admin")
        for client, tab in ((reads, ""), (manages, "verification")):
            page = text(client.get("/o/acme/"))
            needs = page.partition("Needs you")[2]
            assert f'href="{base_of(connection)}{tab}">Look<' in needs, tab
            assert client.get(base_of(connection) + tab).status_code == 200

    def test_a_member_of_no_team_finds_nothing(self, works: Works, connection: Connection) -> None:
        outside = signed_in(works.person("out@acme.example", "Out", Role.MEMBER))

        for tab in TABS:
            assert outside.get(base_of(connection) + tab).status_code == 404, tab
        assert "Pay" not in text(outside.get(BASE))

    def test_an_auditor_reads_and_is_offered_no_deed(
        self, works: Works, connection: Connection
    ) -> None:
        auditor = signed_in(works.person("aud@acme.example", "Aud", Role.AUDITOR))
        for tab in TABS:
            page = text(auditor.get(base_of(connection) + tab))
            for deed in ("/verify", "/pause", "/revoke", "/relink", "/edit"):
                assert f'action="{base_of(connection)}{deed[1:]}"' not in page

    def test_t02_the_neighbour_meets_the_404_of_nothing(
        self, works: Works, connection: Connection
    ) -> None:
        other = works.organization("other")
        mallory = signed_in(works.person("m@other.example", "Mallory", Role.OWNER, other))
        places = (("acme", connection.id), ("other", connection.id), ("other", uuid4()))
        for route in (str(each.pattern) for each in CONNECTION):
            path = route.replace("<uuid:run_id>", str(uuid4()))
            for ask in (mallory.get, mallory.post):
                met = [ask(f"/o/{slug}/connections/{key}/{path}") for slug, key in places]
                assert {each.status_code for each in met} <= {404, 405}, route
                assert met[1].status_code == met[2].status_code, route

    def test_nobody_reads_signed_out(self, connection: Connection) -> None:
        answer = Client().get(base_of(connection))

        assert answer.status_code == 302 and "/accounts/login/" in answer["Location"]


class TestDeeds:
    def test_each_deed_needs_the_permission(self, works: Works, connection: Connection) -> None:
        member = reader(works, connection)
        for deed in ("verify", "sync/start", "workspaces/choose", "pause", "resume", "relink"):
            assert member.post(base_of(connection) + deed).status_code == 403, deed
        assert member.post(base_of(connection) + "edit", {}).status_code == 403
        revoke = member.post(base_of(connection) + "revoke", {"confirm_name": "Pay"})
        assert revoke.status_code == 403

    def test_pause_and_resume(self, alice: Client, connection: Connection) -> None:
        alice.post(base_of(connection) + "pause")
        assert "Nothing is asked of Bitbucket Cloud" in text(alice.get(base_of(connection)))
        alice.post(base_of(connection) + "resume")
        assert "Resumed" in text(alice.get(base_of(connection)))

    def test_revoking_asks_for_the_name_and_tells_what_goes(
        self, alice: Client, works: Works, connection: Connection
    ) -> None:
        page = text(alice.get(base_of(connection) + "settings"))
        assert "0 workspaces and 0 repositories" in page and "There is no way back" in page

        alice.post(base_of(connection) + "revoke", {"confirm_name": "pay"})
        assert "exactly" in text(alice.get(base_of(connection) + "settings"))
        alice.post(base_of(connection) + "revoke", {"confirm_name": "Pay"})

        assert "Revoked" in text(alice.get(base_of(connection)))
        for tab in TABS:
            assert alice.get(base_of(connection) + tab).status_code == 200
        with works.inside():
            assert Connection.objects.get(id=connection.id).state == "revoked"

    def test_a_run_of_another_connection_is_none(
        self, alice: Client, works: Works, connection: Connection
    ) -> None:
        with works.inside():
            other = Connection.objects.create(
                connector="bitbucket-cloud",
                method="api-token",
                name="Other",
                account_id="o",
                account_name="O",
                account_kind="user",
                granted_by_name="Zoe",
            )
            run = SyncRun.objects.create(connection=other, state="running")
        for deed in ("cancel", "accept"):
            assert alice.post(f"{base_of(connection)}sync/{run.id}/{deed}").status_code == 404

    def test_t03_workspaces_of_another_connection_are_passed_over(
        self, alice: Client, works: Works, connection: Connection
    ) -> None:
        answer = alice.post(base_of(connection) + "workspaces/choose", {"workspaces": [uuid4()]})
        assert answer["Location"].endswith("/workspaces")
        bad = alice.post(base_of(connection) + "workspaces/choose", {"workspaces": ["1 OR 1"]})
        assert bad.status_code == 400

    def test_settings_keep_words_and_show_markdown_without_harm(
        self, alice: Client, works: Works, connection: Connection
    ) -> None:
        form = {"labels": "b, a", "verify_every_hours": "24", "sync_every_minutes": "60"}
        preview = alice.post(
            base_of(connection) + "edit", form | {"description": HOSTILE, "preview": "1"}
        )
        shown = text(preview).partition('aria-label="Preview"')[2].partition("</section>")[0]
        assert "<script" not in shown and "javascript:" not in shown.replace("[x](javascript:", "")
        assert "<img" not in shown and "{{7*7}}" in shown

        alice.post(base_of(connection) + "edit", form | {"description": "# Who\n\n*Ask* Zoe"})
        page = text(alice.get(base_of(connection)))
        assert "<h3>Who</h3>" in page and "<em>Ask</em>" in page and ">a</a>" in page

    def test_f06_f07_hidden_and_extra_fields_change_nothing(
        self, alice: Client, works: Works, connection: Connection
    ) -> None:
        form = {"labels": "", "description": "", "verify_every_hours": "24"}
        extra = {"name": "Renamed", "state": "active", "team": str(uuid4()), "verified": "true"}
        alice.post(base_of(connection) + "edit", form | extra | {"sync_every_minutes": "60"})

        with works.inside():
            found = Connection.objects.get(id=connection.id)
        assert (found.name, found.team_id) == ("Pay", connection.team_id)

    def test_a_schedule_off_the_list_is_refused(
        self, alice: Client, connection: Connection
    ) -> None:
        form = {"labels": "", "description": "", "sync_every_minutes": "60"}
        for hours in ("0", "-1", "1e9", "NaN", "24; drop table"):
            sent = form | {"verify_every_hours": hours}
            page = refused(alice.post(base_of(connection) + "edit", sent))
            assert 'id="id_verify_every_hours_error"' in page, hours


class TestVerifySeveral:
    def test_a_preview_comes_first_and_foreign_ids_fall_out(
        self, alice: Client, works: Works, connection: Connection
    ) -> None:
        chosen = {"selected": [connection.id, uuid4()]}
        page = text(alice.post(BASE + "verify", chosen))
        assert "Verify 1 connection" in page and "Nothing has been asked yet" in page
        with works.inside():
            assert not Verification.objects.exists()

        assert alice.post(BASE + "verify", chosen | {"confirm": "1"})["Location"] == BASE
        with works.inside():
            assert Verification.objects.count() == 1

    @pytest.mark.parametrize("by_grant", [True, False])
    def test_who_may_mend_some_ticks_and_verifies_those(
        self, by_grant: bool, works: Works, connection: Connection
    ) -> None:
        client = reader(works, connection, "reader" if by_grant else "admin")
        with works.inside():
            Connection.objects.create(
                connector="bitbucket-cloud",
                method="api-token",
                name="Everybody's",
                account_id="o",
                account_name="O",
                account_kind="user",
                granted_by_name="Zoe",
                state="active",
            )
            chosen = {"selected": list(Connection.objects.values_list("id", flat=True))}
            if by_grant:
                granter = User.objects.get(email=READER)
                Connection.objects.filter(id=connection.id).update(granted_by_id=granter.id)
        assert "Verify the ticked ones" in text(client.get(BASE))
        page = text(client.post(BASE + "verify", chosen))
        assert "Verify 1 connection" in page and "These will be left out" in page
        client.post(BASE + "verify", chosen | {"confirm": "1"})
        with works.inside():
            assert [v.connection_id for v in Verification.objects.all()] == [connection.id]

    def test_who_may_mend_none_has_nothing_to_tick(
        self, works: Works, connection: Connection
    ) -> None:
        page = text(reader(works, connection).get(BASE))

        assert "Pay" in page and "Verify the ticked ones" not in page

    def test_the_pace_limit_says_how_many_were_started(
        self, alice: Client, works: Works, connection: Connection
    ) -> None:
        with works.inside():
            for number in range(2):
                Connection.objects.create(
                    connector="bitbucket-cloud",
                    method="api-token",
                    name=f"Acme {number}",
                    team_id=connection.team_id,
                    account_id=f"{number}",
                    account_name="O",
                    account_kind="user",
                    granted_by_name="Zoe",
                    state="active",
                )
            for _ in range(119):
                pace.keep("verify", works.alice)
            chosen = {"selected": list(Connection.objects.values_list("id", flat=True))}
        page = text(alice.post(BASE + "verify", chosen | {"confirm": "1"}, follow=True))

        assert "1 of 3 are being verified, the rest are not." in page
        assert "Try again in" in page
        with works.inside():
            assert Verification.objects.count() == 1

    def test_nothing_ticked_is_said(self, alice: Client) -> None:
        answer = alice.post(BASE + "verify", follow=True)

        assert "Tick the connections" in text(answer)

    @pytest.mark.parametrize("ids", [["x"], ["1"] * 51])
    def test_what_is_no_id_is_refused(self, alice: Client, ids: list[str]) -> None:
        assert alice.post(BASE + "verify", {"selected": ids}).status_code == 400


class TestWhatTheVendorSaid:
    def test_missing_is_loud_and_excess_gentle(
        self, alice: Client, works: Works, vendor: Vendor
    ) -> None:
        wanted = ["repositories-read", "workspaces-read", "pullrequests-read"]
        connection = linked(works, vendor, token="dana-narrow", capabilities=wanted)
        page = text(alice.get(base_of(connection) + "verification"))

        assert "Something that was asked for is missing" in page
        assert "<strong>Read pull requests</strong> is not possible" in page
        assert "scope--missing" in page and "Link again" in page
        assert "fewer boxes" not in page
        assert "See what is missing" in text(alice.get("/o/acme/"))

    def test_what_people_and_vendors_wrote_is_text(
        self, alice: Client, works: Works, connection: Connection
    ) -> None:
        bad = "<img src=x onerror=alert(1)>"
        with roles.using_role("worker"), works.inside():
            Workspace.objects.create(
                connection=connection, remote_id="1", slug=bad, name=bad, selected=True
            )
            Connection.objects.filter(id=connection.id).update(
                account_name=bad, account_url="javascript:alert(1)", labels=[bad]
            )
        for tab in TABS:
            page = text(alice.get(base_of(connection) + tab))
            assert bad not in page and 'href="javascript:' not in page
        assert bad not in text(alice.get(BASE))


def test_the_repository_list_filters_and_pages(alice: Client, works: Works, vendor: Vendor) -> None:
    connection = linked(works, vendor)
    works.sync(connection)
    place = base_of(connection) + "repositories"

    def rows(**query: Any) -> int:
        return text(alice.get(place, query)).count('data-label="Main branch"')

    assert rows() == 50 and rows(q="billing") < 50 and rows(q="%%%") == 0
    assert rows(sort="-size") == 50 and rows(sort="changed") == 50
    assert "Nothing fits" in text(alice.get(place, {"state": "gone"}))
    for bad in ({"sort": "password"}, {"state": "x"}, {"workspace": "x"}, {"cursor": "x"}):
        assert alice.get(place, bad).status_code == 400
