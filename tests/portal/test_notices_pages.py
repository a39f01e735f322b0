"""The bell, the inbox and one's choices: works · somebody else's · next door · twice · nothing."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.core import mail
from django.test import Client

from portal import clock, notices, tenancy
from portal.models import Bounce, Membership, NoticeSettings, Receipt, Team
from tests.telling import KIND, QUIET, Bells, Thing, bells

__all__ = ["bells"]
INBOX = "/o/acme/notices/"


def get(client: Client, address: str = INBOX, wanted: int = 200) -> str:
    answer = client.get(address)
    assert answer.status_code == wanted
    return answer.content.decode()


def receipt(bells: Bells, name: str, dedupe: str = "code") -> Receipt:
    with bells.cast.inside():
        found: Receipt = Receipt.objects.get(user=bells.cast[name], notice__dedupe=dedupe)
        return found


def titles(page: str) -> list[str]:
    return re.findall(r'data-row-link dir="auto">([^<]+)<', page)


class TestTheBell:
    def test_it_counts_what_is_unread_on_every_page(self, bells: Bells) -> None:
        client = bells.cast.client("ada")
        assert "nothing unread" in get(client, "/o/acme/members/")
        bells.trouble("one")
        bells.trouble("two")

        page = get(client, "/o/acme/members/")
        assert 'class="bell__count"' in page
        assert ">2<" in page
        assert f'hx-get="{INBOX}bell/"' in page
        assert ">2<" in get(client, INBOX + "bell/")

    def test_more_than_a_hundred_are_ninety_nine_and_more(self, bells: Bells) -> None:
        with bells.cast.inside():
            for number in range(101):
                bells.tell(f"t{number}", audience={bells.cast["ada"].id})

        assert "99+" in get(bells.cast.client("ada"), INBOX + "bell/")


class TestTheInbox:
    def test_each_notice_has_the_button_that_mends_it(self, bells: Bells) -> None:
        bells.trouble()
        client = bells.cast.client("ada")
        page = get(client)

        assert titles(page) == ["Code is broken"]
        assert "Mend it" in page
        answer = client.post(f"{INBOX}{receipt(bells, 'ada').id}/")
        assert (answer.status_code, answer["Location"]) == (302, "/o/acme/members/")
        assert bells.unread("ada") == 0
        assert bells.unread("alice") == 1

    def test_it_is_narrowed_by_what_is_unread_by_kind_and_by_subject(self, bells: Bells) -> None:
        bells.trouble("one")
        bells.trouble("two", kind=QUIET)
        client = bells.cast.client("ada")
        client.post(f"{INBOX}{receipt(bells, 'ada', 'one').id}/read/")

        assert titles(get(client)) == ["two is odd", "one is broken"]
        assert titles(get(client, INBOX + "?show=unread")) == ["two is odd"]
        assert titles(get(client, f"{INBOX}?kind={KIND}")) == ["one is broken"]
        assert titles(get(client, f"{INBOX}?about={Thing('two').id}")) == ["two is odd"]
        assert "No notice matches" in get(client, f"{INBOX}?kind={KIND}&show=unread")

    def test_all_that_is_shown_is_marked_as_read(self, bells: Bells) -> None:
        bells.trouble("one")
        bells.trouble("two", kind=QUIET)
        client = bells.cast.client("ada")

        answer = client.post(f"{INBOX}read/?kind={KIND}")

        assert answer["Location"] == f"{INBOX}?kind={KIND}"
        assert titles(get(client, INBOX + "?show=unread")) == ["two is odd"]
        client.post(f"{INBOX}read/?show=unread")
        assert "You have read everything" in get(client, INBOX + "?show=unread")

    @pytest.mark.parametrize(
        "query", ["show=x", "kind=password", "about=x", "cursor=x", "kind=a&kind=b"]
    )
    def test_F15_a_wish_that_is_not_on_the_list_is_refused(self, query: str, bells: Bells) -> None:
        get(bells.cast.client("ada"), f"{INBOX}?{query}", wanted=400)

    def test_fifty_are_on_a_page(self, bells: Bells) -> None:
        with bells.cast.inside():
            for number in range(51):
                bells.tell(f"t{number}", audience={bells.cast["ada"].id})
        client = bells.cast.client("ada")
        page = get(client)

        assert len(titles(page)) == 50
        following = re.search(r'href="(\?cursor=[^"]+)" rel="next"', page)
        assert following
        assert len(titles(get(client, INBOX + following[1]))) == 1

    def test_what_is_over_says_so_and_asks_for_nothing(self, bells: Bells) -> None:
        bells.trouble()
        bells.wait()
        bells.recovered()
        page = get(bells.cast.client("ada"))

        assert titles(page) == ["Code works again", "Code is broken"]
        assert "over since" in page
        assert "Mend it" not in page

    def test_who_was_told_nothing_reads_what_will_be_here(self, bells: Bells) -> None:
        assert "Nothing to tell you" in get(bells.cast.client("bob"))

    @pytest.mark.parametrize("name", ["alice", "bob", "mallory", "olga", None])
    def test_T02_somebody_elses_notice_is_not_there(self, name: str | None, bells: Bells) -> None:
        bells.trouble(audience={bells.cast["ada"].id})
        client = bells.cast.client(name)
        for end in ("", "read/"):
            answer = client.post(f"{INBOX}{receipt(bells, 'ada').id}/{end}")
            assert answer.status_code == (404 if name else 302)
        assert bells.unread("ada") == 1

    def test_T01_who_left_a_team_reads_nothing_of_its_connection(self, bells: Bells) -> None:
        with bells.cast.inside():
            team = Team.objects.create(name="Web")
        bells.trouble(team_id=team.id, audience={bells.cast["bob"].id, bells.cast["ada"].id})
        client = bells.cast.client("bob")

        assert titles(get(client)) == []
        assert "nothing unread" in get(client)
        assert client.post(f"{INBOX}{receipt(bells, 'bob').id}/").status_code == 404
        assert titles(get(bells.cast.client("ada"))) == ["Code is broken"]
        bells.wait()
        assert bells.mailed() == {"ada"}

    def test_X19_names_stay_text(self, bells: Bells) -> None:
        bells.trouble("<script>alert(1)</script>{{ 7*7 }}")
        page = get(bells.cast.client("ada"))

        assert "<script>alert(1)" not in page
        assert "{{ 7*7 }}" in page


class TestChoices:
    def chosen(self, bells: Bells, **instead: Any) -> dict[str, Any]:
        """What the form holds, and what is changed of it."""
        page = get(bells.cast.client("ada"), INBOX + "settings/")
        ticked = re.findall(r'<input type="checkbox" name="(email_\w+)"[^>]*checked', page)
        form: dict[str, Any] = {
            **dict.fromkeys(ticked, "on"), "digest": "at_once", "time_zone": "UTC", **instead,
        }  # fmt: skip
        return {name: value for name, value in form.items() if value}

    def test_only_what_differs_from_the_default_is_kept(self, bells: Bells) -> None:
        form = self.chosen(
            bells, **{f"email_{KIND}": "", f"email_{QUIET}": "on"}, time_zone="Europe/Berlin"
        )
        answer = bells.cast.client("ada").post(INBOX + "settings/", form)

        assert answer.status_code == 302
        with bells.cast.inside():
            own = NoticeSettings.objects.get(user=bells.cast["ada"])
        assert own.email == {KIND: False, QUIET: True}
        assert own.time_zone == "Europe/Berlin"

    @pytest.mark.parametrize(
        "wrong", [{"time_zone": "Mars/Olympus"}, {"digest": "never"}, {"time_zone": ""}]
    )
    def test_a_wrong_choice_is_named_and_nothing_is_kept(
        self, wrong: dict[str, str], bells: Bells
    ) -> None:
        answer = bells.cast.client("ada").post(INBOX + "settings/", self.chosen(bells, **wrong))

        assert answer.status_code == 400
        with bells.cast.inside():
            assert not NoticeSettings.objects.exists()

    def test_they_hold_in_this_organization_only(self, bells: Bells) -> None:
        with bells.cast.inside(bells.cast.globex):
            Membership.objects.create(user=bells.cast["ada"], role="admin")
        client = bells.cast.client("ada")
        client.post(INBOX + "settings/", self.chosen(bells, **{f"email_{KIND}": ""}))

        page = get(client, "/o/globex/notices/settings/")
        assert re.search(rf'name="email_{KIND}"[^>]*checked', page)

    def test_an_address_that_refuses_mail_is_shown_to_the_person_and_to_members(
        self, bells: Bells
    ) -> None:
        with bells.works():
            Bounce.objects.create(
                user=bells.cast["ada"], address="ada@acme.example", status="5.1.1",
                source="smtp", at=clock.now(),
            )  # fmt: skip

        assert "Your address refuses our mail" in get(bells.cast.client("ada"), INBOX + "settings/")
        assert "refuses our mail (5.1.1)" in get(bells.cast.client("bob"), "/o/acme/members/")
        assert "refuses our mail" not in get(bells.cast.client("alice"), INBOX + "settings/")


class TestOperators:
    def test_they_have_an_inbox_of_their_own_and_members_have_none_there(
        self, bells: Bells
    ) -> None:
        with tenancy.acting_for(tenancy.PLATFORM), tenancy.transaction():
            notices.tell(
                "job_failed", subject=Thing("send_notice"), audience=notices.operators(),
                dedupe="x", url="/platform/workers/",
            )  # fmt: skip
        olga = bells.cast.client("olga")

        assert titles(get(olga, "/platform/notices/")) == ["Jobs were given up: send_notice"]
        assert 'href="/platform/notices/"' in get(olga, "/platform/organizations/")
        get(olga, "/platform/notices/settings/")
        assert olga.post("/platform/notices/read/").status_code == 302
        assert "Nothing is unread" in get(olga, "/platform/notices/")
        get(bells.cast.client("owen"), "/platform/notices/", wanted=404)
        assert mail.outbox == []
