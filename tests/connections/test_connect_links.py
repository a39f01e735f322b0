"""Connect links: sent by an admin, used once by somebody without an account, all on record."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from typing import Any
from uuid import uuid4

import pytest
from django.core import mail
from django.core.exceptions import PermissionDenied
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from connections.flows import campaigns, connect_links, lifecycle
from connections.flows.connect_links import Recipient, Wish
from connections.flows.connect_mail import Sent
from connections.flows.problems import FlowProblem
from connections.models import Connection, ConnectLink, PendingLink
from portal import people
from portal.logs import redact
from portal.models import AuditEvent, Membership, Notice, Team
from portal.policy import Actor, Role
from tests.connections.pages import linked, signed_in, text
from tests.vendor import Vendor
from tests.works import READ, Works

DANA = Recipient("Dana Right", "", "Please use the service account.")
NEW = "/o/acme/connect-links/new"


@pytest.fixture
def ada(works: Works) -> Actor:
    return works.admin


def sent(works: Works, who: Actor, *, to: Recipient = DANA, **wish: Any) -> Sent:
    wanted = {"connector": "bitbucket-cloud", "capabilities": READ, "name": "Acme code"}
    with works.inside():
        return connect_links.send(actor=who, wish=Wish(**wanted | wish), to=to, key=uuid4())


def again(works: Works, who: Actor, connection: Connection) -> Sent:
    with works.inside():
        fresh = Connection.objects.get(id=connection.id)
        return connect_links.send(actor=who, wish=connect_links.again(fresh), to=DANA, key=uuid4())


def path(made: Sent) -> str:
    return "/connect/" + made.address.rpartition("/connect/")[2]


def row(works: Works, made: Sent) -> ConnectLink:
    with works.inside():
        return ConnectLink.objects.get(id=made.link.id)  # type: ignore[no-any-return]


def opened(made: Sent) -> Client:
    """The browser of somebody who is nobody here, with the link opened."""
    browser = Client()
    assert browser.get(path(made))["Location"] == page_of(made)
    return browser


def page_of(made: Sent, name: str = "") -> str:
    return f"/connect/{made.link.id}/{name}"


def way_out(browser: Client, made: Sent) -> str:
    """The vendor's address on the page that leads there."""
    (address,) = re.findall(r'url=([^"]+)"', text(browser.get(page_of(made, "leave"))))
    return unescape(address)


def paste(
    browser: Client, made: Sent, token: str, *, who: str = "dana", method: str = "api-token"
) -> Any:
    chosen = browser.post(page_of(made, "begin"), {"method": method})
    assert chosen["Location"] == page_of(made, f"consent?method={method}"), chosen
    return browser.post(chosen["Location"], {"email": f"{who}@acme.example", "token": token})


def linked_elsewhere(like: Connection, who: Actor) -> Connection:
    """Of another product, granted by somebody else."""
    made: Connection = Connection.objects.create(
        connector="bitbucket-data-center", method="http-token", name="Own server",
        capabilities=["repositories-read"], team_id=like.team_id,
        granted_by_id=who.id, granted_by_name="Ada",
        account_id="olaf", state="working",
    )  # fmt: skip
    return made


def actions(works: Works) -> list[tuple[str, str, str]]:
    with works.inside():
        rows = AuditEvent.objects.order_by("sequence")
        return [(each.action, each.actor_kind, each.actor_name) for each in rows]


class TestTheWay:
    def test_a_person_without_an_account_links_by_token(
        self, works: Works, vendor: Vendor, ada: Actor
    ) -> None:
        made = sent(works, ada)
        browser = opened(made)
        page = text(browser.get(page_of(made)))
        assert "Ada" in page and "Acme" in page and "Dana Right" in page
        assert "read:repository:bitbucket" in page and "Please use the service account." in page

        assert paste(browser, made, vendor.token("dana-full"))["Location"] == page_of(made, "check")
        works.drain()
        assert browser.get(page_of(made, "check"))["Location"] == page_of(made, "done")
        thanks = text(browser.get(page_of(made, "done")))
        assert "take it back" in thanks and "read:repository:bitbucket" in thanks

        known = row(works, made)
        assert known.linked_at and known.linked_from == "127.0.0.1" and known.linked_account
        with works.inside():
            connection = Connection.objects.get(id=known.connection_id)
        assert connection.name == "Acme code" and connection.granted_by_id == ada.id
        assert connection.granted_by_name == "Dana Right, asked by Ada"
        assert [each for each in actions(works) if each[1] == "guest"] == [
            ("connect_link.opened", "guest", "Dana Right"),
            ("link.begun", "guest", "Dana Right"),
            ("connection.linked", "guest", "Dana Right"),
            ("connect_link.used", "guest", "Dana Right"),
        ]
        with works.inside():
            assert Notice.objects.get(kind="connect_link_used").body.startswith("Dana Right")

    def test_a_person_without_an_account_links_by_oauth(
        self, works: Works, vendor: Vendor, ada: Actor
    ) -> None:
        works.register(vendor.consumer("acme-portal"))
        made = sent(works, ada)
        browser = opened(made)
        browser.post(page_of(made, "begin"), {"method": "oauth"})
        assert browser.post(page_of(made, "consent?method=oauth"), {"go": "1"})[
            "Location"
        ] == page_of(made, "leave")
        answer = works.consent(way_out(browser, made))

        back = browser.get("/oauth/bitbucket-cloud/callback", {k: v[0] for k, v in answer.items()})
        assert back.status_code == 303 and back["Location"] == page_of(made, "check")
        works.drain()

        assert "Thank you" in text(browser.get(page_of(made, "done")))
        assert row(works, made).linked_at

    def test_the_same_connection_is_linked_again_in_place(
        self, works: Works, vendor: Vendor, ada: Actor
    ) -> None:
        before = linked(works, vendor)
        made = again(works, ada, before)
        browser = opened(made)
        page = text(browser.get(page_of(made)))
        assert "Acme code" in page and before.account_name not in page

        paste(browser, made, vendor.token("dana-full"))
        works.drain()

        assert row(works, made).connection_id == before.id
        assert "connection.relinked" in [each[0] for each in actions(works)]

    def test_another_account_waits_for_the_sender(
        self, works: Works, vendor: Vendor, ada: Actor
    ) -> None:
        before = linked(works, vendor)
        made = again(works, ada, before)
        browser = opened(made)
        paste(browser, made, vendor.token("tomas-full"), who="tomas")
        works.drain()

        page = text(browser.get(page_of(made, "check")))
        assert "another account than before" in page and before.account_name not in page
        with works.inside():
            assert Connection.objects.get(id=before.id).account_id == before.account_id
            notice = Notice.objects.get(kind="connect_link_asks")
        admin = signed_in(ada)
        assert "another account than before" in text(admin.get(notice.url))

        admin.post(f"{notice.url}agree")
        works.drain()

        with works.inside():
            after = Connection.objects.get(id=before.id)
            assert Notice.objects.get(id=notice.id).resolved_at
        assert after.account_id != before.account_id and row(works, made).linked_at

    def test_what_another_connection_is_called_is_not_told(
        self, works: Works, vendor: Vendor, ada: Actor
    ) -> None:
        linked(works, vendor, name="Quetzal code")
        with works.inside():
            team = Team.objects.create(name="Blue")
        made = sent(works, ada, name="Second", team_id=team.id)
        browser = opened(made)
        paste(browser, made, vendor.token("dana-full"))
        works.drain()

        page = text(browser.get(page_of(made, "check")))
        assert "Quetzal" not in page and "Try once more" in page
        assert row(works, made).linked_at is None


class TestOneUse:
    @pytest.mark.parametrize("end", ["used", "revoked", "expired", "guessed", "sender left"])
    def test_T07_what_does_not_work_looks_the_same(
        self, works: Works, vendor: Vendor, ada: Actor, end: str
    ) -> None:
        made = sent(works, ada)
        browser = opened(made)
        address = path(made)
        if end == "used":
            paste(browser, made, vendor.token("dana-full"))
            works.drain()
            browser = Client()
        if end == "revoked":
            with works.inside():
                connect_links.revoke(actor=ada, connect_link=made.link)
        if end == "expired":
            with works.inside():
                ConnectLink.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
        if end == "sender left":
            with works.inside():
                Membership.objects.filter(user_id=ada.id).delete()
        if end == "guessed":
            browser, address = Client(), "/connect/" + "t" * 43
        for each in (
            address,
            page_of(made),
            page_of(made, "consent?method=api-token"),
            page_of(made, "done"),
        ):
            answer = browser.get(each)
            assert answer.status_code == 404 and b"This link does not work" in answer.content
            assert b"Acme" not in answer.content
        assert browser.post(page_of(made, "begin"), {"method": "api-token"}).status_code == 404

    def test_two_browsers_cannot_both_use_it(
        self, works: Works, vendor: Vendor, ada: Actor
    ) -> None:
        made = sent(works, ada)
        first, second = opened(made), opened(made)
        paste(first, made, vendor.token("dana-full"))
        paste(second, made, vendor.token("tomas-full"), who="tomas")
        works.drain()

        with works.inside():
            assert Connection.objects.count() == 1
            stages = sorted(PendingLink.objects.values_list("stage", "error"))
        assert stages == [("done", ""), ("failed", "not_allowed")]

    def test_what_is_revoked_meanwhile_is_not_linked(
        self, works: Works, vendor: Vendor, ada: Actor
    ) -> None:
        made = sent(works, ada)
        paste(opened(made), made, vendor.token("dana-full"))
        with works.inside():
            connect_links.revoke(actor=ada, connect_link=made.link)
        works.drain()
        with works.inside():
            assert not Connection.objects.exists()

    def test_T19_a_sender_who_may_not_link_any_more(
        self, works: Works, vendor: Vendor, ada: Actor
    ) -> None:
        made = sent(works, ada)
        paste(opened(made), made, vendor.token("dana-full"))
        with works.inside():
            Membership.objects.filter(user_id=ada.id).update(role=Role.AUDITOR)
        works.drain()
        with works.inside():
            assert not Connection.objects.exists()

    def test_O03_an_answer_counts_in_the_session_that_began(
        self, works: Works, vendor: Vendor, ada: Actor
    ) -> None:
        works.register(vendor.consumer("acme-portal"))
        made = sent(works, ada)
        victim, attacker = opened(made), opened(made)
        attacker.post(page_of(made, "begin"), {"method": "oauth"})
        attacker.post(page_of(made, "consent?method=oauth"), {"go": "1"})
        answer = {k: v[0] for k, v in works.consent(way_out(attacker, made)).items()}
        for browser in (victim, signed_in(ada), Client()):
            back = browser.get("/oauth/bitbucket-cloud/callback", answer)
            assert back.status_code in (302, 303, 400)
            assert back.get("Location", "") != page_of(made, "check")
        works.drain()
        with works.inside():
            assert not Connection.objects.exists()

    def test_the_sender_does_not_drive_the_guests_link(self, works: Works, ada: Actor) -> None:
        made = sent(works, ada)
        opened(made).post(page_of(made, "begin"), {"method": "api-token"})
        with works.inside():
            begun = PendingLink.objects.get()
        assert signed_in(ada).get(f"/o/acme/linking/{begun.id}/consent").status_code == 404


class TestSending:
    def test_F03_the_same_form_makes_one_link_and_shows_it_once(
        self, works: Works, ada: Actor
    ) -> None:
        admin = signed_in(ada)
        form = {
            "to_name": "Dana", "to_email": "dana@vendor.example", "name": "Acme code",
            "capabilities": READ, "team": "", "once": str(uuid4()),
        }  # fmt: skip
        page = text(admin.post(f"{NEW}?connector=bitbucket-cloud", form))
        assert "/connect/" in page and "on its way" in page
        (letter,) = mail.outbox
        assert letter.to == ["dana@vendor.example"] and "Ada of Acme asks you" in letter.subject
        address = letter.body.partition("/connect/")[2].split()[0]
        assert len(address) == 43 and address in page

        page = text(admin.post(f"{NEW}?connector=bitbucket-cloud", form))
        assert address not in page and "made already" in page and len(mail.outbox) == 1
        with works.inside():
            stored = ConnectLink.objects.get()
            record = str(list(AuditEvent.objects.values_list("details", flat=True)))
        assert address not in str(vars(stored)) + record
        assert "Not opened" in text(admin.get("/o/acme/connect-links/"))

    def test_only_owners_and_admins_send(self, works: Works) -> None:
        with pytest.raises(PermissionDenied):
            sent(works, works.alice)
        assert signed_in(works.alice).get("/o/acme/connect-links/").status_code == 403

    def test_what_cannot_be_linked_is_said_before(
        self, works: Works, vendor: Vendor, ada: Actor
    ) -> None:
        gone = linked(works, vendor)
        for wish, field in (
            ({"capabilities": []}, "capabilities"),
            ({"capabilities": ["nonsense"]}, "capabilities"),
            ({"capabilities": ["pullrequests-write"]}, "reason"),
            ({"name": "Acme code"}, "name"),
        ):
            with pytest.raises(FlowProblem) as problem:
                sent(works, ada, **wish)
            assert problem.value.field == field, wish
        with works.inside():
            kept = Connection.objects.get(id=gone.id)
            lifecycle.revoke(actor=works.alice, connection=kept, typed_name=kept.name)
        with pytest.raises(FlowProblem, match="revoked"):
            again(works, ada, gone)

    def test_departing_senders_take_their_links_along(self, works: Works, ada: Actor) -> None:
        made = sent(works, ada)
        with works.inside():
            owner = works.person("owen@acme.example", "Owen", Role.OWNER)
            membership = Membership.objects.get(user_id=ada.id)
            people.remove_member(actor=owner, membership_id=membership.id)
        assert row(works, made).revoked_at

    def test_the_address_is_cut_out_of_logs(self) -> None:
        assert "t" * 43 not in redact(f"GET /connect/{'t' * 43} 303")

    def test_a_campaigns_connections_are_sent_by_owner(
        self, works: Works, vendor: Vendor, ada: Actor
    ) -> None:
        before = linked(works, vendor)
        with works.inside():
            twin = linked_elsewhere(before, ada)
            campaign = campaigns.start(
                actor=ada,
                goal="relink",
                title="Everything by Friday",
                connection_ids=[before.id, twin.id],
                due_at=timezone.now() + timedelta(days=5),
            )
        admin = signed_in(ada)
        door = f"{NEW}?campaign={campaign.id}"
        assert door in text(admin.get(reverse("campaign", args=["acme", campaign.id])))
        whole = text(admin.get(door))
        assert "Acme code" in whole and "Own server" in whole and "Data Center" in whole
        hers = text(admin.get(f"{door}&owner={before.granted_by_id}"))
        assert "Acme code" in hers and "Own server" not in hers

        form = {"to_name": "Dana", "to_email": "dana@vendor.example", "once": str(uuid4())}
        assert b"Tick at least one" in admin.post(door, form).content
        made = text(admin.post(door, form | {"connections": str(before.id)}))
        assert "Acme code" not in text(admin.get(door))
        page = Client().get("/connect/" + made.partition("/connect/")[2][:43])["Location"]
        with works.inside():
            (sent_one,) = ConnectLink.objects.all()
        assert (sent_one.relink_id, sent_one.campaign_id) == (before.id, campaign.id)
        assert page == f"/connect/{sent_one.id}/"

        form = {"to_name": "Olaf", "to_email": "olaf@vendor.example", "once": str(uuid4())}
        assert "on its way" in text(admin.post(door, form | {"connections": str(twin.id)}))
        first, second = mail.outbox
        assert "connect Bitbucket Cloud" in first.subject
        assert second.to == ["olaf@vendor.example"]
        assert "connect Bitbucket Data Center" in second.subject
