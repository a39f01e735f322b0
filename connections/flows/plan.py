"""Which streams of which containers are synced, and which of them are to be read now.

The plan is a row for each stream and container, drawn when a worker begins and whenever it found
repositories, with the connection locked when the run ends: it ends only when nothing is due.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from django.db.models import Case, IntegerField, Q, QuerySet, Value, When

from connections import registry
from connections.budgets import Purpose
from connections.contracts import Level, Stream
from connections.flows import hook_rounds, lacking
from connections.flows.shelves import SHELVES
from connections.models import Connection, StreamState, SyncSettings
from portal import clock, roles, tenancy

ASKED, TOLD, CHANGED, FIRST, LOOK, FULL = "asked", "told", "changed", "first", "look", "full"
WANTS: Final[Mapping[str, Purpose]] = {
    ASKED: Purpose.WAITING,
    TOLD: Purpose.TOLD,
    CHANGED: Purpose.INCREMENTAL,
    FIRST: Purpose.FULL,
    LOOK: Purpose.FULL,
    FULL: Purpose.FULL,
}
REPOSITORIES: Final = "repositories"
COMMITS: Final = "commits"
LOST: Final = ("remote_gone", "access_denied", "scope_missing")  # of a workspace: all in it is
LOOKED_AT: Final = ("pull-requests", "pipelines", "statuses", "deployments")  # no date tells
ASKED_MOST: Final = 100  # of those, for a person who waits
WINDOW: Final = 200  # chains at a time, so that ten thousand repositories need no more memory


def linked_for(connection: Connection) -> list[Stream]:
    """The streams that its capabilities allow and that we keep."""
    connector = registry.connectors().get(connection.connector)
    asked = connection.capabilities
    found = connector.streams if connector else ()
    return [s for s in found if s.capability in asked and s.record in SHELVES]


def streams_of(connection: Connection) -> list[str]:
    """The keys of the same; none when a sync would read nothing."""
    return [stream.key for stream in linked_for(connection)]


def settings_of(connection: Connection) -> SyncSettings:
    """What people chose to sync, or what holds without their choice; then it is no row."""
    found = SyncSettings.objects.filter(connection_id=connection.id).first()
    return found or SyncSettings(connection=connection)


def chosen(connection: Connection) -> dict[str, Stream]:
    """The streams that are synced: those people chose, or else those that are by default."""
    keys = settings_of(connection).chosen
    return {
        stream.key: stream
        for stream in linked_for(connection)
        if (stream.default if keys is None else stream.key in keys)
    }


# ── Draw ──────────────────────────────────────────────────────────────────────────────────────

_NEW = """
INSERT INTO connections_streamstate (
    id, organization_id, connection_id, workspace_id, repository_id, stream, stand, wanted, due_at,
    is_full, pages, read, rejected, etag, held, requests, attempts, error, error_detail)
SELECT gen_random_uuid(), w.organization_id, w.connection_id, w.id, {container}, key, 'new',
       'first', %(now)s, true, 0, 0, 0, '', 0, 0, 0, '', ''
  FROM connections_workspace w {repositories}
 CROSS JOIN unnest(%(keys)s::text[]) AS key
 WHERE w.organization_id = %(organization)s AND w.connection_id = %(connection)s
   AND w.selected AND w.gone_at IS NULL
   AND NOT EXISTS (
       SELECT FROM connections_streamstate s
        WHERE s.organization_id = w.organization_id AND s.workspace_id = w.id
          AND s.repository_id {same} AND s.stream = key)
ON CONFLICT DO NOTHING
"""
_PRESENT = (
    "JOIN connections_repository r ON r.organization_id = w.organization_id"
    " AND r.workspace_id = w.id AND r.gone_at IS NULL"
)
_STATEMENTS: Final = {
    Level.WORKSPACE: _NEW.format(container="NULL::uuid", same="IS NULL", repositories=""),
    Level.REPOSITORY: _NEW.format(container="r.id", same="= r.id", repositories=_PRESENT),
}


def draw(connection: Connection, streams: Collection[Stream]) -> int:
    """Each stream has a row for each chosen workspace or present repository; how many are new."""
    made = 0
    with roles.connection().cursor() as cursor:
        for level, statement in _STATEMENTS.items():
            wanted: dict[str, Any] = {
                "keys": [stream.key for stream in streams if stream.level is level],
                "now": clock.now(),
                "organization": tenancy.organization_id(),
                "connection": connection.id,
            }
            if wanted["keys"]:
                cursor.execute(statement, wanted)
                made += cursor.rowcount
    hook_rounds.look_soon(connection)
    return made


# ── What is due ───────────────────────────────────────────────────────────────────────────────


def states(connection: Connection, keys: Collection[str]) -> QuerySet[Any]:
    """The rows of these streams whose container is chosen and there."""
    rows = StreamState.objects.filter(connection_id=connection.id, stream__in=list(keys))
    there = Q(repository=None) | Q(repository__gone_at=None)
    return rows.filter(there, workspace__selected=True, workspace__gone_at=None)


def due(connection: Connection, keys: Collection[str]) -> QuerySet[Any]:
    """Those of them that are to be read now; nothing in a workspace that the account lost."""
    within_reach = Q(repository=None) | ~Q(workspace__last_error__in=LOST)
    return states(connection, keys).filter(within_reach, due_at__lte=clock.now())


def window(
    connection: Connection, streams: Mapping[str, Stream], *, without: Collection[Purpose] = ()
) -> list[StreamState]:
    """The most wanted of what is due: all for one purpose, and none that waits for another of them.

    Workspaces come before repositories, and branches before the commits they stand at. What is for
    a purpose that may spend nothing now is left out; of a list that the scopes do not allow one
    repository's is asked for, see `lacking.py`.
    """
    closed = [want for want, purpose in WANTS.items() if purpose in without]
    ranks = [When(wanted=want, then=Value(rank)) for rank, want in enumerate(WANTS)]
    by_commit = [stream.key for stream in streams.values() if stream.by_commit]
    turns = [
        When(repository=None, then=Value(0)),
        When(stream=COMMITS, then=Value(2)),
        When(stream__in=by_commit, then=Value(3)),
    ]
    ranked = due(connection, streams).exclude(wanted__in=closed)
    ranked = ranked.annotate(
        rank=Case(*ranks, default=Value(len(WANTS)), output_field=IntegerField()),
        turn=Case(*turns, default=Value(1), output_field=IntegerField()),
    )
    rows = ranked.select_related("workspace", "repository")
    found = list(rows.order_by("rank", "turn", "workspace__name", "repository", "stream")[:WINDOW])
    found = [row for row in found if purpose_of(row) not in without]
    return lacking.one_of_each([row for row in found if _goes_with(row, found[0])])


def _goes_with(row: Any, first: Any) -> bool:
    """Whether both are paid for alike, and neither waits for what the other finds."""
    return purpose_of(row) is purpose_of(first) and bool(row.turn == first.turn)


def purpose_of(state: StreamState) -> Purpose:
    """What its requests are for."""
    return WANTS.get(state.wanted, Purpose.FULL)


def want(rows: QuerySet[Any], why: str) -> int:
    """These are due now, for this reason; what is due already stays so, and is wanted anew.

    A pass that is under way sees by that moment that it came too early, see `passes.py`.
    """
    now = clock.now()
    rows.filter(due_at__lt=now).update(due_at=now)
    later = Q(due_at=None) | Q(due_at__gt=now)
    made: int = rows.filter(later).update(due_at=now, wanted=why)
    return made


def ask(connection: Connection, workspace_ids: Sequence[Any] | None = None) -> None:
    """A person waits: the workspaces' own streams are read whole, and what failed is tried again.

    With ids only of these workspaces. Repositories are read as far as they changed, and the hundred
    lists that nothing tells of and that were looked at longest ago are looked at. Only the first
    may use what is kept for people: of the others there may be ten thousand.
    """
    rows = StreamState.objects.filter(connection_id=connection.id)
    if workspace_ids is not None:
        rows = rows.filter(workspace_id__in=workspace_ids)
    rows.filter(repository=None).exclude(wanted=FIRST, due_at__lte=clock.now()).update(
        due_at=clock.now(), wanted=ASKED
    )
    failing = rows.exclude(repository=None).filter(stand=StreamState.Stand.FAILING)
    want(failing, CHANGED)
    silent = rows.filter(stream__in=LOOKED_AT, repository__gone_at=None, due_at__gt=clock.now())
    oldest = silent.order_by("last_success_at").values_list("id", flat=True)[:ASKED_MOST]
    want(rows.filter(id__in=list(oldest)), CHANGED)
