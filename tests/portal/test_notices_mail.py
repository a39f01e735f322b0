"""Mail that leaves: what it says, what happens when the server refuses, drops, or a worker dies."""

from __future__ import annotations

import re
import time
from datetime import timedelta
from email.message import EmailMessage

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext

from portal import clock, mailing, notices, roles
from portal.models import Bounce, Dispatch, Job, Notice, NoticeSettings, Receipt
from tests.mailboxes import DROP, Mailboxes, mailboxes
from tests.telling import KIND, Bells, Thing, bells
from tests.works import Works

__all__ = ["bells", "mailboxes"]
Outcome = Dispatch.Outcome


def body(message: EmailMessage, kind: str = "plain") -> str:
    part = message.get_body((kind,))
    assert part is not None
    return str(part.get_content())


def outcomes(bells: Bells) -> list[str]:
    with bells.cast.inside():
        return list(Dispatch.objects.order_by("created_at").values_list("outcome", flat=True))


def only_ada(bells: Bells, name: str = "code", **given: object) -> Notice:
    return bells.trouble(name, audience={bells.cast["ada"].id}, **given)


class TestWhatAMailSays:
    def test_each_goes_to_one_person_with_text_html_and_the_way_there(
        self, bells: Bells, mailboxes: Mailboxes
    ) -> None:
        bells.trouble()
        bells.wait()

        assert sorted(to for _, [to] in mailboxes.envelopes) == [
            "ada@acme.example",
            "alice@acme.example",
            "owen@acme.example",
        ]
        [message, *_] = mailboxes.taken
        assert message["Subject"] == "Code is broken · Acme"
        for kind in ("plain", "html"):
            assert "http://localhost:8000/o/acme/members/" in body(message, kind)
            assert "Mend it" in body(message, kind)
        assert message["List-Unsubscribe"] == "<http://localhost:8000/o/acme/notices/settings/>"
        assert message["Auto-Submitted"] == "auto-generated"

    def test_times_are_the_readers_own(self, bells: Bells, mailboxes: Mailboxes) -> None:
        with bells.cast.inside():
            NoticeSettings.objects.create(user=bells.cast["ada"], time_zone="Asia/Kolkata")
        told = only_ada(bells)
        bells.wait()

        there = told.opened_at + timedelta(hours=5, minutes=30)
        assert f"{there:%H:%M} IST" in body(mailboxes.taken[0])

    def test_I10_a_name_cannot_write_a_header(self, bells: Bells, mailboxes: Mailboxes) -> None:
        only_ada(bells, "x\r\nBcc: eve@evil.example\r\n\r\nHello <b>you</b>")
        bells.wait()

        [message] = mailboxes.taken
        assert message["Bcc"] is None
        assert mailboxes.envelopes[0][1] == ["ada@acme.example"]
        assert "<b>" not in body(message, "html")

    def test_X21_X19_what_looks_like_a_template_stays_text(
        self, bells: Bells, mailboxes: Mailboxes
    ) -> None:
        only_ada(bells, "{{ 7*7 }} {subject.__class__} {% debug %}")
        bells.wait()

        assert "{{ 7*7 }} {subject.__class__} {% debug %} is broken" in body(mailboxes.taken[0])

    def test_who_may_see_them_is_read_once_for_many(
        self, bells: Bells, mailboxes: Mailboxes
    ) -> None:
        with bells.cast.inside():
            for number in range(20):
                bells.tell(f"code-{number}", audience={bells.cast["ada"].id})
        with CaptureQueriesContext(connections["worker"]) as asked:
            bells.wait()

        assert len(mailboxes.taken) == 1
        assert sum('FROM "portal_membership"' in one["sql"] for one in asked) == 1


class TestTheServerSaysNo:
    def test_an_address_that_is_refused_for_good_is_noted_and_not_tried_again(
        self, bells: Bells, mailboxes: Mailboxes
    ) -> None:
        mailboxes.on_recipient = lambda address: b"550 5.1.1 No such user"
        only_ada(bells)
        bells.wait()
        only_ada(bells, "other")
        bells.wait()

        bounce = Bounce.objects.get()
        assert (bounce.address, bounce.status, bounce.source) == (
            "ada@acme.example", "5.1.1", "smtp",
        )  # fmt: skip
        assert outcomes(bells) == [Outcome.REFUSED]
        assert bells.unread("ada") == 2

    def test_what_waited_is_sent_once_the_address_is_confirmed(
        self, bells: Bells, mailboxes: Mailboxes
    ) -> None:
        mailboxes.on_recipient = lambda address: b"550 5.1.1 No such user"
        only_ada(bells)
        bells.wait()
        only_ada(bells, "other")
        bells.wait()
        mailboxes.on_recipient = lambda address: b"250 Good"

        client = bells.cast.client("ada")
        client.post("/o/acme/notices/settings/address/")
        code = re.search(r"\b(\d{8})\b", body(mailboxes.taken.pop()))
        assert code
        wrong = client.post("/o/acme/notices/settings/address/confirm/", {"code": "00000000"})
        right = client.post("/o/acme/notices/settings/address/confirm/", {"code": code[1]})
        bells.drain()

        assert (wrong.status_code, right.status_code) == (400, 302)
        assert {m["Subject"] for m in mailboxes.taken} == {
            "Code is broken · Acme", "other is broken · Acme",
        }  # fmt: skip

    def test_a_code_dies_after_five_wrong_tries(self, bells: Bells, mailboxes: Mailboxes) -> None:
        mailboxes.on_recipient = lambda address: b"550 5.1.1 No such user"
        only_ada(bells)
        bells.wait()
        mailboxes.on_recipient = lambda address: b"250 Good"
        client = bells.cast.client("ada")
        client.post("/o/acme/notices/settings/address/")
        code = re.search(r"\b(\d{8})\b", body(mailboxes.taken.pop()))
        assert code

        for _ in range(5):
            client.post("/o/acme/notices/settings/address/confirm/", {"code": "00000000"})
        right = client.post("/o/acme/notices/settings/address/confirm/", {"code": code[1]})

        assert right.status_code == 400
        assert Bounce.objects.get().cleared_at is None

    @pytest.mark.parametrize("answer", [b"451 4.7.1 Greylisted", b"421 4.3.2 Later"])
    def test_a_temporary_no_is_tried_again(
        self, answer: bytes, bells: Bells, mailboxes: Mailboxes
    ) -> None:
        mailboxes.on_recipient = lambda address: answer
        only_ada(bells)
        bells.wait()
        assert outcomes(bells) == [Outcome.WAITING]

        mailboxes.on_recipient = lambda address: b"250 Good"
        bells.wait(minutes=16)
        assert outcomes(bells) == [Outcome.SENT]
        assert len(mailboxes.taken) == 1

    def test_what_resolves_while_the_server_is_away_is_not_sent(
        self, bells: Bells, mailboxes: Mailboxes
    ) -> None:
        mailboxes.on_recipient = lambda address: b"451 Later"
        only_ada(bells)
        bells.wait()
        bells.recovered()
        mailboxes.on_recipient = lambda address: b"250 Good"
        bells.wait(minutes=16)

        assert outcomes(bells) == [Outcome.DROPPED]
        assert mailboxes.taken == []

    def test_what_a_server_did_not_take_for_a_day_is_told_and_sent_when_it_is_back(
        self, bells: Bells, mailboxes: Mailboxes
    ) -> None:
        mailboxes.on_recipient = lambda address: b"451 Later"
        only_ada(bells)
        bells.wait()
        bells.wait(minutes=24 * 60 + 1)
        bells.drain()

        assert outcomes(bells) == [Outcome.FAILED], "nothing is tried at once"
        [away] = bells.platforms(mailing.AWAY)
        assert away.is_open
        assert mailboxes.taken == []

        mailboxes.on_recipient = lambda address: b"250 Good"
        bells.wait(minutes=61)
        assert outcomes(bells) == [Outcome.FAILED, Outcome.SENT]
        assert len(mailboxes.taken) == 1
        assert not bells.platforms(mailing.AWAY)[0].is_open

    def test_what_resolves_after_a_day_without_mail_is_not_sent(
        self, bells: Bells, mailboxes: Mailboxes
    ) -> None:
        mailboxes.on_recipient = lambda address: b"451 Later"
        only_ada(bells)
        bells.wait()
        bells.wait(minutes=24 * 60 + 1)
        bells.recovered()
        mailboxes.on_recipient = lambda address: b"250 Good"
        bells.wait(minutes=61)

        assert outcomes(bells) == [Outcome.FAILED]
        assert mailboxes.taken == []

    def test_a_lost_answer_is_repeated_once_with_the_same_message_id(
        self, bells: Bells, mailboxes: Mailboxes
    ) -> None:
        mailboxes.on_message = lambda message: DROP
        only_ada(bells)
        for _ in range(4):
            bells.wait(minutes=16)

        assert len(mailboxes.taken) == 2
        assert len({message["Message-ID"] for message in mailboxes.taken}) == 1
        assert outcomes(bells) == [Outcome.IN_DOUBT]

    def test_what_was_read_meanwhile_is_not_repeated(
        self, bells: Bells, mailboxes: Mailboxes
    ) -> None:
        mailboxes.on_message = lambda message: DROP
        only_ada(bells)
        bells.wait()
        bells.read("ada")
        bells.wait(minutes=16)

        assert len(mailboxes.taken) == 1


@pytest.mark.parametrize(("step", "most"), [("notice.intended", 1), ("notice.answered", 2)])
def test_a_worker_that_dies_repeats_one_mail_at_most(
    step: str, most: int, works: Works, mailboxes: Mailboxes
) -> None:
    with works.inside():
        notices.tell(
            KIND,
            subject=Thing("code"),
            audience={works.admin.id},
            dedupe="code",
            url="/",  # type: ignore[arg-type]
        )
    with roles.using_role("worker"), works.inside():
        Notice.objects.update(ready_at=clock.now() - timedelta(minutes=1))
        Job.objects.update(run_at=clock.now())

    assert works.fork_and_die(step) == -9
    time.sleep(2.2)
    for _ in range(2):
        works.drain()

    assert 1 <= len(mailboxes.taken) <= most
    assert len({message["Message-ID"] for message in mailboxes.taken}) == 1
    with works.inside():
        assert Dispatch.objects.get().outcome == Outcome.SENT
        assert Receipt.objects.get(user_id=works.admin.id).told_at is not None


def test_a_worker_that_always_dies_after_sending_stops_at_two(
    works: Works, mailboxes: Mailboxes
) -> None:
    with works.inside():
        notices.tell(
            KIND,
            subject=Thing("code"),
            audience={works.admin.id},
            dedupe="code",
            url="/",  # type: ignore[arg-type]
        )
    with roles.using_role("worker"), works.inside():
        Notice.objects.update(ready_at=clock.now() - timedelta(minutes=1))
        Job.objects.update(run_at=clock.now())

    codes = []
    for _ in range(3):
        codes.append(works.fork_and_die("notice.answered"))
        time.sleep(2.2)

    assert codes == [-9, -9, 0]
    assert len(mailboxes.taken) == mailing.MOST_SENDS
    with works.inside():
        assert Dispatch.objects.get().outcome == Outcome.IN_DOUBT
