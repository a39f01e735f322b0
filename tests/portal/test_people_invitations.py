"""Invitations: one address, one use, 72 hours; the way in survives sign-up."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.core.exceptions import PermissionDenied
from django.test import Client
from django.utils import timezone

from portal import invitations, people
from portal.audit import Action
from portal.models import Invitation, User
from portal.policy import Role
from portal.refused import Impossible, NotGrantable
from tests.cases import Cast, recorded
from tests.factories import make_invitation

PASSWORD = "tractor-lantern-2026"


def invite(cast: Cast, by: str, email: str, role: Role = Role.MEMBER) -> invitations.Sent:
    with cast.inside():
        return invitations.invite(actor=cast.actor(by), email=email, role=role, key=uuid4())


def path(sent: invitations.Sent) -> str:
    return sent.link.removeprefix("http://localhost:8000")


class TestInviting:
    def test_the_mail_carries_the_link_and_the_database_only_its_hash(self, cast: Cast) -> None:
        sent = invite(cast, "ada", "New@Acme.example", Role.MANAGER)

        token = path(sent).split("/")[2]
        assert mail.outbox[0].to == ["new@acme.example"]
        assert sent.link in mail.outbox[0].body
        assert "Ada invites you to Acme" in mail.outbox[0].subject
        with cast.inside():
            kept = Invitation.objects.values().get(email="new@acme.example")
        assert token not in str(kept)
        assert token not in str(cast.last(cast.acme).details)

    @pytest.mark.parametrize("name", ["alice", "bob", "audrey", "mallory"])
    def test_who_may_not_invite_invites_nobody(self, cast: Cast, name: str) -> None:
        with pytest.raises(PermissionDenied):
            invite(cast, name, "new@acme.example")

    def test_T08_a_role_above_ones_own_cannot_be_given(self, cast: Cast) -> None:
        with pytest.raises(NotGrantable):
            invite(cast, "ada", "new@acme.example", Role.OWNER)

    def test_T08_who_is_demoted_has_no_way_back_up_by_an_invitation(self, cast: Cast) -> None:
        """They know the link, and the address may be another one of their own."""
        sent = invite(cast, "ada", "ada@home.example", Role.ADMIN)
        with cast.inside():
            ada = cast.membership("ada").id
            people.change_role(actor=cast.actor("owen"), membership_id=ada, role=Role.MEMBER)

        assert invitations.for_addresses(["ada@home.example"]) == []
        assert Client().get(path(sent)).status_code == 404
        changed = recorded(cast, Action.MEMBER_ROLE_CHANGED, cast.acme)
        assert changed.details["invitations_revoked"] == 1

    def test_T08_who_gave_the_organization_away_takes_it_back_by_no_invitation(
        self, cast: Cast
    ) -> None:
        invite(cast, "owen", "owen@home.example", Role.OWNER)
        invite(cast, "owen", "new@acme.example", Role.MANAGER)
        with cast.inside():
            ada = cast.membership("ada").id
            people.transfer_ownership(
                actor=cast.actor("owen"), membership_id=ada, confirm_name="Acme"
            )

        assert invitations.for_addresses(["owen@home.example"]) == []
        assert len(invitations.for_addresses(["new@acme.example"])) == 1
        given = recorded(cast, Action.ORGANIZATION_TRANSFERRED, cast.acme)
        assert given.details["invitations_revoked"] == 1

    def test_a_member_or_an_invited_address_is_not_invited_again(self, cast: Cast) -> None:
        invite(cast, "ada", "new@acme.example")

        for email in ("bob@acme.example", "NEW@acme.example"):
            with pytest.raises(Impossible):
                invite(cast, "ada", email)

    def test_F03_the_same_form_sent_twice_invites_once(self, cast: Cast) -> None:
        key = uuid4()
        for _ in range(2):
            with cast.inside():
                sent = invitations.invite(
                    actor=cast.actor("ada"), email="new@acme.example", role=Role.MEMBER, key=key
                )

        assert sent.link == ""
        assert len(mail.outbox) == 1

    def test_I10_an_organization_cannot_flood_strangers(self, cast: Cast) -> None:
        for _ in range(invitations.MAILS.most):
            invitations.MAILS.wait_seconds(f"invitations:{cast.acme.id}")

        with pytest.raises(Impossible, match="Send the next one in"):
            invite(cast, "ada", "new@acme.example")

        assert not mail.outbox

    def test_X21_no_line_break_reaches_the_subject(self, cast: Cast) -> None:
        cast["ada"].name = "Ada\r\nBcc: everybody@acme.example"
        cast["ada"].save()

        invite(cast, "ada", "new@acme.example")

        assert "\n" not in mail.outbox[0].subject
        assert "Bcc" not in mail.outbox[0].message()


class TestAccepting:
    def test_the_invited_person_joins_once(self, cast: Cast) -> None:
        sent = invite(cast, "ada", "nina@elsewhere.example", Role.AUDITOR)
        client = cast.client("nina")

        page = client.get(path(sent), follow=True)
        assert page.redirect_chain == [("/invitation/", 302)]
        client.post("/invitation/")

        assert cast.role("nina") == Role.AUDITOR
        assert cast.last(cast.acme).action == Action.MEMBER_JOINED
        assert client.get(path(sent), follow=True).status_code == 404

    def test_opening_the_link_accepts_nothing(self, cast: Cast) -> None:
        client = cast.client("nina")

        client.get(path(invite(cast, "ada", "nina@elsewhere.example")), follow=True)

        assert cast.role("nina") is None

    def test_T07_another_persons_link_does_not_let_one_in(self, cast: Cast) -> None:
        sent = invite(cast, "ada", "new@acme.example")
        client = cast.client("mallory")

        page = client.get(path(sent), follow=True)
        client.post("/invitation/")

        assert "another address" in page.content.decode()
        assert cast.role("mallory") is None

    def test_T07_an_unconfirmed_address_does_not_count(self, cast: Cast) -> None:
        sent = invite(cast, "ada", "new@acme.example")
        EmailAddress.objects.create(user=cast["mallory"], email="new@acme.example", verified=False)
        client = cast.client("mallory")

        client.get(path(sent))
        client.post("/invitation/")

        assert cast.role("mallory") is None

    @pytest.mark.parametrize("why", ["expired", "revoked", "sent again", "guessed"])
    def test_T07_a_dead_link_says_the_same_whatever_killed_it(self, cast: Cast, why: str) -> None:
        sent = invite(cast, "ada", "nina@elsewhere.example")
        link = path(sent)
        with cast.inside():
            if why == "expired":
                Invitation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
            if why == "revoked":
                invitations.revoke(actor=cast.actor("ada"), invitation_id=sent.invitation.id)
            if why == "sent again":
                invitations.resend(actor=cast.actor("ada"), invitation_id=sent.invitation.id)
        if why == "guessed":
            link = f"/invitations/{'A' * 43}/"

        page = cast.client("nina").get(link, follow=True)

        assert page.status_code == 404
        assert "This invitation does not work" in page.content.decode()
        assert "Acme" not in page.content.decode()

    def test_an_invitation_waits_on_the_page_of_ones_organizations(self, cast: Cast) -> None:
        sent = invite(cast, "ada", "nina@elsewhere.example")
        client = cast.client("nina")

        assert "Ada invites you" in client.get("/organizations/").content.decode()
        client.post(f"/invitations/{sent.invitation.id}/accept/")

        assert cast.role("nina") == Role.MEMBER

    def test_T02_somebody_elses_invitation_cannot_be_accepted_by_its_id(self, cast: Cast) -> None:
        sent = invite(cast, "ada", "nina@elsewhere.example")

        answer = cast.client("mallory").post(f"/invitations/{sent.invitation.id}/accept/")

        assert answer.status_code == 404
        assert cast.role("mallory") is None


class TestTheWayInThroughSignUp:
    def sign_up(self, cast: Cast, client, email: str):
        fields = {"name": "New Person", "email": email, "password1": PASSWORD}
        return client.post("/accounts/signup/", fields)

    def confirm(self, client) -> None:
        link = next(part for part in mail.outbox[-1].body.split() if "/confirm-email/" in part)
        client.post(link.removeprefix("http://localhost:8000").removeprefix("http://testserver"))

    @pytest.mark.parametrize("rule", ["open", "invitation", "domain"])
    def test_the_invited_person_signs_up_confirms_and_joins(
        self, cast: Cast, settings, rule: str
    ) -> None:
        settings.SIGNUP, settings.SIGNUP_DOMAINS = rule, ["globex.example"]
        client = cast.client()

        client.get(path(invite(cast, "ada", "new@acme.example")))
        assert 'value="new@acme.example"' in client.get("/accounts/signup/").content.decode()
        self.sign_up(cast, client, "new@acme.example")
        self.confirm(client)
        home = client.get("/", follow=True)

        assert "Join the organization" in home.content.decode()
        client.post("/invitation/")
        user = User.objects.get(email="new@acme.example")
        cast.people["new"] = user
        assert (user.name, cast.role("new")) == ("New Person", Role.MEMBER)

    @pytest.mark.parametrize("rule", ["invitation", "domain"])
    def test_T07_an_invitation_opens_the_door_for_its_own_address_only(
        self, cast: Cast, settings, rule: str
    ) -> None:
        settings.SIGNUP, settings.SIGNUP_DOMAINS = rule, ["globex.example"]
        client = cast.client()
        client.get(path(invite(cast, "ada", "new@acme.example")))

        page = self.sign_up(cast, client, "other@acme.example")

        assert "Your invitation was sent to new@acme.example" in page.content.decode()
        assert not User.objects.filter(email="other@acme.example").exists()

    def test_without_an_invitation_the_door_is_closed(self, cast: Cast, settings) -> None:
        settings.SIGNUP = "invitation"

        page = self.sign_up(cast, cast.client(), "stranger@acme.example")

        assert "You need an invitation" in page.content.decode()
        assert not User.objects.filter(email="stranger@acme.example").exists()

    def test_by_domain_others_are_told_which(self, cast: Cast, settings) -> None:
        settings.SIGNUP, settings.SIGNUP_DOMAINS = "domain", ["acme.example"]

        refused = self.sign_up(cast, cast.client(), "stranger@acme.example.evil.example")
        self.sign_up(cast, cast.client(), "welcome@acme.example")

        assert "addresses at acme.example" in refused.content.decode()
        assert User.objects.filter(email="welcome@acme.example").exists()
        assert not User.objects.filter(email__contains="evil").exists()


def test_the_factory_and_the_page_invite_the_same_way(cast: Cast) -> None:
    make_invitation(cast.acme, cast["ada"], "new@acme.example")

    assert cast.last(cast.acme).action == Action.MEMBER_INVITED
    assert not mail.outbox
