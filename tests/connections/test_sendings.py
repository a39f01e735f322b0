"""Connect links of a whole campaign: everybody gets a mail with theirs, however many there are."""

from __future__ import annotations

import re
import time
from collections import Counter
from datetime import timedelta
from html import unescape
from smtplib import SMTPRecipientsRefused, SMTPServerDisconnected
from typing import Any
from uuid import uuid4

import pytest
from django.core import mail
from django.core.exceptions import PermissionDenied
from django.core.mail.backends.locmem import EmailBackend
from django.utils import timezone

from connections.flows import campaigns, sending as worker, sendings
from connections.flows.connect_links import Recipient
from connections.flows.problems import FlowProblem
from connections.models import Campaign, Connection, ConnectLink, ConnectSending
from portal.limits import Limit
from portal.models import AuditEvent, Membership, Team
from portal.policy import Actor, Role
from portal.secret import hashed
from tests.connections.pages import signed_in, text
from tests.connections.ways import hurry
from tests.vendor import Vendor
from tests.works import READ, Works

LEASE_ENDS = 2.2
State = ConnectSending.State


class Picky(EmailBackend):
    """A mail server that is away, or refuses one address."""

    away = False
    refuses = "gone@acme.example"

    def send_messages(self, messages: Any) -> int:
        if Picky.away:
            raise SMTPServerDisconnected
        for each in messages:
            if self.refuses in each.to:
                raise SMTPRecipientsRefused({self.refuses: (550, b"no such person")})
        return super().send_messages(messages)


def granted(works: Works, who: Actor, count: int, **facts: Any) -> list[Connection]:
    """So many connections that this person granted."""
    with works.inside():
        team = Team.objects.filter(name="All").first() or Team.objects.create(name="All")
        values = {"granted_by_id": who.id, "granted_by_name": who.name} | facts
        return list(
            Connection.objects.bulk_create(
                Connection(
                    organization_id=works.acme.id, connector="bitbucket-cloud", method="api-token",
                    name=f"{who.name} {values['granted_by_name']} {number}", team_id=team.id,
                    account_id=str(uuid4()), state="active", capabilities=READ, **values,
                )
                for number in range(count)
            )
        )  # fmt: skip


def linked_by_guest(works: Works, count: int, email: str = "dana@vendor.example") -> None:
    """So many that Dana, who has no account here, linked for Ada by connect links."""
    name = "Dana Right, asked by Ada"
    made = granted(works, works.admin, count, granted_by_name=name)
    with works.inside():
        ConnectLink.objects.bulk_create(
            ConnectLink(
                organization_id=works.acme.id, connector="bitbucket-cloud", name=each.name,
                connection_id=each.id, token_hash=uuid4().bytes * 2, to_name="Dana Right",
                to_email=email, sent_by_id=works.admin.id, sent_by_name="Ada",
                linked_at=timezone.now(),
            )
            for each in made
        )  # fmt: skip


def a_campaign(works: Works) -> Campaign:
    with works.inside():
        return campaigns.start(
            actor=works.admin,
            goal="relink",
            title="Everything by Friday",
            connection_ids=list(Connection.objects.values_list("id", flat=True)),
            due_at=timezone.now() + timedelta(days=5),
        )


def begun(works: Works, campaign: Campaign, to: Recipient | None = None) -> ConnectSending:
    with works.inside():
        return sendings.start(
            actor=works.admin, campaign=campaign, to=to or Recipient(""), owner_id=None, key=uuid4()
        )


def again(works: Works, sending: ConnectSending) -> ConnectSending:
    with works.inside():
        found: ConnectSending = ConnectSending.objects.get(id=sending.id)
        return found


def left(works: Works, campaign: Campaign) -> int:
    with works.inside():
        return int(sendings.left_to_send(campaign).count())


def addresses() -> list[str]:
    """The links in the mails, in the order in which they went out."""
    return re.findall(r"/connect/([\w-]{43})", "".join(str(each.body) for each in mail.outbox))


def test_a_campaign_larger_than_a_form_reaches_everybody_once(
    works: Works, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "MAILS", Limit(3, 600))
    bob = works.person("bob@acme.example", "Bob", Role.MEMBER)
    left_us = works.person("zoe@acme.example", "Zoe", Role.MEMBER)
    granted(works, works.admin, 99)
    granted(works, bob, 50)
    granted(works, left_us, 1)
    linked_by_guest(works, 110)
    with works.inside():
        Membership.objects.filter(user_id=left_us.id).delete()
    campaign = a_campaign(works)
    browser = signed_in(works.admin)
    many = text(browser.get(f"/o/acme/connect-links/new?campaign={campaign.id}"))
    assert "Mail all 260 at once" in many
    door = f"/o/acme/connect-links/campaign/{campaign.id}/"
    page = text(browser.get(door))
    assert "259 links would go to 3 people" in page and "1 connection cannot be asked" in page

    form = {"whom": "each", "message": "By Friday, please.", "once": str(uuid4())}
    progress = browser.post(door, form)["Location"]
    assert browser.post(door, form)["Location"] == progress  # F03
    works.drain()
    assert len(mail.outbox) == 3  # and the next ten minutes have not begun
    assert "110 of 259 links" in text(browser.get(progress))
    monkeypatch.setattr(worker, "MAILS", Limit(500, 600))
    hurry(works)
    works.drain()

    count: Counter[str] = Counter()
    for each in mail.outbox:
        count[each.to[0]] += str(each.body).count("/connect/")
    assert count == {"dana@vendor.example": 110, "ada@acme.example": 99, "bob@acme.example": 50}
    assert [len(mail.outbox), len(set(addresses()))] == [6, 259]
    with works.inside():
        kept = {bytes(one) for one in ConnectLink.objects.values_list("token_hash", flat=True)}
        assert {hashed(each) for each in addresses()} <= kept
        actions = list(AuditEvent.objects.order_by("sequence").values_list("action", flat=True))
    assert actions.count("connect_link.sent") == 259 and actions[-1] == "connect_sending.ended"
    assert left(works, campaign) == 1
    page = text(browser.get(progress))
    assert "259 of 259 links" in page and "Send the 1 that are left" in page

    listed = text(browser.get("/o/acme/connect-links/"))
    further = unescape(re.findall(r'href="([^"]+)" rel="next"', listed)[0])
    assert "?open=" in further and "Not opened" in text(
        browser.get("/o/acme/connect-links/" + further)
    )

    to = {"whom": "one", "to_name": "Nia", "to_email": "nia@acme.example", "once": str(uuid4())}
    assert b"Name the person" in browser.post(door, to | {"to_email": ""}).content
    browser.post(door, to)
    works.drain()
    assert mail.outbox[-1].to == ["nia@acme.example"] and left(works, campaign) == 0


@pytest.mark.parametrize("step", ["sending.made", "sending.mailed"])
def test_a_killed_worker_leaves_nobody_without_a_link(
    step: str, works: Works, vendor: Vendor
) -> None:
    granted(works, works.admin, 3)
    sending = begun(works, a_campaign(works))

    assert works.fork_and_die(step) == -9
    time.sleep(LEASE_ENDS)
    hurry(works)
    works.drain()

    assert again(works, sending).state == State.DONE
    with works.inside():
        links = {bytes(one.token_hash): one for one in ConnectLink.objects.all()}
    assert len(links) == 3 and all(each.mailed_at for each in links.values())
    assert {hashed(each) for each in addresses()} == links.keys()


def test_one_refused_address_and_a_server_that_is_away_cost_nobody_else(
    works: Works, settings: Any
) -> None:
    settings.EMAIL_BACKEND = f"{__name__}.Picky"
    granted(works, works.admin, 2)
    granted(works, works.person("gone@acme.example", "Gone", Role.MEMBER), 3)
    campaign = a_campaign(works)
    sending = begun(works, campaign)
    Picky.away = True
    works.drain()
    assert again(works, sending).state == State.RUNNING and not mail.outbox
    Picky.away = False
    hurry(works)
    works.drain()

    ended = again(works, sending)
    assert (ended.state, [why for _, why in ended.left_out]) == ("done", [worker.REFUSED] * 3)
    assert len(addresses()) == 2 and left(works, campaign) == 3


@pytest.mark.parametrize("end", ["cancelled", "role", "campaign"])
def test_what_was_not_mailed_when_it_ends_is_never_mailed(works: Works, end: str) -> None:
    granted(works, works.admin, 2)
    campaign = a_campaign(works)
    sending = begun(works, campaign)
    with pytest.raises(FlowProblem, match="being sent already"):
        begun(works, campaign)
    with works.inside():
        if end == "cancelled":
            sendings.cancel(actor=works.admin, sending=sending)
        elif end == "role":  # T19
            Membership.objects.filter(user_id=works.admin.id).update(role=Role.MANAGER)
        else:
            campaigns.cancel(actor=works.admin, campaign=campaign)
    works.drain()

    ended = again(works, sending)
    assert (ended.state, ended.error) == {
        "cancelled": (State.CANCELLED, ""),
        "role": (State.STOPPED, worker.NOT_ALLOWED),
        "campaign": (State.STOPPED, worker.OVER),
    }[end]
    assert not mail.outbox


def test_only_owners_and_admins_mail_links(works: Works) -> None:
    granted(works, works.admin, 1)
    campaign = a_campaign(works)
    with works.inside(), pytest.raises(PermissionDenied):
        sendings.start(
            actor=works.alice, campaign=campaign, to=Recipient(""), owner_id=None, key=uuid4()
        )
