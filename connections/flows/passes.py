"""What one page, its end or its failure does to the rows: each container stands for itself.

Call these inside the transaction that holds the job; page, checkpoint and progress are one commit.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Any, Final

from connections.contracts import Page, Stream
from connections.errors import RemoteGone, Unavailable, UnexpectedResponse, VendorError
from connections.flows import (
    clocks,
    effects,
    heads,
    keep,
    missed,
    plan,
    retention,
    rewriting,
    shrink,
)
from connections.flows.chains import Chain
from connections.models import Repository, StreamStand, StreamState, SyncFailure, SyncRun
from portal import clock

MISREAD: Final = 3  # answers in a row that nobody understands, until a pass begins anew
SKEW: Final = timedelta(minutes=10)  # between the vendor's clock and ours
PAGE: Final = (
    *("stand", "pass_id", "pass_started_at", "is_full", "checkpoint", "pages", "read", "rejected"),
    *("total", "requests", "heads", "last_page_at"),
)
STATE: Final = (
    *PAGE,
    *("wanted", "due_at", "since", "etag", "last_success_at", "last_full_at"),
    *("held_heads", "failing_since", "attempts", "error", "error_detail"),
)


def keep_page(
    run: SyncRun,
    chain: Chain,
    page: Page,
    following: str | None,
    *,
    at: clocks.Pace,
    keep_days: int | None = None,
) -> dict[str, Any]:
    """The page is rows, and its chain goes on or has ended; what was held back of removals."""
    state, shelf = chain.state, keep.SHELVES[chain.stream.record]
    is_long = following is not None or state.pages > 0
    seen = keep.Seen(
        pass_id=chain.pass_id,
        at=clock.now(),
        marks=state.is_full and is_long and not shelf.is_witness,
        began=state.pass_started_at,
    )
    were = missed.former(chain, page)
    written = keep.page(chain.place, retention.lasting(page.records, keep_days), seen)
    missed.look(chain, page, written, were)
    if page.rejected:
        _reject(run, chain, page, seen)
    if not _is_counted(state):
        keep.grew(chain.place, chain.stream.key, written.new)
    chain.note(page.records)
    state.checkpoint, state.pages, state.requests = following, state.pages + 1, state.requests + 1
    state.last_page_at = clock.now()
    state.read += len(page.records)
    state.rejected += len(page.rejected)
    state.total = state.total if page.total is None else page.total
    state.stand = StreamStand.READING
    held_back = {}
    if following is None:
        held_back = _end(chain, page, seen, pace=at)
    state.save(update_fields=PAGE if following else STATE)
    chain.ended = following is None
    return {"written": written, "held_back": held_back}


def follow(chain: Chain, written: Collection[str], chosen: Mapping[str, Stream]) -> int:
    """What the changes of this page call for is due. A first reading calls for nothing more."""
    if not chain.was_read:
        return 0
    return effects.follow(chain.place, {chain.stream.key: list(written)}, chosen)


def _reject(run: SyncRun, chain: Chain, page: Page, seen: keep.Seen) -> None:
    """What is unreadable is named. Where nobody knows which it was, absence is no evidence."""
    keep.rejected(keep.SHELVES[chain.stream.record].model, chain.place, page.rejected, seen)
    if not all(item.remote_id for item in page.rejected):
        chain.state.is_full = False
    SyncFailure.objects.bulk_create(
        [
            SyncFailure(
                organization_id=run.organization_id,
                run_id=run.id,
                stream=chain.stream.key,
                workspace_name=chain.place.workspace.name[:300],
                label=rejected.label[:300],
                code=keep.UNREADABLE if rejected.remote_id else keep.UNIDENTIFIED,
                detail=rejected.reason[:200],
            )
            for rejected in page.rejected
        ]
    )


def _is_counted(state: StreamState) -> bool:
    """Whether the rows of this pass are counted at its end, rather than added page by page."""
    return bool(state.is_full or state.rejected)


def _end(chain: Chain, page: Page, seen: keep.Seen, *, pace: clocks.Pace) -> dict[str, Any]:
    state, shelf, now = chain.state, keep.SHELVES[chain.stream.record], clock.now()
    held_back: dict[str, Any] = {}
    if state.is_full and not shelf.is_witness and not page.unchanged:
        listed = None if state.pages > 1 else _listed(page)
        held_back = shrink.settle(chain.place, state, shelf.model, seen, listed)
    state.stand = StreamStand.PARTIAL if state.rejected else StreamStand.CURRENT
    _date(chain)
    if state.is_full and not page.unchanged:
        state.etag = page.etag[:200] if state.pages == 1 else ""
    state.last_success_at = now
    state.last_full_at = now if state.is_full else state.last_full_at
    state.failing_since, state.attempts, state.error, state.error_detail = None, 0, "", ""
    clocks.after_success(state, chain.stream, pace, is_unfinished=chain.unfinished is not None)
    _heed(chain)
    if _is_counted(state):  # the row is locked: who adds to it now has to wait
        held = keep.present(shelf.model, chain.place).count()
        StreamState.objects.filter(id=state.id).update(held=held)
    if chain.stream.key == plan.COMMITS:
        _note_heads(chain)
    if held_back:
        state.stand = StreamStand.HELD_BACK
    else:
        state.pass_id = None
    if shelf.model is Repository:
        workspace = chain.place.workspace
        workspace.synced_at, workspace.last_error = now, ""
        shrink.count(workspace, changed=("synced_at", "last_error"))
    return held_back


def _note_heads(chain: Chain) -> None:
    """All is held below the commits that the pass went by. Those that are left are due at once.

    Where no branch is held, what the vendor listed first is the head of its main branch.
    """
    state, commits, repository = chain.state, chain.heads, chain.place.repository
    held = commits.held if commits.asked or not chain.first else (chain.first, *commits.held)
    state.held_heads = list(heads.kept(held, len(held)))
    if not commits.is_last:
        state.wanted, state.due_at = plan.CHANGED, clock.now()
    if chain.was_read and repository is not None:
        rewriting.judge(repository)


def _heed(chain: Chain) -> None:
    """What was wanted anew while the pass was under way stays due: it may have come too early."""
    state = chain.state
    rows = StreamState.objects.select_for_update().filter(id=state.id)
    due_at = rows.values_list("due_at", flat=True).get()
    if due_at != chain.due_at:
        # What a webhook named and the vendor does not find is told by a whole listing only.
        is_listing = chain.stream.key == plan.REPOSITORIES
        state.wanted, state.due_at = plan.FULL if is_listing else plan.CHANGED, due_at


def _listed(page: Page) -> list[str]:
    return [r.remote_id for r in page.records] + [r.remote_id for r in page.rejected if r.remote_id]


def _date(chain: Chain) -> None:
    """Everything that changed at the vendor up to `since` is held, by the vendor's own clock.

    While a long pass was under way, what its first pages showed may have changed again; what was
    running then has still to end. Where nothing bore a date, our own clock must do.
    """
    state, newest = chain.state, chain.newest
    began = (state.pass_started_at or clock.now()) - SKEW
    if newest is None and state.since is None:
        newest = began
    elif newest is not None and state.pages > 1:
        newest = min(newest, began)
    if chain.unfinished is not None:
        state.since = min(newest or state.since or chain.unfinished, chain.unfinished)
    elif newest is not None and (state.is_full or state.since is None or newest > state.since):
        state.since = newest


def fail(run: SyncRun, chain: Chain, error: VendorError) -> None:
    """This chain ends here with its reason; nothing of it is removed, the others go on.

    A checkpoint is kept where the vendor did not answer, and at first where nobody understands it;
    any other error may be the checkpoint's own. That a workspace is lost, only its list of
    repositories tells.
    """
    state, workspace = chain.state, chain.place.workspace
    state.stand, state.error, state.error_detail = StreamStand.FAILING, error.code, error.detail
    state.failing_since = state.failing_since or clock.now()
    may_pass = isinstance(error, UnexpectedResponse) and state.attempts < MISREAD
    if not may_pass and not isinstance(error, Unavailable):
        state.checkpoint, state.pass_id = None, None
    clocks.after_failure(state, error)
    state.save(update_fields=STATE)
    chain.ended = True
    if chain.stream.required:
        workspace.last_error = error.code
        workspace.save(update_fields=["last_error"])
    elif isinstance(error, RemoteGone) and state.attempts == 1:
        lists = StreamState.objects.filter(workspace_id=workspace.id, stream=plan.REPOSITORIES)
        plan.want(lists, plan.FULL)  # it tells whether the repository is gone, or the workspace
    SyncFailure.objects.create(
        run_id=run.id,
        stream=state.stream,
        workspace_name=workspace.name[:300],
        label=_label(chain)[:300],
        code=error.code,
        detail=error.detail,
    )


def _label(chain: Chain) -> str:
    repository = chain.place.repository
    return chain.stream.title if repository is None else f"{chain.stream.title} of {repository}"


def unchosen(chains: Collection[Chain]) -> set[Any]:
    """The rows of those whose workspace a new choice took out. The run is locked."""
    ids = [chain.state.id for chain in chains]
    rows = StreamState.objects.filter(id__in=ids, workspace__selected=True)
    return set(ids) - set(rows.values_list("id", flat=True))
