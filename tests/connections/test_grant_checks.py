"""The doctor finds a grant that nobody would renew."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from connections.models import Credential
from portal import clock, doctor, roles, work
from portal.models import Heartbeat
from tests.connections.ways import link_by_consent
from tests.vendor import Vendor
from tests.works import Works


@pytest.fixture(autouse=True)
def linked(works: Works, vendor: Vendor) -> None:
    """One grant that renews itself, and a worker that was seen a moment ago."""
    works.connection(link_by_consent(works, vendor))
    with roles.using_role("worker"):
        Heartbeat.objects.create(kind="worker", host="here", pid=1, hands=4)


def told() -> str:
    (found,) = [one for one in doctor.examine() if one.name == "grants"]
    return "\n".join(map(str, found.problems))


def change(works: Works, **values: Any) -> None:
    with roles.using_role("worker"), works.inside():
        Credential.objects.update(**values)


def test_a_linked_one_has_a_time(works: Works) -> None:
    assert told() == ""


def test_one_without_a_time_is_told(works: Works) -> None:
    change(works, refresh_due_at=None)
    assert "1 active grants can be refreshed and have no time for it" in told()


def test_one_that_is_late_without_a_job_is_told(works: Works) -> None:
    change(works, refresh_due_at=clock.now() - timedelta(minutes=3))
    assert "1 grants should have been refreshed" in told()

    with works.inside():
        work.later("refresh_due", priority=work.REFRESH, hand=0)

    assert told() == ""


def test_one_that_is_held_back_after_a_restore_is_not(works: Works) -> None:
    change(works, refresh_due_at=None, quarantined_at=clock.now())
    assert told() == ""
