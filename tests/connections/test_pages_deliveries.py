"""Pages of deliveries: the log, one delivery, dead letters, what was missed, charts and files."""

from __future__ import annotations

import json
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connections
from django.test import Client
from django.test.utils import CaptureQueriesContext

from connections.flows import applying, budget, delivery_hours
from connections.models import Delivery, DeliveryHour, InboxDeed, MissedEvent, Workspace
from connections.queries import inbox
from portal import clock, doctor, roles, tenancy
from portal.models import AuditEvent, Team, TeamMembership, User
from portal.policy import Role
from tests import ingesting
from tests.connections.delivering import planted, states
from tests.connections.pages import base_of, refused, signed_in, text
from tests.ingesting import Sender
from tests.works import Works

LETTERS = "/o/acme/activity/failed/"
SECRET = "ATBBsecretsecretsecret"
BODY = {"actor": {"email": "dana@acme.example"}, "note": f"<script>{SECRET}</script>", "n": 1}


@pytest.fixture
def sender(works: Works) -> Sender:
    return ingesting.sender(works)


@pytest.fixture
def alice(works: Works) -> Client:
    return signed_in(works.alice)


def address_of(sender: Sender) -> str:
    return f"{base_of(sender.connection)}deliveries/{sender.deliveries()[0].id}/"


def in_team(works: Works, sender: Sender, role: str) -> Client:
    """Somebody of the connection's team."""
    tess = works.person("tess@acme.example", "Tess", Role.MEMBER)
    with works.inside():
        team = Team.objects.get(id=sender.connection.team_id)
        user = User.objects.get(id=tess.id)
        TeamMembership.objects.create(team=team, user=user, role=role)
    return signed_in(tess)


class TestLog:
    def test_each_line_says_what_came_and_what_came_of_it(
        self, sender: Sender, alice: Client
    ) -> None:
        planted(sender, effect={"says": "Pushed <b>main</b>"}, state="applied", error="")
        planted(sender, 51, salt="b")
        page = text(alice.get(f"{base_of(sender.connection)}deliveries/?state=applied"))

        assert "Pushed &lt;b&gt;main&lt;/b&gt;" in page and "1 delivery" in page
        assert "51 deliveries failed for good" in page
        assert "cursor=" in text(alice.get(f"{base_of(sender.connection)}deliveries/"))

    def test_one_is_found_by_the_senders_id_however_old_it_is(
        self, works: Works, sender: Sender, alice: Client
    ) -> None:
        wanted = uuid4()
        planted(sender, 1, age=timedelta(days=40), event="repo:fork")
        planted(sender, 3, salt="b")
        with roles.using_role("owner"), works.inside():
            Delivery.objects.filter(event_key="repo:fork").update(dedupe=b"\x01" + wanted.bytes)
        page = text(alice.get(f"{base_of(sender.connection)}deliveries/?q={wanted}"))

        assert "1 delivery" in page and "40 days ago" in page

    @pytest.mark.parametrize("query", ["state=x", "time=x"])
    def test_a_filter_that_is_not_on_the_list_is_refused(
        self, sender: Sender, alice: Client, query: str
    ) -> None:
        answer = alice.get(f"{base_of(sender.connection)}deliveries/?{query}")
        assert answer.status_code == 400

    def test_readers_do_not_see_deliveries(self, works: Works, sender: Sender) -> None:
        mel = in_team(works, sender, "reader")
        for path in (f"{base_of(sender.connection)}deliveries/", LETTERS, "/o/acme/activity/"):
            assert mel.get(path).status_code == 403


class TestOne:
    def test_secrets_and_addresses_are_hidden_and_the_file_is_whole_and_on_record(
        self, works: Works, sender: Sender, alice: Client
    ) -> None:
        raw = json.dumps(BODY).encode()
        planted(
            sender,
            body=raw,
            tries=[
                {
                    "at": "2026-11-01T10:00:00Z",
                    "state": "new",
                    "error": "reading_failed",
                    "detail": "KeyError",
                }
            ],
        )
        page = text(alice.get(address_of(sender)))

        assert SECRET not in page and "dana@acme" not in page and "<script>[" not in page
        assert "2 values" in page and "Reading it failed: KeyError" in page
        answer = alice.post(f"{address_of(sender)}download")
        assert answer.content == raw and "attachment" in answer["Content-Disposition"]
        with works.inside():
            assert AuditEvent.objects.filter(action="delivery.downloaded").count() == 1

    def test_a_body_that_is_gone_is_said_to_be_gone(self, sender: Sender, alice: Client) -> None:
        """Abuse case W37."""
        planted(sender, body=None, age=timedelta(days=31))
        page = text(alice.get(address_of(sender)))
        answer = alice.post(f"{address_of(sender)}replay", follow=True)

        assert "The body is gone" in page and f"{address_of(sender)}replay" not in page
        assert "Bodies are kept for 30 days" in text(answer)
        assert states(sender) == {"dead": 1}

    def test_it_is_applied_again_discarded_and_taken_back(
        self, works: Works, sender: Sender, alice: Client
    ) -> None:
        planted(sender)
        for deed, state in (("discard", "discarded"), ("restore", "dead"), ("replay", "new")):
            alice.post(f"{address_of(sender)}{deed}", {"reason": "not ours"})
            assert states(sender) == {state: 1}
        assert "not ours" not in text(alice.get(address_of(sender)))
        works.drain()
        assert "Of another workspace" in text(alice.get(address_of(sender)))


class TestDeadLetters:
    def test_a_preview_says_how_many_and_how_long_before_anything_is_done(
        self, works: Works, sender: Sender, alice: Client
    ) -> None:
        planted(sender, 301)
        planted(sender, 1, event="pullrequest:created", salt="b")
        chosen = f"?connection={sender.connection.id}&event=repo:push"
        asked = f"{LETTERS}decide/replay{chosen}"

        listed = text(alice.get(f"{LETTERS}{chosen}"))
        shown = text(alice.get(asked))
        assert "301 deliveries" in listed.lower() and "Apply these again" in listed
        assert "301 deliveries" in shown and "about 30 seconds" in shown
        assert states(sender) == {"dead": 302}
        page = alice.post(asked, follow=True)
        assert "0 of 301 deliveries" in text(page)
        works.drain()
        with works.inside():
            deed = InboxDeed.objects.get()
        assert "100 of 301 deliveries" in text(alice.get(f"{LETTERS}{deed.id}/"))
        alice.post(f"{LETTERS}{deed.id}/stop")
        works.drain()
        assert "Somebody stopped it." in text(alice.get(f"{LETTERS}{deed.id}/"))

    def test_discarding_wants_a_reason_and_can_be_taken_back(
        self, works: Works, sender: Sender, alice: Client
    ) -> None:
        planted(sender, 2)
        asked = f"{LETTERS}decide/discard?reason=reading_failed"

        assert "Say why" in refused(alice.post(asked, {"reason": " "}))
        alice.post(asked, {"reason": "a broken sender"})
        works.drain()
        with works.inside():
            deed = InboxDeed.objects.get()
        page = text(alice.get(f"{LETTERS}{deed.id}/"))
        assert "a broken sender" in page and "2 deliveries still have their bodies" in page
        alice.post(f"{LETTERS}{deed.id}/restore")
        works.drain()
        assert states(sender) == {"dead": 2}

    def test_a_teams_admin_decides_about_their_own_connection_only(
        self, works: Works, sender: Sender
    ) -> None:
        planted(sender)
        other = ingesting.sender(works, "others")
        client = in_team(works, sender, "admin")
        own, foreign = (f"?connection={one.connection.id}" for one in (sender, other))

        assert client.get(f"{LETTERS}{own}").status_code == 200
        assert client.post(f"{LETTERS}decide/replay{own}").status_code == 303
        assert client.get(f"{LETTERS}{foreign}").status_code == 404
        assert client.get(f"{LETTERS}decide/replay").status_code == 403


class TestCharts:
    def test_the_numbers_of_a_chart_are_a_table_and_a_file(
        self, works: Works, sender: Sender, alice: Client
    ) -> None:
        planted(sender, 3, state="applied", error="")
        planted(sender, 2, salt="b")
        with works.inside():
            delivery_hours.ask()
        with clock.shifted(timedelta(minutes=1)):
            works.drain()
        pages = [f"{base_of(sender.connection)}deliveries/", "/o/acme/activity/"]
        files = [f"{base_of(sender.connection)}charts/deliveries.csv"]
        files += ["/o/acme/activity/deliveries.csv?span=week", "/o/acme/activity/missed.csv"]

        for path in pages:
            page = text(alice.get(path))
            assert 'role="img"' in page and ": 3 applied, 2 failed</title>" in page
            assert "<style" not in page and " style=" not in page
        lines = [alice.get(path).content.decode("utf-8-sig").splitlines() for path in files]
        assert [len(each) for each in lines] == [25, 169, 31]
        assert sum(int(line.split(",")[1]) for line in lines[0][1:]) == 3
        assert alice.get("/o/acme/activity/none.csv").status_code == 404

    def test_what_came_in_while_workers_were_away_is_counted_once_it_is_applied(
        self, works: Works, sender: Sender, alice: Client
    ) -> None:
        """Also our own test, which is no event that nobody knows."""
        away = timedelta(hours=5)
        planted(sender, 3, state="new", error="", age=away)
        headers = {"x-event-key": "portal:test"}
        planted(sender, 1, state="new", error="", age=away, salt="b", headers=headers, event="test")
        with roles.using_role("owner"), works.inside():
            Delivery.objects.update(attempts=0, next_at=clock.now())
        with works.inside():
            applying.ask_to_apply()
        works.drain()
        with clock.shifted(timedelta(minutes=1)):
            works.drain()
            log = f"{base_of(sender.connection)}deliveries/"
            assert ": 4 nothing to do</title>" in text(alice.get(log))
        with works.inside():
            hour = DeliveryHour.objects.get()
            assert (hour.ignored, hour.waiting) == (4, 0)
        tests = text(alice.get(f"{log}?event=test"))
        assert "A test of the webhook" in tests and "every 5s" not in tests
        again = text(alice.get(log, headers={"HX-Target": "div#results"}))
        assert "every 5s" in again and 'role="img"' not in again

    def test_accounts_are_found_in_as_many_statements_however_many_there_are(
        self, works: Works, sender: Sender
    ) -> None:
        others = [ingesting.sender(works, name).connection for name in ("second", "third")]
        for number, connection in enumerate((sender.connection, *others)):
            connection.account_id = f"{number}"
            with roles.using_role("worker"), tenancy.acting_for(works.acme):
                budget.of(connection)
        with works.inside(), CaptureQueriesContext(connections[roles.current()]) as statements:
            assert len(inbox.accounts()) == 3
        assert len(statements) == 2

    def test_what_was_missed_is_listed_with_its_cause(
        self, works: Works, sender: Sender, alice: Client
    ) -> None:
        with roles.using_role("worker"), works.inside():
            workspace = Workspace.objects.create(
                connection=sender.connection, remote_id="w", slug="w", name="Wide space"
            )
            about = {"connection": sender.connection, "workspace": workspace}
            when = {"since": clock.now() - timedelta(hours=1), "found_at": clock.now()}
            MissedEvent.objects.create(
                **about, **when, stream="branches", remote_id="b", name="main", cause="no_hook"
            )
        page = text(alice.get(f"/o/acme/activity/missed/?connection={sender.connection.id}"))

        assert "Wide space" in page and "The vendor has no webhook for it" in page
        assert "No missed event has this cause" in text(
            alice.get("/o/acme/activity/missed/?cause=silent")
        )
        assert alice.get("/o/acme/activity/missed/?cause=x").status_code == 400


def test_operators_see_how_much_waits_and_since_when_but_not_what(
    works: Works, sender: Sender
) -> None:
    planted(sender, 2)
    planted(sender, 3, state="new", error="", salt="b", effect={"says": "Zanzibar"})
    late = clock.now() - timedelta(minutes=11)
    with roles.using_role("owner"), works.inside():
        Delivery.objects.filter(state="new").update(next_at=late)
    olga = User.objects.create_user("olga@platform.example", None, name="Olga", is_operator=True)
    client = Client()
    client.force_login(olga)
    page = text(client.get("/platform/webhooks/"))

    assert "Webhooks wait for more than ten minutes" in page and "Acme" in page
    assert "3 deliveries wait" in page and "2 deliveries failed for good" in page
    assert "Zanzibar" not in page and "repo:push" not in page
    assert signed_in(works.alice).get("/platform/webhooks/").status_code == 404
    (finding,) = doctor.examine(["webhooks"])
    assert "more than ten minutes" in str(finding.problems[0])


def test_counts_of_a_million_deliveries_are_read_by_the_hour(works: Works, sender: Sender) -> None:
    """The chart reads a row for each hour, whatever the number of deliveries."""
    now = delivery_hours.hour_of(clock.now())
    with roles.using_role("worker"), works.inside():
        DeliveryHour.objects.bulk_create(
            DeliveryHour(
                organization_id=works.acme.id,
                connection=sender.connection,
                hour=now - timedelta(hours=i),
                applied=5952,
            )
            for i in range(168)
        )
    page = text(signed_in(works.alice).get("/o/acme/activity/?span=week"))

    assert "999,936" in page
