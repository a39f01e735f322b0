"""What changed since we looked last: one request for each workspace, and nothing kept if nothing.

Only when something changed, or has its own time to be read, a run begins. So an hour in which
nothing happened costs the account next to nothing, and the database no row.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

from django.db.models import Q

from connections import registry
from connections.access import way_of
from connections.budgets import Purpose
from connections.contracts import Level, Page, Stream
from connections.errors import RateLimited, VendorError
from connections.flows import asks, budget, effects, health, keep, plan, poll_pace, sync
from connections.flows.asking import Asking
from connections.flows.chains import Chain
from connections.models import (
    LIVE,
    Connection,
    HookMode,
    Repository,
    StreamStand,
    StreamState,
    SyncRun,
)
from portal import clock, tenancy, work
from portal.models import Job
from portal.steps import step

READ: Final = (StreamStand.CURRENT, StreamStand.PARTIAL, StreamStand.HELD_BACK)
LOOK_SHARE: Final = 0.10  # of the requests between two polls
UNDATED: Final = ("branches", "pull-requests")  # where no repository says when it changed
UNDATED_SHARE: Final = 0.40
UNTOLD_AFTER: Final = {HookMode.POLLING: timedelta(hours=6), HookMode.HOOKS: timedelta(days=1)}


def perform(claim: work.Claim, *, connection_id: str, begin_at: str = "") -> None:
    """The workspaces were asked what changed, and a run begins if there is something to read.

    Where the hour ends before the last of them, the job waits and goes on with the rest: it would
    never come to them if it began anew.
    """
    with tenancy.transaction():
        claim.hold()
        connection = _connection(connection_id)
        if connection is None:
            claim.done()
            return
        streams = plan.chosen(connection)
        way, chains = way_of(connection), _pollable(connection, streams, begin_at)
    asking = Asking(connection, way, budget.of(connection), Purpose.INCREMENTAL)
    answered: list[bool] = []
    try:
        for chain in chains:
            answered.append(_poll(claim, asking, chain, streams))
    except RateLimited as error:
        _go_on_at(claim, chains[len(answered)])
        raise work.RetryLater(error.code, seconds=asking.rest(error), free=True) from error
    finally:
        asking.close()
    with tenancy.transaction():
        claim.hold()
        if answered and all(answered):
            locked = Connection.objects.select_for_update(no_key=True)
            health.worked(locked.get(id=connection.id))
        _look(connection, streams)
        if _has_work(connection, streams):
            sync.go_on(connection)
        claim.done()


def _go_on_at(claim: work.Claim, chain: Chain) -> None:
    """When the job comes back it begins with this one."""
    ref = claim.job.ref | {"begin_at": str(chain.place.workspace.id)}
    with tenancy.transaction():
        claim.hold()
        Job.objects.filter(id=claim.id).update(ref=ref)


def _connection(connection_id: str) -> Connection | None:
    rows = Connection.objects.select_related("consumer").filter(id=connection_id)
    found: Connection | None = rows.filter(state=Connection.State.ACTIVE, paused_at=None).first()
    return found if found is not None and found.connector in registry.connectors() else None


def _pollable(connection: Connection, streams: dict[str, Stream], begin_at: str) -> list[Chain]:
    """The workspaces whose repositories can be asked for their changes; the others' are due."""
    stream = streams.get(plan.REPOSITORIES)
    if stream is None:
        return []
    rows = plan.states(connection, [plan.REPOSITORIES]).select_related("workspace")
    idle = rows.filter(Q(due_at=None) | Q(due_at__gt=clock.now()))
    idle = idle.filter(workspace_id__gte=begin_at) if begin_at else idle
    found = []
    for state in idle.order_by("workspace_id"):
        if state.stand in READ and _takes_one_page(state, stream):
            state.stand, state.wanted = StreamStand.CURRENT, plan.CHANGED  # not saved
            found.append(asks.chain_of(state, stream, connection.fields))
        elif state.stand != StreamStand.FAILING:  # that one waits for its own hour
            plan.want(StreamState.objects.filter(id=state.id), plan.FULL)
    return found


def _takes_one_page(state: StreamState, stream: Stream) -> bool:
    """Whether a request brings what changed, or the whole list where it is so short."""
    return state.since is not None if stream.incremental else state.pages == 1


def _poll(claim: work.Claim, asking: Asking, chain: Chain, streams: dict[str, Stream]) -> bool:
    """One request; its page is kept if anything on it is new. Trouble is left to a run to meet."""
    claim.stay()
    try:
        page = chain.fetch(asking.api(), None)
    except RateLimited:
        raise
    except VendorError:
        with tenancy.transaction():
            plan.want(StreamState.objects.filter(id=chain.state.id), plan.CHANGED)
        return False
    if page.records or page.rejected or page.checkpoint or chain.state.is_full:
        with tenancy.transaction():
            claim.hold()
            _keep(chain, page, streams)
        step("sync.poll_kept")
    return True


def _keep(chain: Chain, page: Page, streams: dict[str, Stream]) -> None:
    """What changed is kept and calls for more; a run reads a longer list, and finds removals.

    What a run named as unreadable, or held back, stays so until a whole pass: no poll says it anew.
    """
    rows = StreamState.objects.filter(id=chain.state.id)
    if chain.state.is_full and (page.checkpoint or _lacks(chain, page)):
        is_due = plan.want(rows.exclude(stand=StreamStand.HELD_BACK), plan.FULL)
        if is_due or page.checkpoint:
            return
    seen = keep.Seen(chain.pass_id, clock.now(), began=chain.state.pass_started_at)
    written = keep.page(chain.place, page.records, seen)
    keep.grew(chain.place, chain.stream.key, written.new)
    effects.follow(chain.place, {chain.stream.key: written}, streams)
    if page.rejected and plan.want(rows.filter(stand=StreamStand.CURRENT), plan.CHANGED):
        return
    if page.checkpoint is not None:
        _leave_to_a_run(chain.state, page)
    elif written:
        _note_changes(chain, page, streams)


def _lacks(chain: Chain, page: Page) -> bool:
    """Whether a repository that is held is not on this page; none where nobody knows which are."""
    if not all(item.remote_id for item in page.rejected):
        return False
    listed = {one.remote_id for one in (*page.records, *page.rejected)}
    held = keep.present(Repository, chain.place).values_list("remote_id", flat=True)
    return not listed.issuperset(held)


def _note_changes(chain: Chain, page: Page, streams: dict[str, Stream]) -> None:
    chain.note(page.records)
    newest = max(filter(None, (chain.newest, chain.state.since)), default=None)
    values: dict[str, Any] = {"since": newest, "last_success_at": clock.now()}
    StreamState.objects.filter(id=chain.state.id).update(**values)
    plan.draw(chain.place.workspace.connection, streams.values())


def _leave_to_a_run(state: StreamState, page: Page) -> None:
    """The run goes on behind this page; where removals are held back, it judges them anew."""
    rows = StreamState.objects.filter(id=state.id)
    now = clock.now()
    if plan.want(rows.filter(stand=StreamStand.HELD_BACK), plan.FULL):
        return
    rows.update(
        stand=StreamStand.READING,
        wanted=plan.CHANGED,
        due_at=now,
        is_full=False,
        pass_id=state.pass_id,
        pass_started_at=state.pass_started_at,
        last_page_at=now,
        checkpoint=page.checkpoint,
        pages=1,
        read=len(page.records),
        total=page.total,
    )


def _has_work(connection: Connection, streams: dict[str, Stream]) -> bool:
    """Whether anything is due, or was never planned."""
    if plan.due(connection, streams).exists():
        return True
    keys = [key for key, stream in streams.items() if stream.level is Level.WORKSPACE]
    return bool(keys) and not plan.states(connection, keys).exists()


# ── The rolling look ──────────────────────────────────────────────────────────────────────────


def _look(connection: Connection, streams: dict[str, Stream]) -> None:
    """What was not looked at for longest, of what nothing tells: a tenth of the hour's requests.

    Activity in pull requests, pipelines and deployments moves no repository's `updated_on`, so a
    poll does not see it; without webhooks only a look does. Where repositories have no such date
    at all, their branches are looked at too, and more often.
    """
    if SyncRun.objects.filter(connection_id=connection.id, state__in=LIVE).exists():
        return
    mode = HookMode(plan.settings_of(connection).mode)
    untold, listed = UNTOLD_AFTER[mode], streams.get(plan.REPOSITORIES)
    if listed is None or listed.incremental:
        looked = [key for key in plan.LOOKED_AT if key in streams]
        _look_at(connection, looked, untold, LOOK_SHARE, plan.LOOK)
        return
    often = timedelta(minutes=poll_pace.minutes(connection)) * 0.9
    after = often if mode is HookMode.POLLING else untold
    undated = [key for key in UNDATED if key in streams]
    _look_at(connection, undated, after, UNDATED_SHARE, plan.CHANGED)
    rest = [key for key in plan.LOOKED_AT if key in streams and key not in UNDATED]
    _look_at(connection, rest, untold, LOOK_SHARE, plan.LOOK)


def _look_at(
    connection: Connection, keys: Sequence[str], after: timedelta, share: float, why: str
) -> None:
    """Those read longest ago are due, as many as the share of requests until the next poll."""
    rows = plan.states(connection, keys)
    old = rows.filter(last_success_at__lt=clock.now() - after, due_at__gt=clock.now())
    old = old.exclude(stand=StreamStand.FAILING)
    most = int(_per_hour(connection) * share * poll_pace.minutes(connection) / 60)
    ids = list(old.order_by("last_success_at").values_list("id", flat=True)[: max(1, most)])
    plan.want(StreamState.objects.filter(id__in=ids), why)


def _per_hour(connection: Connection) -> int:
    hour = budget.stand(connection.budget_id)
    return hour.per_hour if hour else budget.USUAL
