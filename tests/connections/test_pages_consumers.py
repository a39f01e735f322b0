"""OAuth consumers over HTTP, an organization's and the platform's; support's read-only look."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from connections.models import Consumer
from portal import tenancy
from portal.models import SupportLook, User
from portal.policy import Role
from tests.connections.pages import base_of, linked, refused, signed_in, text
from tests.vendor import Vendor
from tests.works import Works

OWN = "/o/acme/settings/consumers/"
PLATFORM = "/platform/connectors/"
SECRET = "kR7-secret-of-the-consumer-4471"
FORM = {"connector": "bitbucket-cloud", "name": "Acme", "client_id": "kEy123", "secret": SECRET}


@pytest.fixture
def ada(works: Works) -> Client:
    return signed_in(works.admin)


def staff(works: Works, settings: Any, **claims: bool) -> Client:
    settings.REQUIRE_MFA_FOR_STAFF = False
    user = User.objects.create_user("staff@portal.example", "a long enough password", **claims)
    client = Client()
    client.force_login(user)
    return client


class TestAnOrganizationsOwn:
    def test_one_is_registered_sealed_and_never_shown(self, ada: Client, works: Works) -> None:
        page = text(ada.get(OWN))
        assert "/oauth/bitbucket-cloud/callback" in page and "private consumer" in page

        assert ada.post(OWN, FORM)["Location"] == OWN
        assert "Being sealed" in text(ada.get(OWN))
        works.drain()
        page = text(ada.get(OWN))
        assert "4471" in page and SECRET not in page

    @pytest.mark.parametrize("field", ["name", "client_id", "secret"])
    def test_what_is_empty_is_said_beside_its_field(self, ada: Client, field: str) -> None:
        page = refused(ada.post(OWN, FORM | {field: "\u3164" if field == "name" else " "}))

        assert f'id="id_{field}_error"' in page and SECRET not in page

    def test_f20_dots_are_no_secret(self, ada: Client, works: Works) -> None:
        assert "only dots" in refused(ada.post(OWN, FORM | {"secret": "••••••••"}))
        with works.inside():
            assert not Consumer.objects.exists()

    def test_F19_a_secret_left_empty_keeps_the_old_one(self, ada: Client, works: Works) -> None:
        ada.post(OWN, FORM)
        works.drain()
        with works.inside():
            place = f"{OWN}{Consumer.objects.get().id}/"

        assert 'id="id_secret_error"' in refused(ada.post(place, {"client_id": "x", "secret": ""}))
        works.drain()
        with works.inside():
            kept = Consumer.objects.get()
        assert (kept.client_id, kept.secret_last_four) == (FORM["client_id"], SECRET[-4:])

    def test_it_is_replaced_and_removed_by_name(self, ada: Client, works: Works) -> None:
        ada.post(OWN, FORM)
        works.drain()
        with works.inside():
            place = f"{OWN}{Consumer.objects.get().id}/"
        assert SECRET not in text(ada.get(place))
        ada.post(place, {"client_id": "other", "secret": "another-secret-0815-x"})
        ada.post(place, {"deed": "remove", "confirm_name": "wrong"})
        with works.inside():
            found = Consumer.objects.get()
            assert (found.client_id, found.removed_at) == ("other", None)

        assert ada.post(place, {"deed": "remove", "confirm_name": "Acme"})["Location"] == OWN
        assert ada.get(place).status_code == 404

    def test_a_manager_may_not_and_a_neighbour_finds_none(self, ada: Client, works: Works) -> None:
        ada.post(OWN, FORM)
        with works.inside():
            key = Consumer.objects.get().id
        other = works.organization("other")
        mallory = signed_in(works.person("m@other.example", "Mallory", Role.OWNER, other))

        assert signed_in(works.alice).get(OWN).status_code == 403
        assert mallory.get(f"/o/other/settings/consumers/{key}/").status_code == 404
        assert mallory.post(OWN, FORM).status_code == 404

    def test_an_unknown_connector_is_none(self, ada: Client) -> None:
        assert ada.post(OWN, FORM | {"connector": "nobody-knows"}).status_code == 404


class TestThePlatforms:
    def test_an_operator_registers_one_for_everybody(
        self, ada: Client, works: Works, settings: Any
    ) -> None:
        olga = staff(works, settings, is_operator=True)
        assert olga.post(PLATFORM, FORM | {"name": "Shared"})["Location"] == PLATFORM
        works.drain()

        assert "The platform lends" in text(ada.get(OWN)) and "Shared" in text(ada.get(OWN))
        with tenancy.acting_for(tenancy.PLATFORM), tenancy.transaction():
            place = f"{PLATFORM}{Consumer.objects.get().id}/"
        assert SECRET not in text(olga.get(place))

    def test_others_find_no_such_page(self, ada: Client, works: Works, settings: Any) -> None:
        helper = staff(works, settings, is_support=True)
        for client in (ada, helper):
            assert client.get(PLATFORM).status_code == 404
            assert client.post(PLATFORM, FORM).status_code == 404


class TestSupport:
    def test_without_a_look_there_is_nothing_to_see(self, works: Works, settings: Any) -> None:
        sam = staff(works, settings, is_support=True)

        assert sam.get("/support/acme/connections/")["Location"] == "/support/acme/"

    def test_a_look_reads_connections_without_a_secret(
        self, works: Works, vendor: Vendor, settings: Any
    ) -> None:
        connection = linked(works, vendor)
        works.sync(connection, "acme")
        sam = staff(works, settings, is_support=True)
        now = timezone.now()
        with works.inside():
            SupportLook.objects.create(
                staff=User.objects.get(email="staff@portal.example"),
                reason="Ticket 4711",
                started_at=now,
                ends_at=now + timedelta(minutes=30),
            )
        page = text(sam.get("/support/acme/connections/"))
        assert "Acme code" in page and "Ticket 4711" in page
        page = text(sam.get(f"/support/acme/connections/{connection.id}/"))
        assert "Read repositories" in page and "Last verification" in page
        assert vendor.token("dana-full") not in page and "<form" not in _content(page)
        assert sam.get(base_of(connection)).status_code == 404
        assert sam.get(f"/support/acme/connections/{works.acme.id}/").status_code == 404


def _content(page: str) -> str:
    """The page below the banner of the look, which has the button that ends it."""
    assert "Stop looking" in page
    return page.partition("Stop looking</button></form>")[2].partition("</main>")[0]
