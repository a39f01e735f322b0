"""Any connector's line is taken away: what was linked stays, is told so, and nothing else suffers.

One portal with a connection of each product; the settings change from test to test.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from html import unescape
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings

from connections import access, registry
from connections.flows import exports, relay_waking
from connections.models import (
    Connection,
    Credential,
    Export,
    Lease,
    Link,
    LinkState,
    RelayItem,
    RelayState,
    Repository,
    Workspace,
)
from portal import clock, roles, schedules
from portal.models import Job, Schedule
from portal.policy import Role
from tests.connections.pages import base_of, signed_in, text
from tests.leasing import Service, code_of, service, with_token
from tests.works import Works

MISSING = "onnector not installed"
SLUGS = sorted(registry.connectors())
DOTTED = dict(zip(registry.connectors(), settings.CONNECTORS, strict=True))


@pytest.fixture(scope="module")
def linked(module_works: Works) -> dict[str, Connection]:
    """One of each product, with everything due that schedules do."""
    now, found = clock.now(), {}
    for slug, connector in registry.connectors().items():
        method = connector.manifest.methods[0].key
        made = with_token(module_works, f"Of {slug}", connector=slug, method=method)
        found[slug] = made
    with roles.using_role("worker"), module_works.inside():
        Credential.objects.update(
            refreshable=False, expires_at=now + timedelta(days=9), rotate_by=now + timedelta(days=3)
        )
    return found


@pytest.fixture(scope="module")
def caller(module_works: Works, linked: dict[str, Connection]) -> Service:
    """A service that was let in when every connector was there."""
    return service(module_works, connectors=SLUGS)


@pytest.fixture(params=SLUGS)
def gone(
    request: pytest.FixtureRequest, settings: Any, linked: dict[str, Connection]
) -> Iterator[Connection]:
    """The connection whose connector is missing now."""
    settings.CONNECTORS = [each for each in settings.CONNECTORS if each != DOTTED[request.param]]
    _read_anew()
    yield linked[request.param]
    settings.CONNECTORS = list(DOTTED.values())
    _read_anew()


def _read_anew() -> None:
    registry.connectors.cache_clear()
    access.door.cache_clear()


def test_every_page_that_names_it_says_so(module_works: Works, gone: Connection) -> None:
    ada = signed_in(module_works.admin)

    for page in ("", "connections/", "connections/?state=attention", "calendar/"):
        said = unescape(text(ada.get(f"/o/acme/{page}")))
        assert gone.name in said and MISSING in said, page
    for tab in ("", "verification", "credential", "record", "settings"):
        assert MISSING in text(ada.get(base_of(gone) + tab)), tab
    refused = ada.post(base_of(gone) + "verify")
    assert refused.status_code == 409 and MISSING in refused.content.decode()


def test_services_read_of_it_and_lease_nothing(
    module_works: Works, gone: Connection, caller: Service
) -> None:
    listed = {each["name"]: each for each in caller.get("connections").json()["connections"]}
    one = caller.get(f"connections/{gone.id}")

    assert one.status_code == 200 and one.json()["product"] == listed[gone.name]["product"]
    assert MISSING in one.json()["product"] and not one.json()["token"]["leasable"]
    assert code_of(caller.ask(gone)) == (409, "not_leasable")


@pytest.mark.parametrize("minutes", [120, 0], ids=["a token that lives", "one that has ended"])
def test_no_token_of_it_is_lent(
    module_works: Works, gone: Connection, caller: Service, minutes: int
) -> None:
    with roles.using_role("worker"), module_works.inside():
        ends = clock.now() + timedelta(minutes=minutes)
        rows = Credential.objects.filter(connection_id=gone.id)
        rows.update(refreshable=True, expires_at=ends, refreshed_at=ends - timedelta(hours=3))

    answer = caller.ask(gone)

    assert code_of(answer) == (409, "not_leasable") and "no connector" in answer.json()["detail"]
    assert "access_token" not in answer.content.decode()
    *_, asked, told = caller.leases()
    assert (told.outcome, told.takes_back) == (Lease.Outcome.NOT_LEASABLE, asked.id)
    with roles.using_role("worker"), module_works.inside():
        assert not Job.objects.filter(kind="refresh_credential").exists()
        rows.update(refreshable=False)


def test_schedules_go_on_for_the_others(module_works: Works, gone: Connection) -> None:
    with roles.using_role("worker"), module_works.inside():
        Connection.objects.filter(id=gone.id).update(
            next_verification_at=clock.now(), next_probe_at=clock.now(), next_sync_at=clock.now()
        )
        Credential.objects.filter(connection_id=gone.id).update(
            refreshable=True, refresh_due_at=clock.now(), expires_at=clock.now()
        )
    with roles.using_role("worker"):
        Schedule.objects.update(next_run_at=clock.now())
        schedules.run_due()
        module_works.drain()

    with roles.using_role("worker"):
        assert not Schedule.objects.exclude(failures=0).exists()
        with module_works.inside():
            assert not Job.objects.exclude(last_error="").exists()
            assert Credential.objects.get(connection_id=gone.id).refresh_due_at > clock.now()


def test_it_is_exported_with_everything_else(module_works: Works, gone: Connection) -> None:
    asks = module_works.person(f"{gone.connector}@acme.example", "Ada the other", Role.ADMIN)
    with module_works.inside():
        made = exports.ask(actor=asks, why="", public_key="", confirmed="", key=uuid4())
    module_works.drain()

    with module_works.inside():
        assert Export.objects.get(id=made.id).state == Export.State.READY


@pytest.mark.parametrize("end", ["source", "target"])
def test_a_link_of_it_rests_with_a_sentence(
    module_works: Works, gone: Connection, linked: dict[str, Connection], end: str
) -> None:
    other = next(one for slug, one in linked.items() if slug in registry.connectors())
    ends = {"source": other, "target": other} | {end: gone}
    with roles.using_role("worker"), module_works.inside():
        link = _active(**ends)

    with roles.using_role("worker"):
        relay_waking.wake()
        module_works.drain()

    with module_works.inside():
        assert not Job.objects.exclude(last_error="").exists()
        if end == "target":
            assert Link.objects.get(id=link.id).waits_for == "not_installed"
    admin = signed_in(module_works.admin)
    assert "1 in trouble" in text(admin.get("/o/acme/links/"))
    page = unescape(text(admin.get(f"/o/acme/links/{link.id}/")))
    assert f"{gone.name} has no connector here" in page and "installed again" in page
    with roles.using_role("worker"), module_works.inside():
        Link.objects.filter(id=link.id).delete()


def _active(source: Connection, target: Connection) -> Link:
    """A link between them with something that is due."""
    places = [
        Workspace.objects.create(
            connection=each, remote_id=str(uuid4()), slug="one", name="One", selected=True
        )
        for each in (source, target)
    ]
    repository = Repository.objects.create(
        connection=source,
        workspace=places[0],
        remote_id=str(uuid4()),
        slug="api",
        name="api",
        seen_run=uuid4(),
        seen_at=clock.now(),
    )
    link = Link.objects.create(
        source=source, target=target, destination=places[1], way="none", state=LinkState.ACTIVE
    )
    RelayItem.objects.create(
        link=link,
        connection=source,
        repository=repository,
        kind="push",
        key="main",
        sequence=1,
        state=RelayState.WAITING,
        cause="sync",
        due_at=clock.now(),
    )
    return link
