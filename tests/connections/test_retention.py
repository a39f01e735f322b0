"""What is older than its days goes, a portion at a time, and is not kept again."""

from __future__ import annotations

from datetime import timedelta

import pytest

from connections.contracts import BuildRecord, BuildState, DeploymentRecord
from connections.flows import retention
from connections.models import (
    Build,
    Repository,
    StreamState,
    SyncFailure,
    SyncRun,
    SyncSettings,
    Workspace,
)
from portal import clock, roles, tenancy
from tests.connections.coding import SPACE, linked
from tests.vendor import Vendor
from tests.works import Works


def test_old_builds_runs_and_failures_go(
    works: Works, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "PORTION", 2)
    connection = linked(works, vendor, streams=["repositories", "statuses"])
    works.sync(connection, SPACE)
    long_ago = clock.now() - timedelta(days=100)
    with roles.using_role("worker"), works.inside():
        SyncSettings.objects.update(keep_days=90)
        repository = Repository.objects.order_by("id").first()
        state = StreamState.objects.filter(repository=repository, stream="statuses")
        Build.objects.all().delete()
        for n in range(6):
            Build.objects.create(
                connection=connection,
                repository=repository,
                remote_id=f"c:{n}",
                commit="c",
                key=str(n),
                state="successful",
                seen_run=connection.id,
                remote_created_at=long_ago,
                remote_updated_at=clock.now() if n == 5 else None,
            )
        state.update(held=6)
        old = SyncRun.objects.create(connection=connection, state="done", created_at=long_ago)
        held = SyncRun.objects.create(
            connection=connection, state="quarantined", created_at=long_ago
        )
        SyncFailure.objects.create(run=old, stream="statuses", label="One", code="remote_gone")

    with roles.using_role("worker"), tenancy.acting_for(works.acme):
        retention.age_here()

    with works.inside():
        assert list(Build.objects.values_list("key", flat=True)) == ["5"]
        assert state.get().held == 1
        assert not SyncRun.objects.filter(id=old.id).exists() and not SyncFailure.objects.exists()
        assert SyncRun.objects.filter(id=held.id).exists() and SyncRun.objects.count() == 2


def test_the_last_run_of_a_quiet_connection_stays(works: Works, vendor: Vendor) -> None:
    connection = linked(works, vendor, streams=["repositories"])
    run = works.sync(connection, SPACE)
    worker = roles.using_role("worker")
    with clock.shifted(timedelta(days=400)), worker, tenancy.acting_for(works.acme):
        retention.age_here()
    with works.inside():
        assert SyncRun.objects.filter(id=run.id).exists() and Workspace.objects.exists()


def test_what_would_go_at_once_is_not_kept() -> None:
    now = clock.now()
    old, new = now - timedelta(days=91), now - timedelta(days=89)
    build = {"commit": "c", "key": "k", "name": "n", "state": BuildState.SUCCESSFUL}
    records = [
        BuildRecord("c:1", **build, created_at=old, updated_at=new),
        BuildRecord("c:2", **build, created_at=old),
        BuildRecord("c:3", **build),
    ]
    assert [one.remote_id for one in retention.lasting(records, 90)] == ["c:1", "c:3"]
    assert retention.lasting(records, None) == records
    deployed = DeploymentRecord("d", "test", BuildState.SUCCESSFUL, started_at=old)
    assert retention.lasting([deployed], 90) == []
