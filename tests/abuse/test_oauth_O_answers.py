"""Abuse cases O: errors and mix-ups at the callback, what changes meanwhile, whose account."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from django.utils import timezone

from connections import registry
from connections.flows import consumers, link
from connections.models import Connection, Consumer, Credential, PendingLink
from portal.logs import JsonFormatter
from portal.models import Intake, Membership, Team, User
from portal.policy import Role
from portal.secret import Secret
from tests.abuse.browsers import (
    CALLBACK,
    Browser,
    ended,
    nothing_linked,
    state_of,
)
from tests.vendor import Vendor
from tests.works import Works

Stage = PendingLink.Stage


class TestErrors:
    @pytest.mark.parametrize(
        ("error", "code"),
        [
            pytest.param("access_denied", "denied", id="O15"),
            pytest.param("server_error", "unavailable", id="O16-server_error"),
            pytest.param("temporarily_unavailable", "unavailable", id="O16-temporarily"),
            pytest.param("<script>alert(1)</script>", "vendor_error", id="O16-unknown"),
        ],
    )
    def test_of_the_vendor_end_the_link(
        self, error: str, code: str, works: Works, alice: Browser, consumer: Consumer,
        vendor: Vendor,
    ) -> None:  # fmt: skip
        pending, url = alice.start(consumer)
        response = alice.back({"state": state_of(url), "error": error, "error_description": "why"})
        page = alice.client.get(response["Location"])
        assert page.status_code == 200
        assert b"<script>alert" not in page.content
        kept = alice.reloaded(pending)
        assert (kept.stage, kept.error) == (Stage.FAILED, code)
        nothing_linked(works, vendor)

    def test_O17_beside_a_code_win(
        self, works: Works, alice: Browser, consumer: Consumer, vendor: Vendor
    ) -> None:
        pending, url = alice.start(consumer)
        query = alice.answer(url) | {"error": "access_denied"}
        alice.back(query)
        assert alice.reloaded(pending).error == "denied"
        nothing_linked(works, vendor)

    @pytest.mark.parametrize(
        "text",
        [
            pytest.param("<img src=x onerror=alert(1)>", id="O18-html"),
            pytest.param("\u202eevil\u2066", id="O18-rtl"),
            pytest.param("d" * 4000, id="O18-long"),
            pytest.param("line\nbreak\ttab", id="O18-lines"),
        ],
    )
    def test_are_shown_as_short_text(self, text: str, alice: Browser, consumer: Consumer) -> None:
        pending, url = alice.start(consumer)
        query = {"state": state_of(url), "error": "odd", "error_description": text}
        page = alice.client.get(alice.back(query)["Location"])
        detail = alice.reloaded(pending).error_detail
        assert len(detail) <= 200
        assert not set(detail) & set("\u202e\u2066\n\t")
        assert b"<img src=x" not in page.content
        assert b"d" * 201 not in page.content


class TestMixUp:
    @pytest.mark.parametrize("iss", ["https://evil.example", "https://bitbucket.org/", "x"])
    def test_O21_another_issuer(
        self, iss: str, works: Works, alice: Browser, consumer: Consumer, vendor: Vendor,
        caplog: pytest.LogCaptureFixture,
    ) -> None:  # fmt: skip
        pending, url = alice.start(consumer)
        alice.back(alice.answer(url) | {"iss": iss})
        assert alice.reloaded(pending).error == "wrong_issuer"
        nothing_linked(works, vendor)
        assert "wrong_issuer" in ended(works)
        assert "link.wrong_issuer" in caplog.messages

    def test_O22_no_issuer_from_a_server_that_sends_one(
        self, works: Works, alice: Browser, consumer: Consumer, vendor: Vendor,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        pending, url = alice.start(consumer)
        connector = registry.get("bitbucket-cloud")
        known = connector.manifest
        assert known.oauth is not None
        says = replace(known, oauth=replace(known.oauth, issuer="https://bitbucket.org"))
        monkeypatch.setitem(
            registry.connectors(),
            "bitbucket-cloud",
            replace(connector, manifest=says),  # type: ignore
        )
        alice.back(alice.answer(url))
        assert alice.reloaded(pending).error == "wrong_issuer"
        nothing_linked(works, vendor)

    def test_O23_at_another_connectors_callback(
        self, works: Works, alice: Browser, consumer: Consumer, vendor: Vendor
    ) -> None:
        pending, url = alice.start(consumer)
        response = alice.back(alice.answer(url), "/oauth/jira/callback")
        assert response.status_code == 400
        assert alice.reloaded(pending).stage == Stage.AT_VENDOR
        nothing_linked(works, vendor)

    def test_O25_the_way_out_leads_to_the_vendor_alone(
        self, alice: Browser, consumer: Consumer, vendor: Vendor
    ) -> None:
        _, url = alice.start(consumer)
        parts = urlsplit(url)
        assert f"{parts.scheme}://{parts.netloc}" == vendor.url
        query = parse_qs(parts.query)
        assert query["redirect_uri"] == ["http://localhost:8000/oauth/bitbucket-cloud/callback"]
        assert query["code_challenge_method"] == ["S256"]

    def test_O26_nothing_is_read_of_the_query_but_the_answer(
        self, alice: Browser, consumer: Consumer
    ) -> None:
        _, url = alice.start(consumer)
        extra = {"redirect_uri": "https://evil.example", "next": "https://evil.example"}
        response = alice.back(alice.answer(url) | extra)
        assert response["Location"].startswith("/o/acme/linking/")
        assert "evil" not in response["Location"]


class TestMeanwhile:
    def test_O10_the_consumer_is_gone(
        self, works: Works, alice: Browser, consumer: Consumer, vendor: Vendor
    ) -> None:
        pending, url = alice.start(consumer)
        query = alice.answer(url)
        with works.inside():
            consumers.remove(actor=works.admin, consumer=consumer)
        works.drain()
        alice.back(query)
        nothing_linked(works, vendor)
        kept = alice.reloaded(pending)
        assert (kept.stage, kept.error) == (Stage.FAILED, "misconfigured")
        with works.inside():
            assert Intake.objects.count() == 0

    @pytest.mark.parametrize("change", ["removed", "auditor", "inactive"])
    def test_O10_the_person_may_no_longer(
        self, change: str, works: Works, alice: Browser, consumer: Consumer, vendor: Vendor
    ) -> None:
        """Between the answer and the worker: nothing is exchanged, and nothing stays sealed."""
        pending, url = alice.start(consumer)
        alice.back(alice.answer(url))
        with works.inside():
            mine = Membership.objects.filter(user_id=works.alice.id)
            if change == "removed":
                mine.delete()
            elif change == "auditor":
                mine.update(role=Role.AUDITOR)
        if change == "inactive":
            User.objects.filter(id=works.alice.id).update(is_active=False)
        nothing_linked(works, vendor)
        kept = alice.reloaded(pending)
        assert (kept.stage, kept.error) == (Stage.FAILED, "not_allowed")
        with works.inside():
            assert Intake.objects.count() == 0


class TestLate:
    def test_after_ten_minutes_the_way_back_is_closed(
        self, works: Works, alice: Browser, consumer: Consumer, vendor: Vendor
    ) -> None:
        pending, url = alice.start(consumer)
        query = alice.answer(url)
        with works.inside():
            past = timezone.now() - timedelta(seconds=1)
            PendingLink.objects.filter(id=pending.id).update(expires_at=past)
        response = alice.back(query)
        assert alice.client.get(response["Location"]).status_code == 200
        assert alice.reloaded(pending).error == "expired"
        nothing_linked(works, vendor)

    def test_a_code_that_expired_at_the_vendor_is_said(
        self, works: Works, alice: Browser, consumer: Consumer, vendor: Vendor
    ) -> None:
        pending, url = alice.start(consumer)
        query = alice.answer(url)
        vendor.order("/clock", advance=700)
        alice.back(query)
        works.drain()
        kept = alice.reloaded(pending)
        assert (kept.stage, kept.error) == (Stage.FAILED, "reauthorization_required")
        with works.inside():
            assert not Connection.objects.exists()

    def test_a_spent_code_under_a_new_state(
        self, works: Works, alice: Browser, consumer: Consumer, vendor: Vendor
    ) -> None:
        first, url = alice.start(consumer)
        query = alice.answer(url)
        alice.back(query)
        works.drain()
        with works.inside():
            Connection.objects.update(team=Team.objects.create(name="Red"))
        second, again = alice.start(consumer, name="Second")
        alice.back({"code": query["code"], "state": state_of(again)})
        works.drain()
        assert alice.reloaded(first).stage == Stage.DONE
        assert alice.reloaded(second).error == "reauthorization_required"
        with works.inside():
            assert Connection.objects.get().state == Connection.State.ACTIVE

    def test_an_older_way_out_is_closed_by_a_newer_one(
        self, works: Works, alice: Browser, consumer: Consumer, vendor: Vendor
    ) -> None:
        """Going to the vendor once more makes a new state; the old one fits nothing."""
        pending, url = alice.start(consumer)
        with works.inside():
            link.depart(actor=works.alice, pending=pending, session_key=alice.session_key)
        assert alice.back(alice.answer(url)).status_code == 400
        nothing_linked(works, vendor)

    def test_a_hundred_other_parameters_do_no_harm(
        self, alice: Browser, consumer: Consumer
    ) -> None:
        _, url = alice.start(consumer)
        more = {f"x{number}": "y" for number in range(100)}
        assert alice.back(alice.answer(url) | more).status_code == 303

    @pytest.mark.parametrize("method", ["post", "put", "head", "delete"])
    def test_the_callback_is_only_read(
        self, method: str, works: Works, alice: Browser, consumer: Consumer, vendor: Vendor
    ) -> None:
        pending, url = alice.start(consumer)
        query = alice.answer(url)
        send = getattr(alice.client, method)
        assert send(f"{CALLBACK}?{urlencode(query)}").status_code == 405
        assert alice.reloaded(pending).stage == Stage.AT_VENDOR
        nothing_linked(works, vendor)


class TestAccounts:
    def test_O38_more_than_was_asked_is_kept_for_showing(
        self, works: Works, alice: Browser, vendor: Vendor
    ) -> None:
        wide = works.register(vendor.consumer("acme-wide"), name="Wide")
        pending = alice.link(wide)
        assert (pending.stage, pending.error) == (Stage.DONE, "")
        with works.inside():
            credential = Credential.objects.get()
        asked = {"account", "repository"}
        assert set(credential.scopes or ()) - asked, "the vendor's words, not what we asked"

    def test_O39_two_tenants_do_not_learn_of_each_other(
        self, works: Works, alice: Browser, consumer: Consumer, vendor: Vendor
    ) -> None:
        globex = works.organization("globex")
        mallory = works.person("mallory@globex.example", "Mallory", Role.OWNER, globex)
        theirs = Browser(works, mallory, globex)
        known = vendor.consumer("acme-portal")
        with works.inside(globex):
            from_globex = consumers.create(
                actor=mallory, connector="bitbucket-cloud", name="G", client_id=known["key"],
                secret=Secret(known["secret"]),
            )  # fmt: skip
        works.drain()
        assert alice.link(consumer).stage == Stage.DONE
        pending = theirs.link(from_globex)
        assert (pending.stage, pending.error) == (Stage.DONE, "")
        for organization in (works.acme, globex):
            with works.inside(organization):
                assert Connection.objects.count() == 1

    def test_O40_an_account_is_linked_once(
        self, works: Works, alice: Browser, consumer: Consumer
    ) -> None:
        with works.inside():
            team = Team.objects.create(name="Red").id
        assert alice.link(consumer).stage == Stage.DONE
        with works.inside():
            Connection.objects.update(team_id=team)
        ada = Browser(works, works.admin)
        pending = ada.link(consumer, name="Mine now")
        assert (pending.stage, pending.error) == (Stage.FAILED, "account_taken")
        with works.inside():
            assert Connection.objects.get().granted_by_id == works.alice.id

    def test_O41_no_person_is_made_or_merged(
        self, works: Works, alice: Browser, consumer: Consumer
    ) -> None:
        User.objects.create_user("dana@acme.example", None, name="Dana at the portal")
        before = set(User.objects.values_list("id", "email", "name"))
        alice.link(consumer)
        assert set(User.objects.values_list("id", "email", "name")) == before

    def test_O43_identity_follows_the_account_not_the_name(
        self, works: Works, alice: Browser, consumer: Consumer, vendor: Vendor
    ) -> None:
        connection = works.connection(alice.link(consumer))
        vendor.order("/grants/reassign", user="dana", to="rashid")
        works.verify(connection)
        with works.inside():
            connection.refresh_from_db()
        assert connection.state == Connection.State.NEEDS_REAUTHORIZATION
        assert connection.last_error == "subject_changed"
        assert connection.account_name == "Dana Levi"


class TestLeaks:
    def test_O47_the_code_does_not_stay_in_the_address(
        self, alice: Browser, consumer: Consumer
    ) -> None:
        _, url = alice.start(consumer)
        query = alice.answer(url)
        response = alice.back(query)
        assert response.status_code == 303
        assert query["code"] not in response["Location"] + response.content.decode()
        assert query["state"] not in response["Location"]
        assert response["Referrer-Policy"] == "no-referrer"
        assert "no-store" in response["Cache-Control"]

    @pytest.mark.parametrize("broken", [False, True], ids=["O48-served", "O48-refused"])
    def test_the_query_is_in_no_log(
        self,
        broken: bool,
        works: Works,
        alice: Browser,
        consumer: Consumer,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        _, url = alice.start(consumer)
        query = alice.answer(url)
        if broken:
            query["state"] += "x"
        alice.back(query)
        works.drain()
        said = "\n".join(map(JsonFormatter().format, caplog.records))
        assert query["code"] not in said
        assert query["state"] not in said
