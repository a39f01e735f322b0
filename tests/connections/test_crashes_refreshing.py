"""`kill -9` at each step of refreshing, and a database that goes away: no token is lost."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.db import DatabaseError, connections

from connections import places
from connections.flows import keeping, refreshing, renewals, spool, verify
from connections.flows.refreshing import EndpointBook
from connections.models import Candidate, Connection, Consumer, Credential, RefreshAttempt
from portal import clock, roles, tenancy, vault
from portal.models import Job
from tests.connections.ways import again, link_by_consent
from tests.grants import consented, plant
from tests.servers import Servers
from tests.vendor import ROOT, Vendor
from tests.works import Works

KILLED = -9
JOB_LEASE_ENDS = 2.2
LEASE_IS_OVER = timedelta(seconds=121)
GRANTS = 12

SENT = ("refresh.sending", "refresh.answered")
DURABLE = ("refresh.claimed", "refresh.kept", "refresh.settled")
SPOOLED = ("refresh.spooled", "refresh.replayed")
STEPS = (*SENT, *DURABLE, *SPOOLED)


@pytest.fixture
def consumer(works: Works, vendor: Vendor) -> Consumer:
    return works.register(vendor.consumer("acme-portal"))


@pytest.fixture(autouse=True)
def folder(settings: LazySettings, tmp_path: Path) -> Path:
    settings.SPOOL_DIR = tmp_path / "spool"
    settings.REFRESH_PER_SECOND = 1000
    found: Path = settings.SPOOL_DIR
    return found


def die(works: Works, vendor: Vendor, step: str, folder: Path) -> int:
    """A whole new worker process that dies by SIGKILL at this step; its exit code."""
    environment = works.environment(vendor) | {
        "DIE_AT_STEP": step,
        "REFRESH_LEASE_SECONDS": "120",
        "REFRESH_PER_SECOND": "1000",
        "SPOOL_DIR": str(folder),
    }
    argv = [sys.executable, "manage.py", "drain"]
    return subprocess.run(argv, cwd=ROOT, env=environment, timeout=60).returncode


def recover(works: Works) -> None:
    """The dead worker's leases end, and another worker does what is left."""
    time.sleep(JOB_LEASE_ENDS)
    with clock.shifted(LEASE_IS_OVER):
        renewals.replay_spool()
        renewals.start_due()
        works.drain()


def usable(works: Works, vendor: Vendor) -> list[bool]:
    """Of each kept token, whether the vendor would still take it."""
    with roles.using_role("worker"), works.inside():
        texts = [
            vault.open(places.of_credential(one, field)).reveal()
            for one in Credential.objects.all()
            for field in (places.ACCESS, places.REFRESH)
        ]
    digests = [hashlib.sha256(text.encode()).hexdigest() for text in texts]
    looked: Any = vendor.order("/tokens/look", digests=digests)
    return [bool(looked[digest]["works"]) for digest in digests]


def assert_as_without_a_crash(works: Works, vendor: Vendor) -> None:
    with works.inside():
        found = list(Credential.objects.all())
        assert len(found) == GRANTS
        for one in found:
            assert (one.version, one.intent_version, one.lease_until) == (2, None, None)
            assert one.refresh_due_at is not None and one.refresh_due_at > clock.now()
        assert not Candidate.objects.exists()
        kept = RefreshAttempt.objects.filter(decision="became_current")
        assert kept.count() == kept.values("credential_id").distinct().count() == GRANTS
        assert not Connection.objects.exclude(state=Connection.State.ACTIVE).exists()
    assert usable(works, vendor) == [True] * GRANTS * 2


@pytest.mark.parametrize("step", [*SENT, *DURABLE])
def test_a_sweep_survives(
    step: str, works: Works, vendor: Vendor, consumer: Consumer, folder: Path
) -> None:
    """Once in a whole new process; a copy of ours does for the others."""
    plant(works.acme, consumer, consented(vendor, GRANTS))
    renewals.start_due()

    is_first = step == SENT[0]
    died = die(works, vendor, step, folder) if is_first else works.fork_and_die(step)
    assert died == KILLED
    recover(works)

    assert_as_without_a_crash(works, vendor)


def test_a_sweep_that_gets_on_owes_nothing_to_workers_that_died_before(
    works: Works, vendor: Vendor, consumer: Consumer
) -> None:
    """Or the next trouble of its job would make a whole organization wait for minutes."""
    plant(works.acme, consumer, consented(vendor, 1))
    renewals.start_due()
    with roles.using_role("worker"), works.inside():
        Job.objects.filter(kind="refresh_due").update(attempts=6)
    works.drain()

    with roles.using_role("worker"), works.inside():
        assert Job.objects.get(kind="refresh_due").attempts == 1


@pytest.mark.parametrize("step", SENT)
def test_a_vendor_that_kills_the_first_child_costs_no_grant(
    step: str, works: Works, vendor: Vendor, consumer: Consumer
) -> None:
    """The worst reading of grace: a token used again ends the pair it had brought before."""
    vendor.order("/switches", refresh_reuse="kills_child")
    plant(works.acme, consumer, consented(vendor, GRANTS))
    renewals.start_due()

    assert works.fork_and_die(step) == KILLED
    recover(works)

    assert_as_without_a_crash(works, vendor)


@pytest.mark.parametrize("step", [*SENT, *DURABLE])
def test_a_verification_that_renews_survives(step: str, works: Works, vendor: Vendor) -> None:
    connection = works.connection(link_by_consent(works, vendor))
    with works.inside():
        Credential.objects.update(expires_at=clock.now() - timedelta(hours=1))
        verify.request(actor=works.alice, connection=connection)

    assert works.fork_and_die(step) == KILLED
    recover(works)

    with works.inside():
        assert Credential.objects.get().version == 2
    assert again(works, connection).state == Connection.State.ACTIVE
    assert works.verification(connection).outcome == "passed"
    assert usable(works, vendor) == [True, True]


# ── The database is away when the answer is there ─────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Spooled:
    """The files, and the tokens that must not be readable in them."""

    paths: list[Path]
    tokens: list[str]


def answers() -> list[refreshing.Outcome]:
    """What the vendor says to all that is due."""
    claimed = refreshing.claim_due("bitbucket-cloud")
    book = EndpointBook()
    book.learn(claimed)
    return [refreshing.ask(one, book) for one in claimed]


@pytest.fixture
def spooled(
    works: Works, vendor: Vendor, consumer: Consumer, servers: Servers, folder: Path
) -> Spooled:
    """PostgreSQL was killed between the vendor's answer and ours to it; it runs again."""
    plant(works.acme, consumer, consented(vendor, GRANTS))
    with roles.using_role("worker"), tenancy.acting_for(works.acme):
        outcomes = answers()
        with servers.database_away(), pytest.raises(DatabaseError):
            keeping.keep(outcomes)
    tokens = [one.tokens.access_token for one in outcomes if one.tokens]
    return Spooled(sorted(folder.iterdir()), tokens)


def test_what_the_database_could_not_take_waits_on_disk(
    works: Works, vendor: Vendor, spooled: Spooled
) -> None:
    assert len(spooled.paths) == GRANTS
    assert {path.stat().st_mode & 0o777 for path in spooled.paths} == {0o600}
    text = "".join(path.read_text() for path in spooled.paths)
    assert not [token for token in spooled.tokens if token in text]

    with roles.using_role("worker"):
        assert spool.replay() == GRANTS

    assert_as_without_a_crash(works, vendor)
    with works.inside():
        assert set(RefreshAttempt.objects.values_list("caller", flat=True)) == {"spool"}
    assert not [path for path in spooled.paths if path.exists()]


def test_a_replay_that_dies_settles_nothing_twice(
    works: Works, vendor: Vendor, spooled: Spooled, folder: Path
) -> None:
    assert works.fork_and_die("refresh.replayed", spool.replay) == KILLED
    assert len(list(folder.iterdir())) == GRANTS

    with roles.using_role("worker"):
        assert spool.replay() == GRANTS
    assert_as_without_a_crash(works, vendor)


def test_a_worker_that_dies_with_the_database_leaves_its_spool(
    works: Works, vendor: Vendor, consumer: Consumer, folder: Path
) -> None:
    plant(works.acme, consumer, consented(vendor, GRANTS))
    assert works.fork_and_die("refresh.spooled", partial(cut_off, works)) == KILLED
    assert len(list(folder.iterdir())) == GRANTS

    with roles.using_role("worker"):
        assert spool.replay() == GRANTS
    assert_as_without_a_crash(works, vendor)


def test_a_file_that_cannot_be_read_is_put_aside(
    works: Works, spooled: Spooled, folder: Path
) -> None:
    spooled.paths[0].write_text("{}")
    with roles.using_role("worker"):
        assert spool.replay() == GRANTS - 1
    assert [path.suffix for path in folder.iterdir()] == [".unreadable"]


def cut_off(works: Works) -> None:
    """The database is out of reach of a worker as soon as it has its answers."""
    with tenancy.acting_for(works.acme):
        outcomes = answers()
        connections["worker"].close()
        connections["worker"].settings_dict["HOST"] = "/nonexistent"
        keeping.keep(outcomes)
