"""One folder and one line: a product that nobody foresaw is linked; without them it is missed.

The product is imaginary (`tests/seventh`). It gets catalogue, wizard, verification and revoke by
nothing else, also from another installed package. Where its line is taken away, what was linked
stays, and every page says that its connector is not installed.
"""

from __future__ import annotations

import importlib
import shutil
import sys
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import Client

from connections import access, registry, tasks
from connections.flows import link, renewals
from connections.models import Check, Connection, PendingLink, Verification
from portal import clock, roles
from portal.connector_files import ConnectorFiles
from portal.models import Job
from portal.secret import Secret
from tests.connections.pages import base_of, signed_in, text
from tests.seventh.vendor import ORIGIN, TOKEN, standing
from tests.test_urls import OURS, address
from tests.town import Town
from tests.works import SESSION, Works

ROOM = Path(__file__).resolve().parents[1] / "seventh"
MISSING = "onnector not installed"
State = Connection.State


@pytest.fixture
def almanac(settings: Any) -> Iterator[str]:
    """The product stands somewhere; one line makes it a product of this installation."""
    with standing() as place:
        settings.CONNECTORS = [*settings.CONNECTORS, "tests.seventh"]
        settings.SANDBOX_ORIGINS, settings.CONNECTOR_ORIGINS = [place], {ORIGIN: place}
        _read_anew()
        yield place
    _read_anew()


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    yield
    clock.reset()
    registry.connectors.cache_clear()


def _read_anew() -> None:
    registry.connectors.cache_clear()
    access.door.cache_clear()


def without(settings: Any, dotted: str) -> None:
    """The line is gone, as after a deployment without it."""
    settings.CONNECTORS = [each for each in settings.CONNECTORS if each != dotted]
    _read_anew()


def linked(works: Works, slug: str = "almanac") -> Connection:
    with works.inside():
        pending = link.begin(
            actor=works.admin, connector=slug, user_id=works.admin.id, session_key=SESSION
        )
        link.prepare(
            actor=works.admin,
            pending=pending,
            method="token",
            name="Our almanac",
            team_id=None,
            consumer_id=None,
            fields={},
            secret=Secret(TOKEN),
        )
    works.drain()
    with works.inside():
        found = PendingLink.objects.get(id=pending.id)
        assert (found.stage, found.error) == (PendingLink.Stage.DONE, ""), found.error_detail
        connection: Connection = Connection.objects.get(id=found.connection_id)
        return connection


def now(works: Works, connection: Connection) -> Connection:
    with works.inside():
        found: Connection = Connection.objects.get(id=connection.id)
        return found


class TestOneFolderAndOneLine:
    def test_catalogue_wizard_verification_and_revoke_come_with_it(
        self, works: Works, almanac: str
    ) -> None:
        ada = signed_in(works.admin)
        assert "Tides and moons, by shelf." in text(ada.get("/o/acme/catalogue/"))
        assert "Write pages" in text(ada.get("/o/acme/catalogue/almanac/"))
        steps = ada.post("/o/acme/catalogue/almanac/link")["Location"].removesuffix("what")
        ada.post(steps + "what", {"capabilities": ["shelves-read"], "reason": ""})
        page = text(ada.get(steps + "consent?method=token"))
        assert "Open your account&#x27;s page" in page

        form = {"token": TOKEN, "name": "Our almanac", "team": ""}
        ada.post(steps + "consent?method=token", form)
        works.drain()
        arrived = text(ada.get(ada.get(steps + "check")["Location"]))
        assert "Selene" in arrived and "See shelves" in arrived and TOKEN not in arrived

        with works.inside():
            connection = Connection.objects.get(connector="almanac")
            verification = Verification.objects.get(connection_id=connection.id)
            assert verification.outcome == Verification.Outcome.PASSED
            probe = Check.objects.get(capability="shelves-read", key="capability:shelves-read")
        assert (probe.outcome, probe.request) == (Check.Outcome.PROVEN, "GET /v1/shelves/tides")

        base = base_of(connection)
        assert "works at Almanac until you delete it" in text(ada.get(base + "settings"))
        ada.post(base + "revoke", {"confirm_name": "Our almanac"})
        works.drain()
        assert now(works, connection).state == State.REVOKED

    def test_a_refused_token_links_nothing(self, works: Works, almanac: str) -> None:
        ada = signed_in(works.admin)
        steps = ada.post("/o/acme/catalogue/almanac/link")["Location"].removesuffix("what")
        ada.post(steps + "what", {"capabilities": ["shelves-read"], "reason": ""})
        form = {"token": "another-token-0002", "name": "Our almanac", "team": ""}
        ada.post(steps + "consent?method=token", form)
        works.drain()

        assert "Almanac does not accept this credential" in text(ada.get(steps + "check"))


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A copy of the folder as another distribution would install it, somewhere on the path."""
    shutil.copytree(ROOM, tmp_path / "site" / "almanac_for_portals")
    for file in (tmp_path / "site").rglob("*.py"):
        file.write_text(file.read_text().replace("tests.seventh", "almanac_for_portals"))
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    yield "almanac_for_portals"
    for name in [name for name in sys.modules if name.startswith("almanac_for_portals")]:
        del sys.modules[name]


class TestAnotherPackage:
    def test_a_connector_may_come_from_another_installed_package(
        self, works: Works, settings: Any, package: str
    ) -> None:
        with standing() as place:
            settings.CONNECTORS = [*settings.CONNECTORS, package]
            settings.SANDBOX_ORIGINS, settings.CONNECTOR_ORIGINS = [place], {ORIGIN: place}
            _read_anew()

            connection = linked(works)

            assert type(registry.get("almanac")).__module__ == "almanac_for_portals.connector"
            assert connection.account_name == "Selene"

    @pytest.mark.parametrize(
        ("said", "why"),
        [(0, "does not say for which version"), (2, "a newer version of the contract")],
    )
    def test_one_of_another_version_of_the_contract_stops_the_start_by_its_name(
        self, settings: Any, package: str, tmp_path: Path, said: int, why: str
    ) -> None:
        file = tmp_path / "site" / package / "connector.py"
        file.write_text(file.read_text().replace("contract_version=1", f"contract_version={said}"))
        importlib.invalidate_caches()
        settings.CONNECTORS = [package]
        _read_anew()

        with pytest.raises(ImproperlyConfigured, match=f"{package} .*{why}"):
            registry.connectors()

    def test_its_icon_lies_in_its_own_package(
        self, settings: Any, package: str, tmp_path: Path
    ) -> None:
        named = "img/connectors/almanac.svg"
        assert ConnectorFiles().find(named) == []

        settings.CONNECTORS = [*settings.CONNECTORS, package]

        found = ConnectorFiles()
        assert Path(str(found.find(named))) == tmp_path / "site" / package / "static" / named
        assert named in [path for path, _ in found.list([])]

    def test_two_of_one_slug_stop_the_start(self, settings: Any, package: str) -> None:
        settings.CONNECTORS = ["tests.seventh", package]
        _read_anew()

        with pytest.raises(ImproperlyConfigured, match="repeats the slug almanac"):
            registry.connectors()


class TestWithoutItsLine:
    def test_what_was_linked_stays_and_says_that_its_connector_is_missed(
        self, works: Works, almanac: str, settings: Any
    ) -> None:
        connection = linked(works)
        ada = signed_in(works.admin)
        without(settings, "tests.seventh")

        for page in ("/o/acme/", "/o/acme/connections/", "/o/acme/calendar/"):
            said = unescape(text(ada.get(page)))
            assert "Our almanac" not in said or MISSING in said, page
        assert MISSING in text(ada.get("/o/acme/connections/"))
        assert MISSING in text(ada.get("/o/acme/connections/?state=attention"))
        for tab in ("", "verification", "credential", "repositories", "record", "settings"):
            assert MISSING in text(ada.get(base_of(connection) + tab)), tab
        assert "Almanac" not in text(ada.get("/o/acme/catalogue/"))
        refused = ada.post(base_of(connection) + "verify")
        assert refused.status_code == 409 and MISSING in refused.content.decode()

    def test_it_is_revoked_without_it(self, works: Works, almanac: str, settings: Any) -> None:
        connection = linked(works)
        without(settings, "tests.seventh")

        ada = signed_in(works.admin)
        ada.post(base_of(connection) + "revoke", {"confirm_name": "Our almanac"})
        works.drain()

        assert now(works, connection).state == State.REVOKED
        with roles.using_role("worker"), works.inside():
            assert not Job.objects.filter(kind="forget_connection", done_at=None).exists()

    def test_schedules_go_on_for_others_and_ask_nothing_of_it(
        self, works: Works, almanac: str, settings: Any
    ) -> None:
        connection = linked(works)
        with works.inside():
            asked = Verification.objects.filter(connection_id=connection.id)
            before = asked.count()
            Connection.objects.filter(id=connection.id).update(
                next_verification_at=clock.now(), next_probe_at=clock.now()
            )
        without(settings, "tests.seventh")

        with roles.using_role("worker"):
            tasks.start_due()
            tasks.start_probes()
        renewals.start_due()
        works.drain()

        with works.inside():
            assert asked.count() == before
            assert not Job.objects.exclude(last_error="").exists()
        assert now(works, connection).next_verification_at > clock.now()

    def test_when_the_line_is_back_it_goes_on(
        self, works: Works, almanac: str, settings: Any
    ) -> None:
        connection, whole = linked(works), settings.CONNECTORS
        without(settings, "tests.seventh")
        assert MISSING in text(signed_in(works.admin).get(base_of(connection)))
        settings.CONNECTORS = whole
        _read_anew()

        assert works.verify(connection).outcome == Verification.Outcome.PASSED


@pytest.fixture(scope="module")
def town(module_works: Works, servers: Any) -> Town:
    return Town(module_works, servers)


@pytest.mark.parametrize("method", ["get", "post"])
def test_no_address_of_the_portal_fails_without_a_connector(
    town: Town, settings: Any, method: str
) -> None:
    """Everything in the town is of one product; its line is taken away."""
    without(settings, "integrations.bitbucket_cloud")
    failed = []
    for who in ("owner", "manager", "support", "operator"):
        client = Client(raise_request_exception=False)
        client.force_login(town.people[who])
        for name, route in OURS:
            answer = getattr(client, method)(address(town, name, route))
            if answer.status_code >= 500:
                failed.append((who, name))
    assert failed == []
