"""`kill -9` at each named step of replacing keys and erasing: the end is as without it (C09)."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from copy import copy
from datetime import timedelta
from uuid import uuid4

import pytest
from django.conf import settings as django_settings
from django.core import mail
from django.core.management import call_command
from django.db import connections

from connections import high_water
from connections.flows import restore
from connections.models import Campaign, Connection, Credential
from portal import (
    clock,
    erasing,
    erasing_rows,
    erasure,
    erasure_mail,
    erasure_notices,
    key_ceremony,
    key_rewrap,
    key_rotation,
    key_stand,
    keyring,
    keystore,
    roles,
    tenancy,
    tombstones,
    work,
)
from portal.models import AuditEvent, DataKey, KeyCheck, Notice, Organization, Tombstone, User
from portal.policy import Actor, Role
from tests.leasing import Service, linked, service, with_token
from tests.portal.test_key_rotation import (
    directory,
    keep,
    opened,
    organization,
    places_of,
    reread,
    rings,
)
from tests.servers import Servers
from tests.works import Works

__all__ = ["directory"]

STAGE = ("keys.sentinel_planted", "keys.half_written", "keys.file_staged")
ACTIVATE = ("keys.file_activated",)
RETIRE = ("keys.file_retired",)
REWRAP = ("keys.rewrapped",)
DATA_KEY = ("data_key.demoted", "data_key.resealed", "data_key.destroyed")
ERASE = ("erase.parted", "erase.destroyed")
CLEAR = ("erase.written_down", "erase.announced", "erase.portion", "erase.recorded")


def dies_at(step: str, deed: Callable[[], object]) -> None:
    """A process of its own does this, and is killed at the step."""
    connections.close_all()
    child = os.fork()
    if not child:
        django_settings.DIE_AT_STEP = step
        try:
            deed()
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), f"{step} was not reached"
    assert os.WTERMSIG(status) == signal.SIGKILL


def may_start(folder) -> bool:
    """Every process would start with its file as it is now."""
    with roles.using_role("worker"):
        return not any(keyring.prove(ring) for ring in rings(folder).values())


@pytest.mark.django_db
def test_C09_a_key_is_replaced_whatever_is_killed(directory) -> None:
    places = [p for slug in ("acme", "globex") for p in places_of(organization(slug))]
    keep(places)
    deeds = [
        *((step, lambda: key_ceremony.stage(directory, "grant")) for step in STAGE),
        *((step, lambda: key_ceremony.activate(directory, "grant")) for step in ACTIVATE),
        *((step, lambda: key_rewrap.rewrap("grant")) for step in REWRAP),
        *(
            (step, lambda: key_ceremony.retire(directory, "grant", 1, backups_gone=True))
            for step in RETIRE
        ),
    ]
    done = None
    for step, deed in deeds:
        if done is not None and done.__code__ is not deed.__code__:
            finish(done, directory)
        dies_at(step, with_worker(deed))
        reread(directory)
        assert may_start(directory), step
        assert opened(places), step
        done = deed
    finish(done, directory)

    assert may_start(directory) and opened(places)
    assert key_stand.left("grant") == (0, 2)
    assert keystore.leftovers(directory) == [], "no copy of a key file is left"
    assert list(KeyCheck.objects.filter(domain="grant").values_list("version", flat=True)) == [2]
    assert set(rings(directory)["worker"].domains["grant"].keys) == {2}


@pytest.mark.django_db
def test_C09_a_leak_is_dealt_with_whatever_is_killed(directory, servers: Servers) -> None:
    made = [organization(slug) for slug in ("acme", "globex")]
    places = [place for one in made for place in places_of(one)]
    keep(places)
    with tenancy.acting_for(made[0]), tenancy.transaction():
        linked(made[0], "Acme code")

    def command() -> None:
        call_command("keys", "rotate", "grant", emergency=True, directory=directory, wait=0)

    for step in ("keys.leak_declared", "keys.file_activated", "keys.rewrapped"):
        dies_at(step, with_worker(command))
        reread(directory)
        assert may_start(directory) and opened(places), step
    for step in ("keys.leak_spread", "keys.leak_rewrapped", "keys.leak_answered"):
        dies_at(step, with_worker(work.drain))
        release(servers)
    finish(command, directory)
    with_worker(work.drain)()

    assert set(KeyCheck.objects.filter(domain="grant").values_list("version", flat=True)) == {1, 2}
    assert opened(places)
    with tenancy.acting_for(tenancy.PLATFORM), tenancy.transaction():
        event = AuditEvent.objects.get(action="key.leaked")
    assert event.subject_name == "grant/v1", "the one that leaked"
    for one in made:
        with roles.using_role("worker"), tenancy.acting_for(one), tenancy.transaction():
            active = DataKey.objects.get(domain="grant", state="active")
            assert (active.version, active.kek_version) == (2, 2)
    with tenancy.acting_for(made[0]), tenancy.transaction():
        assert "grant/v1" in Campaign.objects.get().title


def with_worker(deed: Callable[[], object]) -> Callable[[], None]:
    def run() -> None:
        with roles.using_role("worker"):
            deed()

    return run


def finish(deed: Callable[[], object] | None, folder) -> None:
    """The same once more, and nobody is killed."""
    assert deed is not None
    with_worker(deed)()
    reread(folder)


@pytest.mark.django_db
def test_C09_a_data_key_is_replaced_whatever_is_killed(directory, servers: Servers) -> None:
    made = organization("acme")
    places = places_of(made, 4) + places_of(made, 2, "access")
    keep(places)
    with roles.using_role("worker"):
        key_rotation.ask([made.id], clock.now())
    for step in DATA_KEY:
        dies_at(step, with_worker(work.drain))
        assert opened(places), step
        release(servers)
    with roles.using_role("worker"):
        work.drain()
        release(servers)
        with clock.shifted(key_rotation.SETTLED + timedelta(minutes=1)):
            dies_at("data_key.destroyed", work.drain)
            release(servers)
            work.drain()
        with tenancy.acting_for(made), tenancy.transaction():
            states = set(DataKey.objects.values_list("domain", "version", "state"))
    assert opened(places)
    assert states == {
        (domain, version, state)
        for domain in ("grant", "access")
        for version, state in ((1, "destroyed"), (2, "active"))
    }


def release(servers: Servers) -> None:
    """The dead worker's lease has ended."""
    name = connections["default"].settings_dict["NAME"]
    with servers.postgres.connect(name) as admin:
        admin.execute("UPDATE portal_job SET lease_until = now() - interval '1 second'"
                      " WHERE lease_until IS NOT NULL")  # fmt: skip


def put_mail(servers: Servers, days: int) -> None:
    """The owners' mail is due so many days from now."""
    name = connections["default"].settings_dict["NAME"]
    with servers.postgres.connect(name) as admin:
        admin.execute(
            "UPDATE portal_job SET run_at = now() + make_interval(days => %s) WHERE kind = %s",
            [days, erasure_mail.KIND],
        )


def of_another(works: Works) -> Service:
    """A service of an organization that has nothing to do with the erasure."""
    globex = works.organization("globex")
    admin = works.person("gil@globex.example", "Gil", Role.ADMIN, globex)
    elsewhere = copy(works)
    elsewhere.acme = globex
    return service(elsewhere, by=admin)


def mark(connection: Connection) -> None:
    """What a refresh leaves outside the database."""
    now = clock.now() + timedelta(seconds=1)
    high_water.rise(
        [
            high_water.Mark(
                connection.id,
                connection.organization_id,
                "Acme code",
                uuid4(),
                1,
                now,
                connection.linked_at,
            )
        ]
    )


def worker_starts() -> None:
    """What a worker does before its first job."""
    erasing.apply_tombstones()
    restore.settle()


def rows_left(works: Works, servers: Servers) -> int:
    """The rows that `clear_erased` is to count; turns come and go with the work."""
    of_it = 'SELECT count(*) FROM "{}" WHERE organization_id = %s'
    tables = [table for table in erasing_rows.tables() if table != "portal_turn"]
    with servers.postgres.connect(connections["default"].settings_dict["NAME"]) as admin:
        found = [admin.execute(of_it.format(one), [works.acme.id]).fetchone() for one in tables]
    return sum(row[0] for row in found)


def test_an_organization_is_erased_whatever_is_killed(
    works: Works, servers: Servers, settings, tmp_path
) -> None:
    settings.TOMBSTONE_FILE = str(tmp_path / "tombstones.sqlite3")
    settings.HIGH_WATER_FILE = str(tmp_path / "high_water.sqlite3")
    bystander, expected = of_another(works), 0
    mark(with_token(works))
    owner = works.person("owen@acme.example", "Owen", Role.OWNER)
    olga = User.objects.create_user("olga@portal.example", name="Olga", is_operator=True)
    with works.inside():
        erasure.ask(actor=owner, typed_name="Acme")
    erasure.confirm(
        actor=Actor("operator", olga.id, "Olga"),
        organization_id=works.acme.id,
        typed_name="Acme",
    )
    with clock.shifted(timedelta(days=7, hours=1)), roles.using_role("worker"):
        for step in (*ERASE, *CLEAR):
            dies_at(step, work.drain)
            release(servers)
            worker_starts()
            put_mail(servers, 30)
            if step == "erase.destroyed":
                expected = rows_left(works, servers)
        put_mail(servers, 0)
        dies_at("erase.mailed", work.drain)
        release(servers)
        work.drain()
        with works.inside():
            assert not Organization.objects.filter(id=works.acme.id).exists()
            assert not Credential.objects.exists()
        with tenancy.acting_for(tenancy.PLATFORM), tenancy.transaction():
            event = AuditEvent.objects.get(action="organization.erased")
            assert AuditEvent.objects.filter(action="organization.keys_destroyed").count() == 1
            assert Notice.objects.filter(kind=erasure_notices.ERASED_OPERATORS).count() == 1
    letters = [one for one in mail.outbox if one.subject == "Acme is erased"]
    assert [one.to for one in letters] == [["owen@acme.example"]], "by who came after the dead"
    assert event.details["rows"] - expected in range(4), "what went before a kill is counted"
    assert list(high_water.standing()) == []
    assert bystander.reloaded().frozen_at is None, "nobody takes this for a restored backup"
    assert Tombstone.objects.count() == len(list(tombstones.standing())) == 1
