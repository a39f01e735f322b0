"""Support's looks and the operators' pages: with a reason, for an hour, on record, and not for
others."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.core import mail
from django.core.management import CommandError, call_command
from django.db import DatabaseError, IntegrityError, connections
from django.http import HttpResponse
from django.test import RequestFactory
from django.urls import reverse
from django.utils import timezone

from portal import roles, support, tenancy, work
from portal.audit import Action
from portal.memberships import FoundOrganization
from portal.models import Heartbeat, Membership, SupportLook, User
from tests import keys
from tests.cases import Cast, platform, recorded

REASON = "Ticket 4711: the sync stopped"
PLATFORM_PAGES = (
    "platform",
    "platform_organizations",
    "platform_keys",
    "platform_erasures",
    "platform_queues",
    "platform_workers",
    "platform_record",
)


@pytest.fixture
def web_keys():
    with keys.holding(keys.rings()["web"]):
        yield


def begin(cast: Cast) -> object:
    client = cast.client("sam")
    client.post("/support/acme/", {"reason": REASON})
    return client


def passed(cast: Cast, minutes: int) -> None:
    """So much time went by since the look began."""
    span = timedelta(minutes=minutes)
    with cast.inside():
        look = SupportLook.objects.get()
        SupportLook.objects.update(started_at=look.started_at - span, ends_at=look.ends_at - span)


class TestALook:
    def test_T13_without_a_reason_one_is_asked(self, cast: Cast) -> None:
        client = cast.client("sam")

        assert client.get("/support/acme/look/").url == "/support/acme/"
        for reason in ("", "why not", "\u3164" * 20):
            assert client.post("/support/acme/", {"reason": reason}).status_code == 400
        assert client.get("/support/acme/look/").status_code == 302

    def test_with_one_it_is_shown_with_a_banner_and_on_the_organizations_record(
        self, cast: Cast
    ) -> None:
        client = begin(cast)
        page = client.get("/support/acme/look/")

        assert page.status_code == 200
        assert "You are looking at Acme" in page.content.decode()
        assert "bob@acme.example" in page.content.decode()
        begun = recorded(cast, Action.SUPPORT_LOOK_BEGUN, cast.acme)
        assert (begun.actor_kind, begun.actor_name) == ("support", "Sam")
        assert begun.details["reason"] == REASON
        assert recorded(cast, Action.SUPPORT_LOOKED, cast.acme).details["page"]
        tenant = cast.client("audrey").get(reverse("audit", args=["acme"])).content.decode()
        assert "began to look at this organization" in tenant

    def test_T13_after_an_hour_it_is_over(self, cast: Cast) -> None:
        client = begin(cast)
        passed(cast, 61)

        assert client.get("/support/acme/look/").url == "/support/acme/"
        assert Action.SUPPORT_LOOKED not in cast.actions(cast.acme)

    def test_T14_it_cannot_be_extended(self, cast: Cast) -> None:
        client = begin(cast)
        passed(cast, 30)
        client.post("/support/acme/", {"reason": "Another reason entirely"})

        with cast.inside():
            look = SupportLook.objects.get()
        assert look.ends_at < timezone.now() + timedelta(minutes=31)
        with pytest.raises(IntegrityError), cast.inside():
            SupportLook.objects.update(ends_at=timezone.now() + timedelta(hours=2))

    def test_it_is_ended_by_hand(self, cast: Cast) -> None:
        client = begin(cast)

        client.post("/support/acme/end/")

        assert client.get("/support/acme/look/").status_code == 302
        assert cast.last(cast.acme).action == Action.SUPPORT_LOOK_ENDED

    def test_a_look_into_one_is_none_into_another(self, cast: Cast) -> None:
        client = begin(cast)

        assert client.get("/support/globex/look/").url == "/support/globex/"

    def test_one_persons_look_is_not_anothers(self, cast: Cast) -> None:
        begin(cast)
        cast.add("sue", "portal.example", is_support=True)

        assert cast.client("sue").get("/support/acme/look/").status_code == 302

    def test_T13_the_owners_are_told_by_mail(self, cast: Cast) -> None:
        begin(cast)

        with roles.using_role("worker"):
            work.drain()

        assert [message.to for message in mail.outbox] == [["owen@acme.example"]]
        assert "Sam of support" in mail.outbox[0].body
        assert REASON in mail.outbox[0].body

    def test_who_is_no_support_finds_no_such_page(self, cast: Cast) -> None:
        for name in ("owen", "mallory", "olga", "nina"):
            for path in ("/support/", "/support/acme/", "/support/acme/look/"):
                assert cast.client(name).get(path).status_code == 404, (name, path)

        assert recorded(cast, Action.ACCESS_REFUSED, platform())

    def test_an_unknown_address_is_told_in_the_form(self, cast: Cast) -> None:
        page = cast.client("sam").post("/support/", {"slug": "acm"})

        assert page.status_code == 400
        assert cast.client("sam").post("/support/", {"slug": "acme"}).url == "/support/acme/"


class TestTheSupportRole:
    def test_the_view_speaks_as_support_inside_the_organization(self, cast: Cast) -> None:
        begin(cast)
        said = []

        @support.support_look_required
        def view(request) -> HttpResponse:
            with roles.connection().cursor() as cursor:
                cursor.execute("SELECT current_user, current_setting('app.organization_id')")
                said.append(cursor.fetchone())
            said.append(list(Membership.objects.values_list("user__email", flat=True)))
            with pytest.raises(DatabaseError), roles.connection().cursor() as cursor:
                cursor.execute("UPDATE portal_membership SET role = 'owner'")
            return HttpResponse()

        request = RequestFactory().get("/support/acme/look/")
        request.user = cast["sam"]
        with pytest.raises(DatabaseError):
            # The refused UPDATE ends the transaction, as it would a page that tried.
            view(request, "acme")
            raise DatabaseError

        assert said[0] == ("portal_support", str(cast.acme.id))
        assert "bob@acme.example" in said[1]
        assert "mallory@globex.example" not in said[1]
        assert cast.role("bob") == "member"

    @pytest.mark.parametrize(
        "statement",
        [
            "SELECT password FROM portal_user",
            "SELECT token_hash FROM portal_invitation",
            "SELECT blob FROM portal_sealedvalue",
            "SELECT wrapped FROM portal_datakey",
            "SELECT address FROM portal_auditevent",
            "SELECT * FROM mfa_authenticator",
            "SELECT * FROM django_session",
        ],
    )
    def test_what_is_secret_or_private_is_not_granted(self, cast: Cast, statement: str) -> None:
        cursor = connections["support"].cursor()

        with pytest.raises(DatabaseError, match="permission denied"):
            cursor.execute(statement)


class TestThePlatformsPages:
    def test_operators_see_counts_and_no_content(self, cast: Cast, web_keys: None) -> None:
        client = cast.client("olga")
        Heartbeat.objects.using("worker").create(kind="worker", host="here", pid=1)

        text = "".join(client.get(reverse(page)).content.decode() for page in PLATFORM_PAGES)

        assert "Acme" in text
        assert "Alive" in text
        for private in ("bob@acme.example", "Alice", "mallory@"):
            assert private not in text

    def test_who_is_no_operator_finds_no_such_page(self, cast: Cast, web_keys: None) -> None:
        for name in ("owen", "mallory", "sam", "nina"):
            client = cast.client(name)
            for page in PLATFORM_PAGES:
                assert client.get(reverse(page)).status_code == 404, (name, page)

    def test_members_are_counted(self, cast: Cast) -> None:
        page = cast.client("olga").get(reverse("platform_organizations")).content.decode()

        rows = re.findall(r'mono">([\w-]+)</span></th><td data-label="Members"[^>]*>(\d+)', page)
        assert rows == [("acme", "5"), ("globex", "1")]

    def test_the_lookups_ask_again_who_is_asking(self, cast: Cast) -> None:
        with connections["default"].cursor() as cursor:
            for function in ("portal_organizations", "portal_job_counts"):
                cursor.execute(f"SELECT count(*) FROM {function}(%s)", [cast["owen"].id])
                assert cursor.fetchone() == (0,)
        assert support.organization_for(cast["olga"].id, "acme") is None
        assert isinstance(support.organization_for(cast["sam"].id, "acme"), FoundOrganization)

    def test_a_second_step_can_be_required(self, cast: Cast, settings, web_keys: None) -> None:
        settings.REQUIRE_MFA_FOR_STAFF = True

        assert cast.client("olga").get("/platform/keys/").url == "/accounts/2fa/"
        assert cast.client("sam").get("/support/").url == "/accounts/2fa/"

    def test_a_claim_taken_away_counts_at_once(self, cast: Cast, web_keys: None) -> None:
        client = cast.client("olga")
        call_command("make_operator", "olga@portal.example", remove=True)

        assert client.get("/platform/keys/").status_code == 404


class TestMakeOperator:
    def test_it_is_on_the_platforms_record(self, cast: Cast, capsys) -> None:
        call_command("make_operator", "Nina@elsewhere.example")
        call_command("make_operator", "nina@elsewhere.example", support=True)

        nina = User.objects.get(id=cast["nina"].id)
        assert (nina.is_operator, nina.is_support) == (True, True)
        changed = [one for one in cast.record(platform()) if one.subject_name == "Nina"]
        assert [one.details for one in changed] == [{"is_operator": True}, {"is_support": True}]
        assert "is now an operator" in capsys.readouterr().out

    def test_an_unknown_address_is_an_error(self, cast: Cast) -> None:
        with pytest.raises(CommandError, match="Nobody has signed up"):
            call_command("make_operator", "nobody@acme.example")


def test_no_transaction_is_left_open(cast: Cast) -> None:
    begin(cast).get("/support/acme/look/")

    assert not tenancy.is_inside()
    assert not tenancy.is_acting()


@pytest.mark.parametrize("page", ["/support/acme/look/", "/support/acme/connections/"])
def test_the_banners_button_carries_its_token(cast: Cast, page: str) -> None:
    begin(cast)
    client = cast.client("sam", enforce_csrf_checks=True)

    banner = client.get(page).content.decode().partition('action="/support/acme/end/"')[2]

    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', banner.partition("</form>")[0])
    assert token
    assert client.post("/support/acme/end/", {"csrfmiddlewaretoken": token[1]}).status_code == 302
