"""The wizard over HTTP: four steps, back and forth, and every way it can end."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client
from django.utils import timezone

from connections.models import Connection, PendingLink
from portal.models import AuditEvent, Team, TeamMembership
from portal.policy import Role
from tests.connections.pages import begun, linked, refused, signed_in, text
from tests.vendor import Vendor
from tests.works import Works

CALLBACK = "/oauth/bitbucket-cloud/callback"


@pytest.fixture
def alice(works: Works) -> Client:
    return signed_in(works.alice)


def test_a_pasted_token_becomes_a_connection(alice: Client, works: Works, vendor: Vendor) -> None:
    steps = begun(alice)
    what = alice.get(steps + "what").content.decode()
    assert "Repositories: Read" in what and "read:repository:bitbucket" in what

    chosen = {"capabilities": ["repositories-read", "workspaces-read"], "reason": ""}
    assert alice.post(steps + "what", chosen)["Location"] == steps + "how"
    assert "Sign in to Bitbucket" in alice.get(steps + "how").content.decode()
    consent = alice.get(steps + "consent?method=api-token").content.decode()
    assert "Create API token with scopes" in consent

    token = vendor.token("dana-full")
    form = {"email": "dana@acme.example", "token": token, "name": "Acme code", "team": ""}
    answer = alice.post(steps + "consent?method=api-token", form)
    assert answer["Location"] == steps + "check"
    waiting = alice.get(steps + "check").content.decode()
    assert "Finding out what this credential may do" in waiting and token not in waiting

    works.drain()
    over = alice.get(steps + "progress")
    assert over["HX-Redirect"] == steps + "check"
    arrived = alice.get(steps + "check")["Location"]
    page = alice.get(arrived).content.decode()
    assert "Which workspaces shall be read?" in page and "Acme" in page

    with works.inside():
        connection = Connection.objects.get(name="Acme code")
        ids = list(connection.workspaces.values_list("id", flat=True))
    base = f"/o/acme/connections/{connection.id}/"
    answer = alice.post(base + "workspaces/choose", {"workspaces": ids})
    assert answer["Location"] == base + "sync"
    assert "Reading now" in alice.get(base + "sync").content.decode()
    works.drain()
    for tab in ("", "verification", "credential", "repositories", "sync", "record", "settings"):
        page = alice.get(base + tab)
        assert page.status_code == 200, tab
        assert token not in page.content.decode()


def pasted(client: Client, steps: str, token: str, **more: str) -> str:
    """The page that answers a pasted token which was not accepted."""
    form = {"email": "dana@acme.example", "token": token, "name": "Acme code", "team": ""}
    return refused(client.post(steps + "consent?method=api-token", form | more))


class TestWhatIsPasted:
    def test_a_dead_app_password_names_its_successor(self, alice: Client) -> None:
        page = pasted(alice, begun(alice), "ATBBxyz0123456789")

        assert "28 July 2026" in page and "method=workspace-token" in page
        assert "ATBBxyz" not in page

    def test_a_token_of_another_kind_is_offered_its_own_way(self, alice: Client) -> None:
        page = pasted(alice, begun(alice), "ATCTT3xFfGnobody0123456789")

        assert "This is a Bitbucket access token" in page
        assert "method=repository-token" in page and "ATCTT3xFfGnobody" not in page

    @pytest.mark.parametrize("token", ["", "   ", "••••••••", "with space", "x" * 20_000])
    def test_f19_f20_what_is_no_token_stays_out(self, alice: Client, token: str) -> None:
        page = pasted(alice, begun(alice), token)

        assert 'role="alert"' in page and 'value="••' not in page
        assert 'value="dana@acme.example"' in page, "what was typed otherwise stays"

    def test_x27_a_token_in_the_name_is_neither_kept_nor_shown(
        self, alice: Client, works: Works
    ) -> None:
        page = pasted(alice, begun(alice), "ATATTgood0123456789", name="ATATT3xFfGF0-aB_cd12345678")

        assert "looks like a token" in page and "3xFfGF0" not in page
        with works.inside():
            event = AuditEvent.objects.get(action="input.looks_secret")
            assert "3xFfGF0" not in str(event.details)
            assert not PendingLink.objects.exclude(name="").exists()

    @pytest.mark.parametrize("name", ["", " ", "\u3164", "a" * 81, "two\nlines", "{{7*7}}"])
    def test_x_a_name_that_is_none_is_refused_beside_its_field(
        self, alice: Client, name: str
    ) -> None:
        page = pasted(alice, begun(alice), "ATATTgood0123456789", name=name)

        assert 'id="id_name_error"' in page

    def test_a_taken_name_is_said_at_once(
        self, alice: Client, works: Works, vendor: Vendor
    ) -> None:
        linked(works, vendor, name="Acme code")

        assert "Another connection has this name" in pasted(alice, begun(alice), "ATATTgood")


class TestWhatIsChosen:
    def test_writing_needs_a_reason_and_keeps_what_was_ticked(self, alice: Client) -> None:
        steps = begun(alice)
        page = refused(alice.post(steps + "what", {"capabilities": ["webhooks-manage"]}))

        assert 'id="id_reason_error"' in page
        assert re.search(r'value="webhooks-manage" checked', page)

    def test_the_scope_list_follows_without_script(self, alice: Client, works: Works) -> None:
        steps = begun(alice)
        page = text(alice.post(steps + "what", {"capabilities": ["webhooks-manage"], "show": "1"}))

        assert "write:webhook:bitbucket" in page
        with works.inside():
            assert "webhooks-manage" not in PendingLink.objects.get().capabilities

    def test_the_scope_list_follows_each_tick(self, alice: Client) -> None:
        steps = begun(alice)
        query = urlencode({"capabilities": ["permissions-read", "projects-read"]}, doseq=True)
        part = text(alice.get(f"{steps}scopes?{query}"))

        assert "Repositories: Admin" in part and "Access tokens cannot read permissions" in part
        assert "<html" not in part

    def test_a_way_that_cannot_do_it_says_why(self, alice: Client) -> None:
        steps = begun(alice)
        reason = "Reviews need to see who may write."
        alice.post(steps + "what", {"capabilities": ["permissions-read"], "reason": reason})
        page = text(alice.get(steps + "how"))

        assert "Access tokens cannot read permissions" in page
        assert "method=repository-token" not in page and "method=api-token" in page
        assert "none is registered yet" in page


class TestAtTheVendor:
    def test_consent_leads_there_and_back(
        self, alice: Client, works: Works, vendor: Vendor
    ) -> None:
        works.register(vendor.consumer("acme-portal"))
        steps = begun(alice)
        answer = alice.post(steps + "consent?method=oauth", {"name": "Acme code", "team": ""})
        assert answer["Location"] == steps + "leave"
        away = alice.get(steps + "leave")
        assert away["Referrer-Policy"] == "no-referrer"
        address = re.search(r'class="button button--primary" href="([^"]+)"', text(away))
        assert address is not None

        sent = works.consent(unescape(address[1]))
        back = alice.get(CALLBACK + "?" + urlencode(sent, doseq=True))

        assert (back.status_code, back["Location"]) == (303, steps + "check")
        assert back["Referrer-Policy"] == "no-referrer"
        works.drain()
        assert "/workspaces" in alice.get(steps + "check")["Location"]
        again = alice.get(CALLBACK + "?" + urlencode(sent, doseq=True))
        assert again["Location"] == steps + "check", "O05: the first answer's result"

    def test_o15_a_denial_is_calm_and_keeps_what_was_chosen(
        self, alice: Client, works: Works, vendor: Vendor
    ) -> None:
        steps, state = departed(alice, works, vendor)
        words = "<b>no</b>\u202eevil" + "x" * 300
        alice.get(CALLBACK, {"state": state, "error": "access_denied", "error_description": words})
        page = text(alice.get(steps + "check"))

        assert "You did not allow the access" in page and "<b>no" not in page
        assert "Try once more" in page and steps + "what" in page

    @pytest.mark.parametrize(
        "query",
        [
            pytest.param({}, id="O01"),
            pytest.param({"state": "x" * 43, "code": "c"}, id="O02"),
            pytest.param({"state": "x" * 100_000, "code": "c"}, id="O02-long"),
            pytest.param({"state": "\u05d0\u05d1", "code": "c"}, id="O02-not-ascii"),
            pytest.param({"code": "c"}, id="O01-code"),
        ],
    )
    def test_an_answer_that_fits_nothing_is_one_page(
        self, alice: Client, works: Works, query: dict[str, str]
    ) -> None:
        answer = alice.get(CALLBACK, query)

        assert answer.status_code == 400
        assert "Please start again" in answer.content.decode()
        assert works.drain() == 0

    def test_o19_a_repeated_parameter_is_refused(self, alice: Client) -> None:
        assert alice.get(CALLBACK + "?state=a&state=b&code=c").status_code == 400

    def test_o03_o08_another_session_cannot_finish_it(
        self, alice: Client, works: Works, vendor: Vendor
    ) -> None:
        steps, state = departed(alice, works, vendor)
        other = signed_in(works.alice)

        assert other.get(CALLBACK, {"state": state, "code": "c"}).status_code == 400
        signed_out = Client().get(CALLBACK, {"state": state, "code": "secret-code"})
        assert signed_out.status_code == 303 and "secret-code" not in signed_out["Location"]
        assert "Before you go" in text(alice.get(steps + "consent"))

    def test_an_unknown_connector_has_no_callback(self, alice: Client) -> None:
        assert alice.get("/oauth/nothing/callback").status_code == 404


def departed(client: Client, works: Works, vendor: Vendor) -> tuple[str, str]:
    """On the way to the vendor: the steps, and the state that was sent along."""
    works.register(vendor.consumer("acme-portal"))
    steps = begun(client)
    client.post(steps + "consent?method=oauth", {"name": "Acme code", "team": ""})
    found = re.search(r"state=([\w\-]+)", text(client.get(steps + "leave")))
    assert found is not None
    return steps, found[1]


class TestTheCheck:
    def waiting(self, client: Client, works: Works, **facts: Any) -> str:
        steps = begun(client)
        with works.inside():
            PendingLink.objects.update(**facts)
        return steps

    def test_no_worker_is_said(self, alice: Client, works: Works) -> None:
        long_ago = timezone.now() - timedelta(seconds=40)
        steps = self.waiting(alice, works, stage="answered", answered_at=long_ago)

        assert "No worker answers" in text(alice.get(steps + "check"))
        assert "No worker answers" in text(alice.get(steps + "progress"))

    @pytest.mark.parametrize(
        ("code", "words"),
        [
            ("denied", "You did not allow the access"),
            ("expired", "longer than ten minutes"),
            ("misconfigured", "set up wrongly"),
            ("unavailable", "is not answering"),
            ("account_taken", "linked already"),
            ("reauthorization_required", "does not accept this credential"),
            ("something_new", "went wrong on our side"),
        ],
    )
    def test_every_failure_says_what_happened_and_what_to_do(
        self, alice: Client, works: Works, code: str, words: str
    ) -> None:
        steps = self.waiting(alice, works, stage="failed", error=code)
        page = text(alice.get(steps + "check"))

        assert words in page and "button--primary" in page

    def test_another_account_is_decided_by_the_person(self, alice: Client, works: Works) -> None:
        found = {"now": {"name": "Eve"}, "before": {"name": "Dana"}, "gained": [], "lost": ["Acme"]}
        steps = self.waiting(alice, works, stage="confirm_account", found_account=found)
        page = text(alice.get(steps + "check"))

        assert "another account than before" in page and "Eve" in page and "Acme" in page
        answer = alice.post(steps + "confirm-account")
        assert answer["Location"] == steps + "check"
        assert "Waiting for a worker" in text(alice.get(steps + "check"))

    def test_leaving_links_nothing(self, alice: Client, works: Works) -> None:
        steps = begun(alice)

        assert alice.post(steps + "abandon")["Location"] == "/o/acme/catalogue/"
        works.drain()
        assert "Nothing is linked yet" in text(alice.get("/o/acme/"))


def test_a_link_is_its_beginners_alone(works: Works) -> None:
    steps = begun(signed_in(works.alice))
    colleague = signed_in(works.admin)

    for step in ("what", "how", "consent", "leave", "check", "progress", "scopes"):
        assert colleague.get(steps + step).status_code == 404


@pytest.mark.parametrize("role", [Role.ADMIN, Role.MEMBER])
def test_the_consumers_page_is_offered_to_who_may_open_it(works: Works, role: Role) -> None:
    client = signed_in(works.person("kim@acme.example", "Kim", role))
    steps, there = begun(client), 'href="/o/acme/settings/consumers/"'
    how = text(client.get(steps + "how"))
    with works.inside():
        PendingLink.objects.update(stage="failed", error="misconfigured")
    trouble = text(client.get(steps + "check"))

    offered = role == Role.ADMIN
    assert ((there in how), (there in trouble)) == (offered, offered)
    assert "button--primary" in trouble


def test_an_auditor_cannot_begin(works: Works) -> None:
    auditor = signed_in(works.person("aud@acme.example", "Aud", Role.AUDITOR))

    assert auditor.post("/o/acme/catalogue/bitbucket-cloud/link").status_code == 403
    assert "You can look, but not link" in text(auditor.get("/o/acme/catalogue/"))


def test_a_member_links_for_their_own_teams_only(works: Works, vendor: Vendor) -> None:
    person = works.person("bob@acme.example", "Bob", Role.MEMBER)
    with works.inside():
        team = Team.objects.create(name="Payments")
        Team.objects.create(name="Secret team")
        TeamMembership.objects.create(team=team, user_id=person.id, role="reader")
    bob = signed_in(person)
    page = text(bob.get(begun(bob) + "consent?method=api-token"))
    assert "Payments" in page and "Secret team" not in page and "The whole organization" in page

    linked(works, vendor)
    with works.inside():
        TeamMembership.objects.all().delete()
    assert "There is no place for it yet" in text(bob.get(begun(bob) + "consent?method=api-token"))
