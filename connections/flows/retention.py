"""What is kept for so many days goes after them: builds, pipelines, deployments, pushes and runs.

Once a day, a portion at a time, so that no reading waits for it. What the vendor still lists of
such an age is not kept again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final
from uuid import UUID

from django.db.models import Exists, F, OuterRef
from django.db.models.functions import Coalesce, Greatest

from connections.contracts import BuildRecord, DeploymentRecord, PipelineRecord, Record
from connections.flows import plan
from connections.models import (
    LIVE,
    Build,
    Connection,
    Deployment,
    Pipeline,
    Push,
    RunState,
    StreamState,
    SyncFailure,
    SyncRun,
)
from portal import clock, everybody, tenancy, work

RUNS: Final = timedelta(days=90)
PORTION: Final = 5000  # in one transaction
ENDED: Final = (
    ("statuses", Build, ("remote_updated_at", "remote_created_at")),
    ("pipelines", Pipeline, ("completed_at", "remote_created_at")),
    ("deployments", Deployment, ("completed_at", "remote_updated_at", "started_at")),
)
MOMENTS: Final[Mapping[type[Record], tuple[str, ...]]] = {
    BuildRecord: ("updated_at", "created_at"),
    PipelineRecord: ("completed_at", "created_at"),
    DeploymentRecord: ("completed_at", "updated_at", "started_at"),
}


def lasting(records: Sequence[Record], keep_days: int | None) -> Sequence[Record]:
    """Those that are not to be dropped at once; None keeps all."""
    if keep_days is None or not records or type(records[0]) not in MOMENTS:
        return records
    oldest = clock.now() - timedelta(days=keep_days)
    return [record for record in records if not _is_before(record, oldest)]


def _is_before(record: Record, oldest: datetime) -> bool:
    """As the statement below sees it: the first moment that is known counts."""
    known = (getattr(record, name) for name in MOMENTS[type(record)])
    moment: datetime | None = next((each for each in known if each is not None), None)
    return moment is not None and moment < oldest


@work.every("connections.age", 24 * 3600)
def age() -> None:
    """Every organization keeps of its connections what their settings and age allow."""
    everybody.for_each(everybody.organizations(), age_here)


def age_here() -> None:
    """The same for the acting organization; outside of transactions."""
    with tenancy.transaction():
        read = StreamState.objects.values("connection_id").distinct()
        days = {c.id: plan.settings_of(c).keep_days for c in Connection.objects.filter(id__in=read)}
    for connection_id, keep_days in days.items():
        drop(connection_id, keep_days)
    _until_done(_runs)


def drop(connection_id: UUID, keep_days: int | None) -> None:
    """Rows of this connection that ended longer ago are gone; None keeps all."""
    if keep_days is None:
        return
    oldest = clock.now() - timedelta(days=keep_days)
    for stream, model, moments in ENDED:
        _until_done(partial(_ended, connection_id, stream, model, moments, oldest))
    _until_done(partial(_pushes, connection_id, oldest))


def _until_done(portion: Callable[[], int]) -> None:
    """Each portion in a transaction of its own, as long as there is a whole one."""
    while True:
        with tenancy.transaction():
            dropped = portion()
        if dropped < PORTION:
            return


def _ended(
    connection_id: UUID, stream: str, model: Any, moments: Sequence[str], oldest: datetime
) -> int:
    """The oldest of them; each repository's list says how many it has lost."""
    rows = model.objects.filter(connection_id=connection_id)
    rows = rows.alias(ended=Coalesce(*moments)).filter(ended__lt=oldest)
    old = list(rows.order_by("ended").values_list("id", "repository_id", "gone_at")[:PORTION])
    model.objects.filter(id__in=[id_ for id_, _, _ in old]).delete()
    lost = Counter(repository_id for _, repository_id, gone_at in old if gone_at is None)
    for repository_id, count in sorted(lost.items()):
        states = StreamState.objects.filter(repository_id=repository_id, stream=stream)
        states.update(held=Greatest(0, F("held") - count))
    return len(old)


def _pushes(connection_id: UUID, oldest: datetime) -> int:
    rows = Push.objects.filter(connection_id=connection_id, received_at__lt=oldest)
    return int(Push.objects.filter(id__in=list(_ids(rows))).delete()[0])


def _runs() -> int:
    """Runs that ended long ago, and what failed in them.

    One that waits for a person stays, and so does the last one of each connection.
    """
    later = SyncRun.objects.filter(
        connection_id=OuterRef("connection_id"), created_at__gt=OuterRef("created_at")
    )
    rows = SyncRun.objects.exclude(state__in=(*LIVE, RunState.QUARANTINED)).filter(Exists(later))
    old = list(_ids(rows.filter(created_at__lt=clock.now() - RUNS)))
    SyncFailure.objects.filter(run_id__in=old).delete()
    SyncRun.objects.filter(id__in=old).delete()
    return len(old)


def _ids(rows: Any) -> Any:
    return rows.values_list("id", flat=True)[:PORTION]
