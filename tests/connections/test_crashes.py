"""`kill -9` of a worker at each named durable step, then recovery: nothing lost, nothing twice."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from connections.flows import link, verify, workspaces
from connections.models import (
    Check,
    Connection,
    Credential,
    PendingLink,
    Repository,
    SyncRun,
    Verification,
    Workspace,
)
from tests.connections import test_crashes_refreshing
from tests.vendor import Vendor
from tests.works import SESSION, Works

ROOT = Path(__file__).resolve().parent.parent.parent
KILLED = -9
LEASE_ENDS = 2.2

LINK = ("link.obtained", "link.identified")
SPENT = ("link.exchanged",)
VERIFY = ("verify.identified",)
SYNC = ("sync.page_kept",)


def test_every_step_in_the_code_is_killed_here() -> None:
    """A new step without a test of its name fails here."""
    found = set()
    for folder in ("portal", "connections"):
        for path in (ROOT / folder).rglob("*.py"):
            found |= set(re.findall(r'(?<!def )\bstep\("([\w.]+)"\)', path.read_text()))
    tests = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    assert {name for name in found if f'"{name}"' not in tests} == set()
    assert found >= {*LINK, *SPENT, *VERIFY, *SYNC, *test_crashes_refreshing.STEPS}


def recover(works: Works) -> None:
    """The dead worker's leases end, and another worker does what is left."""
    time.sleep(LEASE_ENDS)
    works.drain()


def depart(works: Works, vendor: Vendor) -> PendingLink:
    """Alice comes back from the vendor with a code; the worker has not looked yet."""
    consumer = works.register(vendor.consumer("acme-portal"))
    pending = works.begin()
    with works.inside():
        link.prepare(
            actor=works.alice,
            pending=pending,
            method="oauth",
            name="Acme code",
            team_id=None,
            consumer_id=consumer.id,
            fields={},
            secret=None,
        )
        url = link.depart(actor=works.alice, pending=pending, session_key=SESSION)
    link.receive_answer(
        connector="bitbucket-cloud",
        params=works.consent(url),
        session_key=SESSION,
        user_id=works.alice.id,  # type: ignore[arg-type]
    )
    return pending


@pytest.mark.parametrize("step", LINK)
def test_a_link_survives(step: str, works: Works, vendor: Vendor) -> None:
    pending = depart(works, vendor)

    assert works.fork_and_die(step) == KILLED
    recover(works)

    pending = works.reloaded(pending)
    assert (pending.stage, pending.error) == (PendingLink.Stage.DONE, "")
    with works.inside():
        assert Connection.objects.get().state == Connection.State.ACTIVE
        assert Credential.objects.count() == 1
    exchanges = [r for r in vendor.requests() if r["path"].endswith("/access_token")]
    assert len(exchanges) == 1


@pytest.mark.parametrize("step", SPENT)
def test_a_spent_code_asks_to_begin_again(step: str, works: Works, vendor: Vendor) -> None:
    """A code works once: dying between the vendor's answer and our commit loses it, and says so."""
    pending = depart(works, vendor)

    assert works.fork_and_die(step) == KILLED
    recover(works)

    pending = works.reloaded(pending)
    assert (pending.stage, pending.error) == (PendingLink.Stage.FAILED, "answer_lost")
    with works.inside():
        assert not Connection.objects.exists()


@pytest.mark.parametrize("step", VERIFY)
def test_a_verification_survives(step: str, works: Works, vendor: Vendor) -> None:
    connection = works.connection(works.link_by_token(vendor.token("dana-full")))
    with works.inside():
        verify.request(actor=works.alice, connection=connection)

    assert works.drain_and_die(step, vendor) == KILLED
    recover(works)

    found = works.verification(connection)
    assert found.outcome == Verification.Outcome.PASSED
    with works.inside():
        checks = Check.objects.filter(verification=found)
        assert checks.filter(key="identity").count() == 1


@pytest.mark.parametrize("step", SYNC)
def test_a_sync_resumes_at_its_checkpoint(step: str, works: Works, vendor: Vendor) -> None:
    connection = works.connection(works.link_by_token(vendor.token("dana-full")))
    with works.inside():
        chosen = Workspace.objects.filter(slug="acme")
        workspaces.choose(
            actor=works.alice,
            connection=connection,
            workspace_ids=list(chosen.values_list("id", flat=True)),
        )
    before = len(vendor.requests())

    deaths = 0
    while works.fork_and_die(step) == KILLED:
        deaths += 1
        time.sleep(LEASE_ENDS)
        assert deaths < 12

    with works.inside():
        run = SyncRun.objects.get()
        assert run.state == SyncRun.State.DONE
        names = list(Repository.objects.values_list("remote_id", flat=True))
    state = next(w for w in vendor.state()["workspaces"] if w["slug"] == "acme")
    assert len(names) == len(set(names)) == state["repositories"]
    assert deaths >= 3
    asked = [r["path"] + str(r.get("query", "")) for r in vendor.requests()[before:]]
    again = len(asked) - len(set(asked))
    assert again <= deaths * 2  # the page in flight of each stream, nothing that was answered
