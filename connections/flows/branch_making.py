"""Branches that people ask for at an issue: a worker makes them by the source's own credential.

Where the connection may not, the person is shown the vendor's own form instead: there their own
account decides.
"""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet

from connections import branch_words, registry
from connections.budgets import Purpose
from connections.contracts import MakesBranches, Target
from connections.errors import RateLimited, VendorError
from connections.flows import fetching, pace
from connections.flows.asking import Asking
from connections.flows.chains import container_of
from connections.flows.keep import Place
from connections.flows.problems import FlowProblem
from connections.models import Branch, BranchWish, Connection, LinkState, Repository, WishStand
from portal import audit, clock, tenancy, work
from portal.audit import Action
from portal.policy import SYSTEM, Actor, Permission, authorize

JOB: Final = "make_branch"
BRANCHES: Final = "branches"  # the stream
GAVE_UP: Final = "gave_up"
CANNOT: Final = "This connection cannot make branches."
NOT_CHOSEN: Final = (
    "It was linked without “{title}”, so that branches are made at {product} itself. Whoever "
    "manages the connection can link it again with that."
)
AT_REST: Final = "The connection is paused, or has lost its access."
TAKEN: Final = "There is a branch of that name already."
NO_START: Final = "There is no such branch in this repository."


def repositories() -> QuerySet[Any]:
    """Where branches can be begun: what takes part in a link that is active or paused."""
    live = (LinkState.ACTIVE, LinkState.PAUSED)
    rows: QuerySet[Any] = Repository.objects.filter(
        gone_at=None, links__enabled=True, links__link__state__in=live
    )
    return rows.select_related("connection__team", "workspace").distinct()


def obstacle(actor: Actor, connection: Connection) -> str:
    """Why this person cannot have a branch made through this connection; empty when they can."""
    connector = registry.connectors().get(connection.connector)
    if not isinstance(connector, MakesBranches) or not connector.manifest.branches:
        return CANNOT
    if connector.manifest.branches not in connection.capabilities:
        title = connector.manifest.capability(connector.manifest.branches).title
        return NOT_CHOSEN.format(title=title, product=connector.manifest.name)
    if not connection.is_live or connection.state != Connection.State.ACTIVE:
        return AT_REST
    try:
        maker(actor, connection)
    except PermissionDenied as refused:
        return str(refused)
    return ""


def maker(actor: Actor, connection: Connection) -> Actor:
    """The actor as somebody for whom the connection's account makes a branch."""
    return authorize(
        actor,
        Permission.BRANCH_MAKE,
        team_id=connection.team_id,
        granted_by=connection.granted_by_id,
    )


def ask(
    *, actor: Actor, repository: Repository, name: str, start: str, subject: str = ""
) -> BranchWish:
    """A worker makes the branch; who asks again while one does is shown the same. Raises
    FlowProblem for what the person can mend."""
    connection = repository.connection
    actor = maker(actor, connection)
    pace.keep("branch", actor)
    if reason := obstacle(actor, connection):
        raise FlowProblem("obstacle", "", reason)
    if sentence := branch_words.wrong(name):
        raise FlowProblem("name", "name", sentence)
    rows = Branch.objects.filter(repository_id=repository.id, kind="branch", gone_at=None)
    if rows.filter(name__iexact=name).exists():
        raise FlowProblem("taken", "name", TAKEN)
    if not rows.filter(name=start).exists():
        raise FlowProblem("start", "start", NO_START)
    asked = BranchWish.objects.filter(repository_id=repository.id, stand=WishStand.WAITING)
    if same := asked.filter(name=name, start=start).first():
        found: BranchWish = same
        return found
    wish = BranchWish(
        organization_id=repository.organization_id,
        connection=connection,
        repository=repository,
        name=name,
        start=start,
        subject=subject[:255],
        asked_by=actor.name[:200],
        asked_at=clock.now(),
    )
    wish.save(force_insert=True)
    audit.record(Action.BRANCH_ASKED, actor=actor, subject=connection, **_facts(wish))
    work.later(JOB, priority=work.WAITING, max_attempts=4, wish_id=wish.id)
    return wish


def _facts(wish: BranchWish) -> dict[str, Any]:
    return {
        "repository": wish.repository.full_name,
        "branch": wish.name,
        "start": wish.start,
        "issue": wish.subject,
    }


# ── The worker ────────────────────────────────────────────────────────────────────────────────


def perform(claim: work.Claim, *, wish_id: str) -> None:
    """The branch is there and is read, or the wish says why not."""
    with tenancy.transaction():
        claim.hold()
        wish = _wish(wish_id)
        place = Place(wish.repository.workspace, wish.repository)
    if wish.stand != WishStand.WAITING:
        return
    asking = fetching.opened(wish.connection_id, Purpose.WAITING)
    connector = registry.connectors().get(wish.connection.connector)
    if asking is None or not isinstance(connector, MakesBranches):
        _settle(claim, wish, GAVE_UP, AT_REST)
        return
    try:
        error, detail = _made(claim, connector, asking, place, wish)
        _settle(claim, wish, error, detail)
        if not error:
            _read(asking, place, wish)
    except RateLimited as error:
        raise work.RetryLater(error.code, seconds=asking.rest(error), free=True) from error
    finally:
        asking.close()


def _wish(wish_id: str) -> BranchWish:
    rows = BranchWish.objects.select_related("connection", "repository__workspace")
    found: BranchWish = rows.get(id=UUID(wish_id))
    return found


def _made(
    claim: work.Claim, connector: MakesBranches, asking: Asking, place: Place, wish: BranchWish
) -> tuple[str, str]:
    """Nothing, or what was wrong. One that a worker made before it died is no trouble."""
    here, fields = container_of(place), asking.connection.fields
    try:
        connector.make_branch(asking.api(), here, fields, name=wish.name, start=wish.start)
    except RateLimited:
        raise
    except VendorError as error:
        if error.retry and claim.job.attempts < claim.job.max_attempts:
            raise
        if claim.job.attempts > 1 and _is_there(asking, place, wish):
            return "", ""
        return error.code, error.detail
    return "", ""


def _is_there(asking: Asking, place: Place, wish: BranchWish) -> bool:
    """Whether the vendor has a branch of this name now."""
    _read(asking, place, wish)
    with tenancy.transaction():
        rows = Branch.objects.filter(repository_id=wish.repository_id, gone_at=None)
        return bool(rows.filter(kind="branch", name=wish.name).exists())


def _read(asking: Asking, place: Place, wish: BranchWish) -> None:
    """The branch is kept as the vendor has it, and travels on at once."""
    target = Target(BRANCHES, f"branch:{wish.name}")
    try:
        fetching.fetch(asking, place.workspace, place.repository, [target])
    except VendorError:
        return  # a webhook or the next sync tells of it


def _settle(claim: work.Claim, wish: BranchWish, error: str, detail: str) -> None:
    with tenancy.transaction():
        claim.hold()
        _end(wish, error, detail)


def _end(wish: BranchWish, error: str, detail: str) -> None:
    wish.stand = WishStand.REFUSED if error else WishStand.MADE
    wish.error, wish.error_detail, wish.ended_at = error[:40], detail[:200], clock.now()
    wish.save(update_fields=["stand", "error", "error_detail", "ended_at"])
    action = Action.BRANCH_REFUSED if error else Action.BRANCH_MADE
    facts = _facts(wish) | {"asked_by": wish.asked_by} | ({"error": error} if error else {})
    audit.record(action, actor=SYSTEM, subject=wish.connection, **facts)


def gave_up(code: str, *, wish_id: str) -> None:
    """Whoever waits reads why it was not made."""
    wish = BranchWish.objects.select_related("connection", "repository").get(id=UUID(wish_id))
    if wish.stand == WishStand.WAITING:
        _end(wish, code or GAVE_UP, "")
