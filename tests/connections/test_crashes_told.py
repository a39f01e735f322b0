"""`kill -9` of a worker while it applies deliveries: none is lost, none has two effects."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest

from connections.flows import waking
from connections.models import Branch, DeliveryClaim, DirtyTarget
from portal import clock, roles
from portal.models import Job
from tests.connections.coding import SPACE, held, linked, slugs, truth
from tests.connections.hook_line import Line, line
from tests.connections.ways import again
from tests.vendor import Vendor
from tests.works import Works

KILLED = -9
LEASE_ENDS = 2.2  # of the job; that of deliveries and told things is passed by the clock
APPLY = ("deliveries.claimed", "told.taken", "told.fetched")


@pytest.mark.parametrize("step", APPLY)
def test_what_a_worker_had_in_hand_is_done_by_another(
    step: str, works: Works, vendor: Vendor
) -> None:
    connection = linked(works, vendor, streams=["repositories", "branches"])
    assert works.sync(connection, SPACE).state == "done"
    with line(works, vendor, again(works, connection)) as at:
        slug = slugs(works)[0]
        vendor.order("/push", workspace=SPACE, repository=slug, branch="told", commits=1)
        vendor.order("/push", workspace=SPACE, repository=slug, branch="main", commits=1)
        at.deliver(at.sent())

        assert works.fork_and_die(step) == KILLED
        with roles.using_role("worker"), works.inside():
            job = Job.objects.filter(kind="apply_deliveries", done_at=None).first()
            for hand in DeliveryClaim.objects.all():  # the next at that job must find it ended
                assert job is not None and hand.until <= job.lease_until
        recovered(at)

        assert {"branch:told", "branch:main"} <= held(works, Branch, slug)
        branches = {"branches branch:told", "branches branch:main"}
        deliveries = at.sender.deliveries()
        assert [one.state for one in deliveries] == ["applied"] * 2
        assert [one.attempts for one in deliveries] == [1 + (step == APPLY[0])] * 2
        assert {name for one in deliveries for name in one.effect["came"]} >= branches
        with works.inside():
            told = DirtyTarget.objects.filter(stream="branches")
            assert set(told.values_list("told", "due_at")) == {(1, None)}
    with works.inside():
        rows = Branch.objects.filter(repository__slug=slug, gone_at=None, kind="branch")
        assert dict(rows.values_list("name", "target")) == truth(vendor, slug)["branches"]


def recovered(at: Line) -> None:
    """The leases end, the sweep finds what has no job, another worker does it."""
    time.sleep(LEASE_ENDS)
    with clock.shifted(timedelta(seconds=125)), roles.using_role("worker"):
        at.works.drain()
        waking.wake()
        at.works.drain()
