"""Abuse cases O: states and codes at the callback, and what an attacker makes of them.

The callback is the real one, the consent page is the sandbox's, and a worker settles.
"""

from __future__ import annotations

import threading
from urllib.parse import parse_qs, urlsplit

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from connections.models import Connection, Consumer, PendingLink
from connections.views.arriving import SIGNED_OUT
from portal.models import Membership, User
from portal.policy import Role
from tests.abuse.browsers import (
    CALLBACK,
    Browser,
    exchanges,
    nothing_linked,
    plain,
    refusals,
    state_of,
)
from tests.vendor import Vendor
from tests.works import Works

Stage = PendingLink.Stage


class TestState:
    def test_O01_without_a_state(self, works: Works, alice: Browser, vendor: Vendor) -> None:
        response = alice.back({"code": "abc"})
        assert response.status_code == 400
        assert b"abc" not in response.content
        assert len(refusals()) == 1
        nothing_linked(works, vendor)

    def test_O02_wrong_states_look_alike(
        self, works: Works, alice: Browser, consumer: Consumer, vendor: Vendor
    ) -> None:
        _, url = alice.start(consumer)
        state = state_of(url)
        other = chr(ord(state[0]) ^ 1)
        wrong = ("x" * 43, state[:-1], other + state[1:], state + "=", "ü" * 20, "s" * 1024 * 1024)
        answers = [alice.back({"state": value, "code": "abc"}) for value in wrong]
        assert {answer.status_code for answer in answers} == {400}
        assert len({plain(answer) for answer in answers}) == 1
        assert len(refusals()) == len(wrong)
        nothing_linked(works, vendor)

    @pytest.mark.parametrize(
        "who", ["O03-another-person", "O03-another-session", "O08-signed-out", "O08-signed-in-anew"]
    )
    def test_of_another_session(
        self, who: str, works: Works, alice: Browser, consumer: Consumer, vendor: Vendor
    ) -> None:
        pending, url = alice.start(consumer)
        query = alice.answer(url)
        if who == "O03-another-person":
            response = Browser(works, works.admin).back(query)
        elif who == "O03-another-session":
            response = Browser(works, works.alice).back(query)
        else:
            alice.client.logout()
            if who == "O08-signed-in-anew":
                alice.client.force_login(User.objects.get(id=works.alice.id))
            response = alice.back(query)
        if who == "O08-signed-out":
            assert (response.status_code, response["Location"]) == (303, reverse("account_login"))
            assert SIGNED_OUT in alice.client.get(response["Location"]).content.decode()
        else:
            assert response.status_code == 400
            assert refusals()
        assert alice.reloaded(pending).stage == Stage.AT_VENDOR
        nothing_linked(works, vendor)

    def test_O04_ends_in_the_organization_where_it_began(
        self, works: Works, alice: Browser, consumer: Consumer
    ) -> None:
        """Being in another organization's pages meanwhile changes nothing."""
        globex = works.organization("globex")
        with works.inside(globex):
            Membership.objects.create(user_id=works.alice.id, role=Role.OWNER)
        pending, url = alice.start(consumer)
        query = alice.answer(url)
        alice.client.get(reverse("members", args=["globex"]))

        assert alice.back(query)["Location"].startswith("/o/acme/")
        works.drain()
        with works.inside(globex):
            assert not Connection.objects.exists()
        assert alice.reloaded(pending).stage == Stage.DONE

    def test_O04_is_closed_to_whoever_was_removed(
        self, works: Works, alice: Browser, consumer: Consumer, vendor: Vendor
    ) -> None:
        _, url = alice.start(consumer)
        query = alice.answer(url)
        with works.inside():
            Membership.objects.filter(user_id=works.alice.id).delete()
        assert alice.back(query).status_code == 400
        nothing_linked(works, vendor)

    @pytest.mark.parametrize("way", ["O05-reload", "O45-prefetch-at-once"])
    def test_works_once(
        self, way: str, works: Works, alice: Browser, consumer: Consumer, vendor: Vendor
    ) -> None:
        pending, url = alice.start(consumer)
        query = alice.answer(url)
        if way == "O05-reload":
            first = alice.back(query)
            works.drain()
            second = alice.back(query)
        else:
            first, second = at_once(alice, query)
            works.drain()
        assert first.status_code == second.status_code == 303
        assert first["Location"] == second["Location"]
        works.drain()
        assert alice.reloaded(pending).stage == Stage.DONE
        assert exchanges(vendor) == 1
        with works.inside():
            assert Connection.objects.count() == 1

    def test_O06_two_tabs_finish_in_any_order(
        self, works: Works, alice: Browser, consumer: Consumer
    ) -> None:
        one, first = alice.start(consumer, name="One")
        two, second = alice.start(consumer, name="Two")
        assert state_of(first) != state_of(second)
        challenges = {parse_qs(urlsplit(url).query)["code_challenge"][0] for url in (first, second)}
        assert len(challenges) == 2
        answers = [alice.answer(first), alice.answer(second, user="tomas")]
        for query in reversed(answers):
            assert alice.back(query).status_code == 303
        works.drain()
        stages = [(alice.reloaded(p).stage, alice.reloaded(p).error) for p in (one, two)]
        # Both came through; one is refused only because one connection has no team.
        assert sorted(stages) == [(Stage.DONE, ""), (Stage.FAILED, "default_taken")]


def at_once(browser: Browser, query: dict[str, str]) -> list[HttpResponse]:
    """The same answer from two tabs of one browser at the same moment."""
    found: list[HttpResponse] = []
    cookies = browser.client.cookies

    def arrive() -> None:
        client = Client(raise_request_exception=False)
        client.cookies = cookies.copy()
        found.append(client.get(CALLBACK, query))  # type: ignore[arg-type]

    threads = [threading.Thread(target=arrive) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


class TestCode:
    @pytest.mark.parametrize(
        ("query", "code"),
        [
            pytest.param({}, "no_code", id="O11-missing"),
            pytest.param({"code": ""}, "no_code", id="O11-empty"),
            pytest.param({"access_token": "canary", "token_type": "bearer"}, "no_code", id="O36"),
        ],
    )
    def test_without_a_code(
        self, query: dict[str, str], code: str, works: Works, alice: Browser, consumer: Consumer,
        vendor: Vendor,
    ) -> None:  # fmt: skip
        pending, url = alice.start(consumer)
        assert alice.back({"state": state_of(url), **query}).status_code == 303
        kept = alice.reloaded(pending)
        assert (kept.stage, kept.error) == (Stage.FAILED, code)
        nothing_linked(works, vendor)

    @pytest.mark.parametrize(
        "code",
        [
            pytest.param("c" * 1024 * 1024, id="O11-megabyte"),
            pytest.param("a\x00b", id="O11-nul"),
        ],
    )
    def test_that_cannot_be_one(
        self, code: str, works: Works, alice: Browser, consumer: Consumer, vendor: Vendor
    ) -> None:
        pending, url = alice.start(consumer)
        assert alice.back({"state": state_of(url), "code": code}).status_code == 400
        assert alice.reloaded(pending).stage == Stage.AT_VENDOR
        nothing_linked(works, vendor)

    def test_O13_of_the_attacker_does_not_fit_the_victims_state(
        self, works: Works, alice: Browser, consumer: Consumer, vendor: Vendor
    ) -> None:
        mallory = Browser(works, works.admin)
        _, theirs = mallory.start(consumer, name="Theirs")
        stolen = mallory.answer(theirs, user="rashid")["code"]
        pending, url = alice.start(consumer)
        alice.back({"state": state_of(url), "code": stolen})
        works.drain()
        kept = alice.reloaded(pending)
        assert (kept.stage, kept.error) == (Stage.FAILED, "reauthorization_required")
        with works.inside():
            assert not Connection.objects.exists()

    @pytest.mark.parametrize("name", ["code", "state", "iss"])
    def test_O19_sent_twice(
        self, name: str, works: Works, alice: Browser, consumer: Consumer, vendor: Vendor
    ) -> None:
        pending, url = alice.start(consumer)
        query = f"state={state_of(url)}&code=abc&iss=x&{name}=again"
        assert alice.back(query).status_code == 400
        assert alice.reloaded(pending).stage == Stage.AT_VENDOR
        nothing_linked(works, vendor)
