"""Automatic rotation: the vendor makes a new token, it is checked, switched to, the old withdrawn.

The token bears the attempt's name, so one whose answer was lost is found and withdrawn before
another one is made.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import (
    DateTimeField,
    DurationField,
    ExpressionWrapper,
    F,
    Q,
    QuerySet,
    Value,
)
from django.db.models.functions import Least

from connections import access, registry
from connections.contracts import IssuesTokens, Method, NewToken, TokenRotation
from connections.errors import VendorError
from connections.flows import (
    counted,
    pace,
    policies,
    refresh,
    replacement,
    rights,
    stages,
    telling_replacements as telling,
    withdrawal,
)
from connections.flows.problems import FlowProblem
from connections.flows.refreshing import Caller
from connections.models import Connection, Credential, Replacement
from portal import audit, clock, everybody, tenancy, vault, work
from portal.policy import SYSTEM, Actor
from portal.secret import Secret
from portal.steps import step

Stage = Replacement.Stage
Because = Replacement.Because
MOST: Final = 1000  # of one organization in one turn
DAY, IDLE = timedelta(days=1), timedelta(hours=1)


def rotate_now(*, actor: Actor, connection: Connection) -> Replacement:
    """A worker has the vendor make a new token; raises FlowProblem when that is not possible."""
    actor = rights.mender(actor, connection)
    pace.keep("link", actor)
    connection.hold()
    if replacement.under_way(connection):
        raise FlowProblem("under_way", "", "A replacement is under way already. See to it first.")
    obstacle = obstacle_of(connection, stages.current(connection))
    if obstacle:
        raise FlowProblem("no_rotation", "", obstacle)
    return _begin(connection, actor=actor, because=Because.PERSON)


def obstacle_of(connection: Connection, credential: Credential | None) -> str:
    """Why the vendor cannot make the next token of this connection; empty when it can."""
    rotation = rotation_of(connection)
    product = registry.get(connection.connector).manifest.name
    if rotation is None:
        return f"{product} makes no new token of this kind by itself. Enter one that you made."
    if connection.state != Connection.State.ACTIVE or credential is None:
        return "The credential in use is not accepted, so it cannot ask for another one."
    if not connection.is_live or credential.quarantined_at is not None:
        return "Nothing is asked of the vendor for this connection at present."
    if credential.scopes is not None:
        manifest = registry.get(connection.connector).manifest
        held = manifest.closure(frozenset(credential.scopes))
        lacking = [each for each in rotation.needs if each not in held]
        if lacking:
            return f"The credential in use lacks {', '.join(lacking)}, which this needs."
    return ""


def rotation_of(connection: Connection) -> TokenRotation | None:
    """How the vendor replaces this connection's tokens; None when it does not."""
    try:
        method: Method = registry.get(connection.connector).manifest.method(connection.method)
    except KeyError:
        return None
    return method.rotation


def _begin(connection: Connection, *, actor: Actor, because: str) -> Replacement:
    one = replacement.begun(
        connection, actor=actor, stage=Stage.MAKING, because=because, automatic=True
    )
    one.token_name = f"portal-{connection.id}-{one.id}"
    replacement.put_to_work(one, Stage.MAKING)
    return one


# ── What is due ───────────────────────────────────────────────────────────────────────────────


@work.every("connections.rotation", 3600)
def start_due() -> None:
    """Every token that is due and that its vendor can replace is being rotated."""
    everybody.for_each(everybody.organizations(), _start_due)


def _start_due() -> None:
    with tenancy.transaction():
        for connection, because in due():
            if not obstacle_of(connection, stages.current(connection)):
                _end_unfinished(connection)
                _begin(connection, actor=SYSTEM, because=because)
        late = _late(clock.now()).values("connection_id")
        for row in Replacement.objects.filter(stage=Stage.SWITCHED, connection_id__in=late):
            telling.rotation_blocked(row)


def _end_unfinished(connection: Connection) -> None:
    """Step 1 of a person who stopped there does not stand in the way."""
    for row in Replacement.objects.filter(connection_id=connection.id, stage=Stage.ENTERING):
        row.error = withdrawal.UNFINISHED
        withdrawal.dropped(row)


def due() -> list[tuple[Connection, str]]:
    """The acting organization's connections whose token is to be rotated now, and why.

    They are locked. One whose rotation failed is tried again after a day. What the vendor cannot
    rotate, or not now, does not take a place among the first.
    """
    now = clock.now()
    is_idle = Q(stage=Stage.ENTERING, asked_at__lte=now - IDLE)
    since = Replacement.objects.filter(
        Q(ended_at=None) & ~is_idle | Q(automatic=True, created_at__gt=now - DAY)
    )
    over = _late(now).exclude(connection_id__in=since.values("connection_id"))
    over = over.order_by(Least("due_at", "late_at"))
    reasons = {each.connection_id: _why(each) for each in over[:MOST]}
    held = Connection.objects.select_for_update(no_key=True, skip_locked=True)
    return [(each, reasons[each.id]) for each in held.filter(id__in=reasons)]


def _late(now: datetime) -> QuerySet[Any]:
    """The credentials that a vendor could replace and that are due, or end before they are.

    One that neither a policy nor a mark asks for is let alone: somebody may use it elsewhere.
    """
    found = policies.with_due(_able()).annotate(late_at=_late_at()).exclude(due_at=None)
    late: QuerySet[Any] = found.filter(Q(due_at__lte=now) | Q(late_at__lte=now, expires_at__gt=now))
    return late


def _able() -> QuerySet[Any]:
    """The credentials in use whose vendor makes the next one, if it is asked now."""
    live = Q(connection__state=Connection.State.ACTIVE, connection__paused_at=None)
    found = policies.current().filter(policies.rotated_by_vendor("connection__"), live)
    able: QuerySet[Any] = found.filter(quarantined_at=None, refreshable=False)
    return able


def _late_at() -> Any:
    """When a tenth is left of the life of one that ends by itself; null of one that does not."""
    life = ExpressionWrapper(F("expires_at") - F("created_at"), DurationField())
    tenth = ExpressionWrapper(life * Value(0.1), DurationField())
    return ExpressionWrapper(F("expires_at") - tenth, DateTimeField())


def _why(credential: Any) -> str:
    """Whichever asks first, the policy or the mark; one that ends before then is asked for too."""
    return Because.MARKED if credential.rotate_by == credential.due_at else Because.POLICY


# ── The vendor makes it ───────────────────────────────────────────────────────────────────────


def make(claim: work.Claim, one: Replacement) -> None:
    """A new token of this attempt's name is sealed; there is no other one of that name."""
    rotation = rotation_of(one.connection)
    with tenancy.transaction():
        way = access.way_of(one.connection)
    if rotation is None or not isinstance(way.connector, IssuesTokens):
        _fail(claim, one, "refused")
        return
    try:
        _make(claim, one, way, way.connector, rotation)
    except VendorError as error:
        if error.retry:
            raise
        _fail(claim, one, error.code, error.detail)


def _make(
    claim: work.Claim,
    one: Replacement,
    way: access.Way,
    vendor: IssuesTokens,
    rotation: TokenRotation,
) -> None:
    fields, method = one.connection.fields, way.method
    secret = refresh.fresh(one.connection, caller=Caller.VERIFY, is_urgent=True)
    api = counted.api(way, secret, one.connection, lambda _: claim.stay())
    for orphan in vendor.token_ids(api, fields, method, name=one.token_name):
        vendor.withdraw_token(api, fields, method, token_id=orphan)
    wanted = _wanted(one, way, rotation)
    _note(claim, one, may_be_there=True)
    try:
        made = vendor.replace_token(
            api, fields, method, name=one.token_name, days=rotation.days, scopes=wanted
        )
    except VendorError as error:
        if not error.retry:
            _note(claim, one, may_be_there=False)
        raise
    step("replacement.made")
    with stages.at(claim, one, Stage.MAKING) as row:
        if row is not None:
            if not row.old_token_id and rotation.token_id is not None:
                row.old_token_id = rotation.token_id(secret.reveal())
            _keep(row, made)
            return
    # It was stopped meanwhile: nobody wants this one.
    api = counted.api(way, Secret(made.token), one.connection, lambda _: claim.stay())
    vendor.withdraw_token(api, fields, method, token_id=made.token_id)


def _keep(row: Replacement, made: NewToken) -> None:
    vault.keep(replacement.new_place(row), Secret(made.token))
    row.found |= {
        "token_id": made.token_id,
        "expires_at": made.expires_at.isoformat() if made.expires_at else None,
        "made_scopes": sorted(made.scopes),
    }
    stages.move(row, Stage.CHECKING)
    audit.record(
        audit.Action.CREDENTIAL_MADE,
        actor=stages.actor_of(row),
        subject=row.connection,
        token_name=row.token_name,
    )


def _note(claim: work.Claim, one: Replacement, *, may_be_there: bool) -> None:
    """Before the vendor is asked it is on record that a token of this name may be there."""
    with stages.at(claim, one, Stage.MAKING) as row:
        if row is not None:
            row.found |= {stages.MAY_BE_THERE: may_be_there}
            row.save(update_fields=["found"])


def _wanted(one: Replacement, way: access.Way, rotation: TokenRotation) -> frozenset[str]:
    """The scopes of the token in use, or what the connection is for and rotating it needs."""
    with tenancy.transaction():
        old = stages.current(one.connection)
    if old is not None and old.scopes:
        return frozenset(old.scopes)
    known = {each.key: each for each in way.manifest.capabilities}
    chosen = [known[key] for key in one.connection.capabilities if key in known]
    words = [each.scopes.get(way.method.vocabulary, ()) for each in chosen]
    return frozenset(scope for each in [*words, rotation.needs] for scope in each)


def _fail(claim: work.Claim, one: Replacement, code: str, detail: str = "") -> None:
    with stages.at(claim, one, Stage.MAKING) as row:
        if row is not None:
            failed(row, code, detail)


def failed(row: Replacement, code: str, detail: str = "") -> None:
    """The vendor made none: the token in use stays, and people are told."""
    stages.drop(row, Stage.FAILED, error=code, detail=detail)
    telling.rotation_failed(row)
    audit.record(
        audit.Action.REPLACEMENT_REFUSED,
        actor=stages.actor_of(row),
        subject=row.connection,
        error=code,
    )
