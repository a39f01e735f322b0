"""Abuse cases I: what leaves for an address that somebody typed, and mail that comes back."""

from __future__ import annotations

import io
import json
import sys

import pytest
from django.core import mail
from django.core.management import CommandError, call_command

from connections import chat as way
from portal import chat, posting, vault
from portal.letters import message_id
from portal.models import Bounce, Dispatch, Intake, Notice, SealedValue
from portal.refused import Impossible
from portal.secret import Secret
from tests.cases import cast
from tests.hooks import CHANNEL, ChatService, channel, chat_service, hook, sealing
from tests.telling import Bells, bells

__all__ = ["bells", "cast", "channel", "chat_service", "sealing"]


def only_ada(bells: Bells, name: str = "code") -> Notice:
    return bells.trouble(name, audience={bells.cast["ada"].id})


class TestTheAddress:
    @pytest.mark.parametrize(
        "address",
        [
            "http://hooks.slack.com/services/T/B/x",
            "https://127.0.0.1/services/T/B/x",
            "https://[::1]/x",
            "https://169.254.169.254/latest/meta-data",
            "https://0x7f000001/x",
            "https://2130706433/x",
            "https://metadata.google.internal/x",
            "https://intranet/x",
            "https://hooks.slack.com@evil.example/x",
            "https://hooks.slack.com/x?to=evil",
            "https://hooks.slack.com:22/x",
            "https://localhost/o/acme/",
            "file:///etc/passwd",
            "gopher://example.com/x",
            "https://hooks.slack.com",
            "hello",
        ],
    )
    def test_I01_an_address_that_may_not_be_reached_is_refused(
        self, address: str, bells: Bells
    ) -> None:
        answer = bells.cast.client("ada").post(CHANNEL, {"address": address})

        assert answer.status_code == 400
        with bells.cast.inside():
            assert chat.current() is None

    def test_I01_a_name_that_leads_inside_is_refused_when_it_is_dialled(self) -> None:
        with pytest.raises(chat.NotPosted):
            way.post(Secret("https://localtest.invalid/services/T/B/x"), {"text": "x"})

    def test_I09_what_may_be_reached_is_the_same_for_every_organization(self, bells: Bells) -> None:
        """No organization has an allow list of its own here, so none can lean on another's."""
        with bells.cast.inside(bells.cast.globex), pytest.raises(Impossible):
            chat.set_address(
                actor=bells.cast.actor("mallory"), address=Secret("https://10.0.0.1/x")
            )

    def test_the_address_is_never_shown_again(self, bells: Bells, channel: ChatService) -> None:
        page = bells.cast.client("ada").get(CHANNEL).content.decode()

        assert "SecretPath" not in page
        assert "127.0.0.1" in page
        assert "1234" in page
        with bells.works():
            assert Intake.objects.count() == 0
            blob = SealedValue.objects.get(table_name=chat.TABLE).blob
            assert b"SecretPath" not in bytes(blob)
            assert vault.open(chat.place_of(hook(bells))).reveal() == channel.address

    def test_a_removed_address_is_forgotten(self, bells: Bells, channel: ChatService) -> None:
        bells.cast.client("ada").post(CHANNEL + "remove/")
        only_ada(bells)
        bells.wait()

        assert channel.posted == []
        with bells.works():
            assert not SealedValue.objects.filter(table_name=chat.TABLE).exists()

    @pytest.mark.parametrize("name", ["alice", "bob", "audrey", "mallory"])
    def test_only_admins_come_near_it(self, name: str, bells: Bells) -> None:
        client = bells.cast.client(name)
        wanted = 404 if name == "mallory" else 403

        assert client.get(CHANNEL).status_code == wanted
        assert client.post(CHANNEL, {"address": "https://x.example/y"}).status_code == wanted
        for deed in ("test", "again", "remove"):
            assert client.post(f"{CHANNEL}{deed}/").status_code == wanted


class TestThePost:
    def test_it_says_what_happened_and_where_to_mend_it(
        self, bells: Bells, channel: ChatService
    ) -> None:
        bells.trouble()
        bells.wait()

        assert channel.texts == [
            "Code is broken\nIt is Code.\nMend it: http://localhost:8000/o/acme/members/"
        ]

    def test_X19_a_name_can_neither_link_nor_mention_nor_call_everybody(
        self, bells: Bells, channel: ChatService
    ) -> None:
        only_ada(bells, "<!channel> <@U1> <https://evil.example|here> a&b @here @channel @all")
        bells.wait()

        [text] = channel.texts
        assert "&lt;!channel&gt; &lt;@\u2060U1&gt;" in text
        assert "a&amp;b" in text
        for word in ("@here", "@channel", "@all", "<"):
            assert word not in text
        [(_, payload)] = channel.posted
        assert (payload["link_names"], payload["mrkdwn"]) == (False, False)

    def test_more_than_five_are_one_post(self, bells: Bells, channel: ChatService) -> None:
        for number in range(30):
            only_ada(bells, f"code-{number:02}")
        bells.wait()

        [text] = channel.texts
        assert text.startswith("Something is broken (30 notices)")
        assert "and 10 more" in text
        assert len(text) <= posting.LONGEST

    def test_what_was_posted_is_posted_when_it_is_well_and_else_nothing(
        self, bells: Bells, channel: ChatService
    ) -> None:
        only_ada(bells, "short")
        bells.recovered("short")
        bells.wait()
        assert channel.texts == []

        only_ada(bells)
        bells.wait()
        bells.recovered()
        bells.wait()
        assert [text.splitlines()[0] for text in channel.texts] == [
            "Code is broken", "Code works again",
        ]  # fmt: skip

    def test_I08_nothing_but_words_of_the_notice_is_in_it(
        self, bells: Bells, channel: ChatService
    ) -> None:
        only_ada(bells)
        bells.wait()

        [(_, payload)] = channel.posted
        assert payload.keys() == {
            "text", "mrkdwn", "link_names", "unfurl_links", "unfurl_media",
        }  # fmt: skip
        assert "SecretPath" not in json.dumps(payload)


class TestItDoesNotArrive:
    @pytest.mark.parametrize("status", [410, 404])
    def test_I02_an_address_that_is_gone_is_switched_off_and_admins_know(
        self, status: int, bells: Bells, channel: ChatService
    ) -> None:
        channel.always = status
        only_ada(bells)
        bells.wait()
        only_ada(bells, "other")
        bells.wait()

        assert len(channel.posted) == 1
        assert hook(bells).disabled_at is not None
        assert len(bells.notices("chat_disabled")) == 1
        told = {m.to[0] for m in mail.outbox if "no longer reach" in m.subject}
        assert told == {"owen@acme.example", "ada@acme.example"}

    @pytest.mark.parametrize("status", [301, 302, 307, 308])
    def test_I05_a_redirect_is_a_failure_and_not_followed(
        self, status: int, bells: Bells, channel: ChatService
    ) -> None:
        channel.answers = [(status, {"Location": channel.url + "/elsewhere"})]
        only_ada(bells)
        bells.wait()

        assert [path for path, _ in channel.posted] == ["/services/T0/B0/SecretPathOfTheHook1234"]
        assert hook(bells).failing_since is not None

    def test_I03_a_post_that_times_out_is_tried_again(
        self, bells: Bells, channel: ChatService, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The limit is 30 seconds; here it is one, so that the suite does not wait."""
        assert (way.LIMITS.deadline_seconds, way.LIMITS.silence_seconds) == (30, 30)
        monkeypatch.setattr(way, "LIMITS", way.Limits(1024, 1.0, 1.0))
        channel.waits_seconds = 1.5
        only_ada(bells)
        bells.wait()
        channel.waits_seconds = 0
        bells.wait(minutes=2)

        assert len(channel.posted) == 2
        assert hook(bells).failing_since is None

    def test_I04_three_days_away_are_eleven_tries_then_it_is_off_and_can_be_replayed(
        self, bells: Bells, channel: ChatService
    ) -> None:
        channel.always = 503
        only_ada(bells)
        bells.wait()
        for wait in posting.WAITS:
            bells.wait(seconds=int(wait * 1.1) + 1)

        assert sum(posting.WAITS) / 3600 == pytest.approx(75, abs=1)
        assert len(channel.posted) == 11
        assert hook(bells).disabled_at is not None

        channel.always = 200
        bells.cast.client("ada").post(CHANNEL + "again/")
        bells.wait()
        assert any(text.startswith("Code is broken") for text in channel.texts[11:])

    def test_it_waits_as_long_as_it_is_asked_to(self, bells: Bells, channel: ChatService) -> None:
        channel.answers = [(429, {"Retry-After": "600"})]
        only_ada(bells)
        bells.wait()
        bells.wait(minutes=8)
        assert len(channel.posted) == 1

        bells.wait(minutes=3)
        assert len(channel.posted) == 2


class TestMailThatReturns:
    def sent(self, bells: Bells) -> Dispatch:
        only_ada(bells)
        bells.wait()
        with bells.cast.inside():
            return Dispatch.objects.get(channel="email")

    def record(self, report: str) -> str:
        said, before = io.StringIO(), sys.stdin
        sys.stdin = io.TextIOWrapper(io.BytesIO(report.encode()))
        try:
            call_command("record_bounce", stdout=said)
        finally:
            sys.stdin = before
        return said.getvalue()

    def test_a_report_about_our_message_stops_mail_to_the_address(self, bells: Bells) -> None:
        row = self.sent(bells)

        said = self.record(report(message_id(row.organization_id, row.id)))

        assert "5.1.1" in said
        assert "ada" not in said
        assert Bounce.objects.get().source == "report"
        only_ada(bells, "other")
        bells.wait()
        assert len(mail.outbox) == 1

    @pytest.mark.parametrize(
        "spoiled",
        [
            {"address": "alice@acme.example"},
            {"status": "4.2.2"},
        ],
    )
    def test_a_report_about_somebody_else_or_of_a_delay_changes_nothing(
        self, spoiled: dict[str, str], bells: Bells
    ) -> None:
        row = self.sent(bells)

        assert "Ignored" in self.record(report(message_id(row.organization_id, row.id), **spoiled))
        assert not Bounce.objects.exists()

    def test_I10_a_forged_report_is_not_believed(self, bells: Bells) -> None:
        self.sent(bells)
        for forged in (
            report("<made-up@evil.example>"),
            report("<"),  # the standard library's parser stumbles over these two
            report("<x@[>"),
            "Subject: hello\n\nno report",
            report(message_id(bells.cast.acme.id, bells.cast.globex.id), action="relayed"),
        ):
            with pytest.raises(CommandError):
                self.record(forged)
        assert "Ignored" in self.record(report(message_id(bells.cast.acme.id, bells.cast.acme.id)))
        assert not Bounce.objects.exists()

    def test_I10_one_recipient_for_each_message_and_no_answer_to_an_answer(
        self, bells: Bells
    ) -> None:
        bells.trouble()
        bells.wait()

        assert len(mail.outbox) == 3
        assert all(len(letter.recipients()) == 1 for letter in mail.outbox)
        assert all(
            letter.extra_headers["Auto-Submitted"] == "auto-generated" for letter in mail.outbox
        )


def report(
    message: str,
    *,
    address: str = "ada@acme.example",
    status: str = "5.1.1",
    action: str = "failed",
) -> str:
    """A delivery status notification as Postfix writes it."""
    return f"""From: MAILER-DAEMON@mail.example
To: portal@localhost
Subject: Undelivered Mail Returned to Sender
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain; charset=us-ascii

I'm sorry to have to inform you that your message could not be delivered.

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mail.example

Final-Recipient: rfc822; {address}
Original-Recipient: rfc822;{address}
Action: {action}
Status: {status}
Diagnostic-Code: smtp; 550 {status} No such user

--b
Content-Type: text/rfc822-headers

From: Portal <portal@localhost>
Message-ID: {message}
Subject: Code is broken

--b--
"""
