"""The pages of service keys: shown once, limited, stopped; and who uses a connection."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone

from connections.api import key
from connections.flows import service_keys
from connections.flows.service_keys import Limits
from connections.models import Connection, KeyUse, ServiceKey
from portal import roles
from portal.audit import Action
from portal.models import AuditEvent, Notice, User
from portal.policy import Role
from tests.leasing import EVERYTHING, code_of, linked, service, with_token
from tests.works import Works

FORM = {
    "name": "Reports",
    "scopes": ["tokens:read"],
    "connectors": ["bitbucket-cloud"],
    "connections": "",
    "networks": "",
    "distinct_per_hour": "20",
    "life": "90",
}


@pytest.fixture
def ada(works: Works) -> Client:
    """An admin who has just signed in."""
    return browser(works, works.admin.id)


def browser(works: Works, user_id: Any, *, proven: bool = True) -> Client:
    """Somebody who, if so, gave their password a moment ago."""
    client = Client()
    client.force_login(User.objects.get(id=user_id))
    if proven:
        client.post("/accounts/reauthenticate/", {"password": "a long enough password"})
    return client


def make(client: Client, **instead: Any) -> Any:
    return client.post("/o/acme/keys/new", FORM | {"once": str(uuid4())} | instead)


def keys(works: Works) -> list[ServiceKey]:
    with works.inside():
        return list(ServiceKey.objects.order_by("created_at"))


class TestANewKey:
    def test_its_text_is_shown_once_and_kept_nowhere(self, works: Works, ada: Client) -> None:
        shown = make(ada)

        (whole,) = set(key.keys_in(shown.content.decode()))
        (made,) = keys(works)
        assert shown["Cache-Control"] == "no-store"
        assert bytes(made.hash) == key.hash_of(whole)
        assert made.prefix == whole[:14]
        for page in ("/o/acme/keys/", f"/o/acme/keys/{made.id}/"):
            assert whole.encode() not in ada.get(page).content
        with works.inside():
            event = AuditEvent.objects.get(action=Action.SERVICE_KEY_CREATED.value)
        assert whole not in str(event.details) and event.details["scopes"] == ["tokens:read"]

    def test_the_same_form_twice_makes_one(self, works: Works, ada: Client) -> None:
        once = str(uuid4())
        first, second = make(ada, once=once), make(ada, once=once)
        assert key.keys_in(first.content.decode())
        assert second.status_code == 303
        assert len(keys(works)) == 1

    @pytest.mark.parametrize(
        ("instead", "field"),
        [
            ({"name": " "}, "name"),
            ({"scopes": []}, "scopes"),
            ({"scopes": ["everything"]}, "scopes"),
            ({"connectors": ["another"]}, "connectors"),
            ({"connections": "Nobody's code"}, "connections"),
            ({"networks": "10.0.0.1/8"}, "networks"),
            ({"networks": "example.org"}, "networks"),
            ({"distinct_per_hour": "0"}, "distinct_per_hour"),
            ({"life": "99999"}, "life"),
        ],
        ids=str,
    )
    def test_what_is_wrong_is_said_beside_the_field(
        self, instead: dict[str, Any], field: str, works: Works, ada: Client
    ) -> None:
        shown = make(ada, **instead)
        assert shown.status_code == 400
        assert f'id="id_{field}' in shown.content.decode()
        assert re.search(rf"#id_{field}", shown.content.decode())
        assert keys(works) == []

    def test_it_asks_again_who_one_is(self, works: Works) -> None:
        shown = make(browser(works, works.admin.id, proven=False))
        assert shown.status_code == 302 and "reauthenticate" in shown["Location"]
        assert keys(works) == []

    def test_a_manager_sees_keys_and_makes_none(self, works: Works) -> None:
        alice = browser(works, works.alice.id)
        assert alice.get("/o/acme/keys/").status_code == 200
        assert make(alice).status_code == 403

    def test_a_member_sees_none(self, works: Works) -> None:
        bob = works.person("bob@acme.example", "Bob", Role.MEMBER)
        client = browser(works, bob.id)
        assert client.get("/o/acme/keys/").status_code == 403
        assert b"/o/acme/keys/" not in client.get("/o/acme/").content


class TestOneKey:
    def test_its_page_says_who_leased_what_when_and_why(self, works: Works, ada: Client) -> None:
        code = with_token(works)
        reports = service(works)
        reports.ask(code, reason="Nightly <b>report</b>")

        page = ada.get(f"/o/acme/keys/{reports.key.id}/").content.decode()

        assert "Nightly &lt;b&gt;report&lt;/b&gt;" in page
        assert "Acme code" in page and "Handed out" in page
        nothing = ada.get(f"/o/acme/keys/{reports.key.id}/?outcome=paused").content.decode()
        assert "No lease fits these filters" in nothing
        assert ada.get(f"/o/acme/keys/{reports.key.id}/?outcome=x").status_code == 400

    def test_new_limits_hold_from_the_next_request(self, works: Works, ada: Client) -> None:
        code = with_token(works)
        reports = service(works)
        limits = FORM | {"networks": "192.0.2.0/24", "life": "kept"}
        limits.pop("name")
        answer = ada.post(f"/o/acme/keys/{reports.key.id}/edit", limits)
        assert answer.status_code == 303, answer.content
        assert code_of(reports.ask(code)) == (403, "network")
        assert reports.reloaded().expires_at is None

    def test_one_for_some_connections_never_becomes_one_for_all(
        self, works: Works, ada: Client
    ) -> None:
        code, other = with_token(works), with_token(works, "Other code")
        reports = service(works, connections=["Acme code", "Other code"])
        limits = {name: value for name, value in FORM.items() if name != "name"}
        place = f"/o/acme/keys/{reports.key.id}/edit"
        empty = ada.post(place, limits | {"life": "kept"})
        assert empty.status_code == 400 and b"Name at least one" in empty.content

        with works.inside():
            Connection.objects.filter(id=code.id).update(state="revoked", revoked_at=timezone.now())
        kept = ada.post(place, limits | {"life": "kept", "connections": "Acme code"})
        assert kept.status_code == 303, "what was revoked may stay on the list"
        assert reports.reloaded().connections == [code.id]
        assert code_of(reports.ask(other)) == (403, "not_entitled")

    def test_an_end_that_is_kept_is_the_one_it_has_when_it_is_changed(self, works: Works) -> None:
        """Two admins change one key: who keeps its end does not take the other's back."""
        reports = service(works)
        sooner = timezone.now() + timedelta(days=1)
        with works.inside():
            seen = reports.reloaded()
            ServiceKey.objects.filter(id=seen.id).update(expires_at=sooner)
            limits = Limits(EVERYTHING, ["bitbucket-cloud"], [], [], 20, None, keeps_its_end=True)
            service_keys.edit(actor=works.admin, key=seen, limits=limits)
        assert reports.reloaded().expires_at == sooner

    def test_one_that_is_looked_for_by_its_whole_text_is_revoked(
        self, works: Works, ada: Client
    ) -> None:
        reports, other = service(works), service(works)
        answer = ada.get("/o/acme/keys/", {"q": reports.whole}, follow=True)

        assert answer.redirect_chain == [("/o/acme/keys/", 303)]
        assert "That was a whole key" in answer.content.decode()
        assert reports.reloaded().revoked_because == "exposed"
        assert other.reloaded().revoked_at is None
        works.drain()
        with works.inside():
            assert Notice.objects.filter(kind="service_key_exposed").count() == 1

    def test_freeze_go_on_and_revoke(self, works: Works, ada: Client) -> None:
        code = with_token(works)
        reports = service(works, name="Reports")
        place = f"/o/acme/keys/{reports.key.id}/"
        ada.post(f"{place}freeze")
        assert code_of(reports.ask(code)) == (403, "key_frozen")
        assert b"Frozen" in ada.get("/o/acme/keys/?state=frozen").content
        ada.post(f"{place}thaw")
        assert reports.ask(code).status_code == 200
        ada.post(f"{place}revoke", {"confirm_name": "reports"})
        assert reports.ask(code).status_code == 200, "the name was not typed exactly"
        ada.post(f"{place}revoke", {"confirm_name": "Reports"})
        assert code_of(reports.ask(code)) == (401, "key_revoked")
        assert b"Revoked" in ada.get(place).content


class TestWhoUsesAConnection:
    def test_its_page_and_the_page_before_a_pause_say_so(self, works: Works, ada: Client) -> None:
        code = with_token(works)
        empty = ada.get(f"/o/acme/connections/{code.id}/").content.decode()
        assert "No service." in empty
        reports = service(works, name="Reports")
        for _ in range(3):
            assert reports.ask(code).status_code == 200

        page = ada.get(f"/o/acme/connections/{code.id}/").content.decode()
        settings = ada.get(f"/o/acme/connections/{code.id}/settings").content.decode()

        assert "3 tokens, last asked" in page
        assert settings.count("1 service would notice") == 2, "before a pause and a revocation"
        assert f"/connections/{code.id}/settings#pause" in page

    def test_a_paused_connection_is_refused(self, works: Works, ada: Client) -> None:
        code = with_token(works)
        reports = service(works)
        ada.post(f"/o/acme/connections/{code.id}/pause")
        assert code_of(reports.ask(code)) == (409, "paused")
        assert Connection  # the row stays

    def test_every_lease_of_it_is_listed_for_who_may_see_keys(
        self, works: Works, ada: Client
    ) -> None:
        code, other = with_token(works), with_token(works, "Other code")
        reports, mirror = service(works, name="Reports"), service(works, name="Mirror")
        reports.ask(code, reason="Nightly <b>report</b>")
        mirror.ask(code, reason="to mirror it")
        mirror.ask(other, reason="something else")
        place = f"/o/acme/connections/{code.id}/leases"
        page = ada.get(place).content.decode()

        assert place in ada.get(f"/o/acme/connections/{code.id}/").content.decode()
        assert "Nightly &lt;b&gt;report&lt;/b&gt;" in page and "to mirror it" in page
        assert "something else" not in page
        one = ada.get(place, {"service": str(mirror.key.id)}).content.decode()
        assert "to mirror it" in one and "Nightly" not in one
        assert "No lease fits" in ada.get(place, {"outcome": "paused"}).content.decode()
        for bad in ({"outcome": "x"}, {"service": "x"}, {"cursor": "x"}):
            assert ada.get(place, bad).status_code == 400
        bob = works.person("bob@acme.example", "Bob", Role.MEMBER)
        with works.inside():
            Connection.objects.filter(id=code.id).update(team=None, granted_by_id=bob.id)
        assert browser(works, bob.id).get(place).status_code == 403


class TestWhatOneKeyAskedFor:
    def test_all_of_it_is_there_page_by_page(self, works: Works, ada: Client) -> None:
        reports = service(works)
        code = with_token(works)
        reports.ask(code)
        with works.inside():
            ids = [linked(works.acme, f"Code {number}").id for number in range(60)]
        with roles.using_role("api"), works.inside():
            for each in ids:
                KeyUse.objects.create(
                    service_key=reports.key, connection_id=each, last_at=timezone.now()
                )
        place = f"/o/acme/keys/{reports.key.id}/"
        pages, address = [], ""
        while len(pages) < 9:
            pages.append(ada.get(place + address).content.decode())
            more = re.search(r'href="([^"]*uses=[^"]*)#used" rel="next"', pages[-1])
            if more is None:
                break
            address = more[1].replace("&amp;", "&")

        found = [name for page in pages for name in re.findall(r">(Code \d+)</a>", page)]
        assert len(pages) == 4 and all("61 connections since" in page for page in pages)
        assert sorted(found) == sorted(f"Code {number}" for number in range(60))
        assert ada.get(place, {"uses": "x"}).status_code == 400

    def test_what_it_got_a_token_of_can_be_told_from_what_it_asked_for(
        self, works: Works, ada: Client
    ) -> None:
        got, asked = with_token(works, "Got code"), with_token(works, "Asked code")
        reports = service(works)
        reports.ask(got)
        with roles.using_role("api"), works.inside():
            KeyUse.objects.create(service_key=reports.key, connection=asked, last_at=timezone.now())
        place = f"/o/acme/keys/{reports.key.id}/"
        everything = ada.get(place).content.decode()
        only = ada.get(place, {"got": "token"}).content.decode()

        assert "Got code" in everything and "Asked code" in everything
        assert "1 token<" in everything and "0 tokens<" in everything
        assert "Got code" in only and "Asked code" not in only
        assert ada.get(place, {"got": "x"}).status_code == 400
