"""Ask the vendor anew about one commit or pull request, because somebody waits for its trail.

The row says what is still to be asked; each answer and what is left are committed together, so
another worker goes on where one died. What can be had one by one is asked at once. Lists that a
vendor gives only as a whole are left to a run, which begins when this ends.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from connections.budgets import Purpose
from connections.contracts import PullsSaid, Target
from connections.errors import RateLimited, VendorError
from connections.flows import fetching, pace, plan, sync
from connections.flows.asking import Asking
from connections.flows.problems import FlowProblem
from connections.models import (
    Commit,
    Connection,
    Deployment,
    Inquiry,
    InquiryState,
    Pipeline,
    PullRequest,
    Repository,
    StreamState,
)
from portal import audit, clock, tenancy, work
from portal.policy import Actor, Permission, authorize
from portal.steps import step

JOB: Final = "look_at_trail"
COMMIT, PULL = "commit", "pull"
MOST_PULLS: Final = 10
MOST_RUNS: Final = 5
FULL: Final = 40
AGAIN: Final = timedelta(seconds=20)  # after which an index that was not ready is asked again
TRIES: Final = 3
INDEXING: Final = "indexing"
PULLS_OF: Final = "commit-pulls"
Left = list[list[str]]


def request(*, actor: Actor, repository: Repository, kind: str, key: str) -> Inquiry:
    """A look under way; one that is already is given back. Raises FlowProblem when it cannot be."""
    actor = authorize(actor, Permission.CONNECTION_VIEW)
    connection = repository.connection
    if not connection.is_live or repository.gone_at is not None:
        raise FlowProblem("not_live", "", "This connection reads that repository no more.")
    Connection.objects.select_for_update(no_key=True).get(id=connection.id)  # one at a time
    found = Inquiry.objects.filter(repository_id=repository.id, kind=kind, key=key).first()
    if found is not None and found.finished_at is None:
        return found  # type: ignore[no-any-return]
    pace.keep("trail", actor)
    if found is not None:
        found.delete()
    made: Inquiry = Inquiry.objects.create(
        connection_id=connection.id,
        repository_id=repository.id,
        kind=kind,
        key=key,
        left=_first(kind, key),
        asked_by=actor.name[:200],
    )
    work.later(JOB, priority=work.WAITING, dedupe=f"inquiry:{made.id}", inquiry_id=made.id)
    name = key[:12] if kind == COMMIT else f"#{key}"
    asked = {"repository": repository.full_name, "of": name}
    audit.record(audit.Action.TRAIL_ASKED, actor=actor, subject=connection, **asked)
    return made


def _first(kind: str, key: str) -> Left:
    if kind == PULL:
        return [["pull-requests", key]]
    if len(key) < FULL:  # which commit it is has to be learned first
        return [["commits", key]]
    return [["commits", key], [PULLS_OF, key], ["statuses", key]]


def perform(claim: work.Claim, *, inquiry_id: str) -> None:
    """All that is left was asked for and kept; raises RetryLater while the budget is used up."""
    inquiry = _open(claim, inquiry_id)
    if inquiry is None:
        return
    asking = fetching.opened(inquiry.connection_id, Purpose.WAITING)
    if asking is None:
        _end(claim, inquiry, error="not_live")
        return
    try:
        while inquiry.left:
            if _is_early(inquiry):
                raise work.RetryLater(INDEXING, seconds=AGAIN.total_seconds(), free=True)
            _ask(claim, asking, inquiry)
            step("inquiry.asked")
    except RateLimited as error:
        seconds = asking.rest(error)
        _wait(claim, inquiry, seconds)
        raise work.RetryLater(error.code, seconds=seconds, free=True) from error
    except VendorError as error:
        if error.retry and claim.job.attempts < claim.job.max_attempts:
            raise
        _end(claim, inquiry, error=error.code, detail=error.detail)
        return
    finally:
        asking.close()
    _end(claim, inquiry)


def gave_up(code: str, *, inquiry_id: str) -> None:
    """Whoever waits reads why nothing came."""
    Inquiry.objects.filter(id=inquiry_id, finished_at=None).update(
        state=InquiryState.FAILED, error=code[:40], finished_at=clock.now(), waits_until=None
    )


def _open(claim: work.Claim, inquiry_id: str) -> Inquiry | None:
    with tenancy.transaction():
        claim.hold()
        rows = Inquiry.objects.select_related("repository", "repository__workspace", "connection")
        inquiry: Inquiry = rows.get(id=UUID(inquiry_id))
        if inquiry.finished_at is not None:
            return None
        inquiry.state, inquiry.waits_until = InquiryState.LOOKING, None
        inquiry.save(update_fields=["state", "waits_until"])
        return inquiry


def _ask(claim: work.Claim, asking: Asking, inquiry: Inquiry) -> None:
    """One thing is as it is at the vendor now; what it calls for is left to be asked."""
    stream, key, *tries = inquiry.left[0]
    repository = inquiry.repository
    [came] = fetching.fetch(asking, repository.workspace, repository, [Target(stream, key)])
    with tenancy.transaction():
        claim.hold()
        if came.gone and [stream, key] in _first(inquiry.kind, inquiry.key)[:1]:
            inquiry.absent, inquiry.left = True, []
        else:
            again = _again(inquiry, stream, tries)
            inquiry.left = [*inquiry.left[1:], *_following(inquiry, stream), *again]
        inquiry.error = came.error if came.error != fetching.UNKNOWN else inquiry.error
        inquiry.done += 1
        inquiry.save(update_fields=["left", "done", "absent", "error"])


def _again(inquiry: Inquiry, stream: str, tries: list[str]) -> Left:
    """An index that is not ready yet is asked a few times, after everything else."""
    if stream != PULLS_OF or len(tries) + 1 >= TRIES or not _indexing(inquiry).exists():
        return []
    return [[PULLS_OF, inquiry.key, *tries, INDEXING]]


def _is_early(inquiry: Inquiry) -> bool:
    """Whether what is next was asked a moment ago, and was not ready."""
    is_again = len(inquiry.left[0]) > len((PULLS_OF, inquiry.key))
    with tenancy.transaction():
        return is_again and _indexing(inquiry).filter(pulls_at__gt=clock.now() - AGAIN).exists()


def _indexing(inquiry: Inquiry) -> Any:
    rows = Commit.objects.filter(repository_id=inquiry.repository_id, remote_id=inquiry.key)
    return rows.filter(pulls_said=PullsSaid.INDEXING)


def _following(inquiry: Inquiry, stream: str) -> Left:
    """What an answer calls for: of a commit its pull requests, of builds the runs known here."""
    if stream == PULLS_OF:
        return [["pull-requests", str(number)] for number in _numbers(inquiry)[:MOST_PULLS]]
    if stream == "pull-requests" and inquiry.kind == PULL:
        return [["statuses", each] for each in _heads(inquiry)]
    if stream == "statuses":
        return _runs(inquiry)
    return []


def _numbers(inquiry: Inquiry) -> list[int]:
    rows = Commit.objects.filter(repository_id=inquiry.repository_id, remote_id=inquiry.key)
    return next((list(each) for each in rows.values_list("pulls", flat=True) if each), [])


def _heads(inquiry: Inquiry) -> list[str]:
    """The whole hashes of a pull request's head and merge."""
    rows = PullRequest.objects.filter(repository_id=inquiry.repository_id, remote_id=inquiry.key)
    found = rows.values_list("source_hash", "merge_hash").first() or ()
    return [one for one in dict.fromkeys(found) if len(one) >= FULL]


def _runs(inquiry: Inquiry) -> Left:
    """Pipelines and deployments of it that are kept already: their state may have changed."""
    found: Left = []
    if inquiry.kind != COMMIT:
        return found
    of_commit: dict[str, Any] = {"repository_id": inquiry.repository_id, "commit": inquiry.key}
    for stream, model in (("pipelines", Pipeline), ("deployments", Deployment)):
        ids = model.objects.filter(**of_commit).values_list("remote_id", flat=True)
        found += [[stream, each] for each in ids[:MOST_RUNS]]
    return found


def _wait(claim: work.Claim, inquiry: Inquiry, seconds: float) -> None:
    with tenancy.transaction():
        claim.hold()
        until = clock.now() + timedelta(seconds=seconds)
        Inquiry.objects.filter(id=inquiry.id).update(state=InquiryState.WAITING, waits_until=until)


def _end(claim: work.Claim, inquiry: Inquiry, *, error: str = "", detail: str = "") -> None:
    """It is over; lists that only come as a whole are read by the next run."""
    with tenancy.transaction():
        claim.hold()
        failed = error or inquiry.error
        Inquiry.objects.filter(id=inquiry.id).update(
            state=InquiryState.FAILED if failed else InquiryState.DONE,
            error=failed[:40],
            error_detail=detail[:200],
            finished_at=clock.now(),
            waits_until=None,
        )
        if not failed and not inquiry.absent:
            _whole(inquiry.connection, inquiry.repository_id)


def _whole(connection: Connection, repository_id: UUID) -> None:
    streams = plan.chosen(connection)
    whole = [key for key in ("pipelines", "deployments") if key in streams]
    states = StreamState.objects.filter(repository_id=repository_id, stream__in=whole)
    if plan.want(states, plan.CHANGED) and plan.due(connection, streams).exists():
        sync.go_on(connection)
