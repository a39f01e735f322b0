"""Turn the vendor's answer into a sealed connection; runs in a worker, resumes after a crash.

Each part is durable before the next begins: tokens are sealed under the pending link as soon as
they arrive, because a code works once; the connection appears in one transaction at the end.
"""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.db import IntegrityError
from django.utils import timezone

from connections import looked_up
from connections.access import Way, way_by
from connections.contracts import BASE_URL, Identity
from connections.errors import VendorError
from connections.flows import (
    accounts,
    counted,
    departure,
    due,
    former,
    guests,
    hosts,
    marks,
    once,
    rights,
    sync,
    tokens,
    verify,
)
from connections.flows.campaigns import Goal, settled
from connections.flows.checking import BECAUSE_EXPIRY
from connections.flows.link import FORGOTTEN_AFTER, who
from connections.flows.problems import FlowProblem
from connections.models import Connection, Credential, PendingLink
from portal import audit, tenancy, work
from portal.policy import Actor
from portal.steps import step

Stage = PendingLink.Stage


def complete(held_job: work.Claim, *, pending_link_id: str) -> None:
    """The connection exists, active credential sealed, its verification under way.

    Raises vendor errors that waiting may cure; all others end on the link with their code.
    """
    begun = _begin(pending_link_id)
    if begun is None:
        return
    pending, way = begun
    began = time.monotonic()
    try:
        way = looked_up.completed(way)
        pending.fields = way.fields
        held = tokens.obtain(held_job, pending, way)
        held_job.stay()
        step("link.obtained")
        tally = counted.Tally()
        api = way.api(held.secret, on_answer=lambda _: held_job.stay(), on_send=tally.send)
        identity = way.connector.identify(api, pending.fields, way.method)
        is_other = accounts.must_ask(pending, identity, way.method)
        reached = accounts.reached(way, api, pending) if is_other else []
        tally.charge(way, identity.account.remote_id)
    except VendorError as error:
        told = hosts.first_contact(way.place, error, began) if _is_new_place(pending) else error
        if told.retry:
            raise
        fail(held_job, pending.id, told.code, told.detail)
        return
    step("link.identified")
    with tenancy.transaction():
        held_job.hold()
        other = accounts.other_with(pending, identity.account)
        name = accounts.told_name(other, pending.user_id) if other else ""
    if other is not None:
        fail(held_job, pending.id, "account_taken", name)
    elif is_other:
        accounts.ask(held_job, pending, identity, reached)
    else:
        _settle(held_job, pending, held, identity)


def _begin(pending_link_id: str) -> tuple[PendingLink, Way] | None:
    """The link and its way; None when it is over, or may not be settled by this person any more."""
    with tenancy.transaction():
        pending = (
            PendingLink.objects.select_related("consumer", "relink")
            .filter(id=pending_link_id, stage=Stage.ANSWERED)
            .first()
        )
        if pending is None:
            return None
        if _actor(pending) is None:
            _end(pending, "not_allowed")
            return None
        if pending.relink and pending.relink.state == Connection.State.REVOKED:
            _end(pending, "not_live")
            return None
        return pending, _way(pending)


def _is_new_place(pending: PendingLink) -> bool:
    """Whether this link is the first to ask at its base URL, so that its errors could map a net."""
    before = pending.relink.fields if pending.relink else {}
    return bool(before.get(BASE_URL, "") != pending.fields.get(BASE_URL, ""))


def gave_up(code: str, *, pending_link_id: str) -> None:
    """The job ended without success: the person reads why. Runs inside the job's transaction."""
    for pending in PendingLink.objects.filter(id=pending_link_id, stage=Stage.ANSWERED):
        _end(pending, code[:40])


def fail(held_job: work.Claim, pending_id: UUID, code: str, detail: str = "") -> None:
    """The link has failed and nothing is sealed for it, unless another worker was faster."""
    with tenancy.transaction():
        held_job.hold()
        for pending in PendingLink.objects.filter(id=pending_id, stage=Stage.ANSWERED):
            _end(pending, code, detail)


def _end(pending: PendingLink, code: str, detail: str = "") -> None:
    pending.stage, pending.error, pending.error_detail = Stage.FAILED, code, detail[:200]
    pending.save(update_fields=["stage", "error", "error_detail"])
    tokens.drop(pending)
    audit.record(
        audit.Action.LINK_REFUSED,
        actor=who(pending),
        subject=pending,
        connector=pending.connector,
        error=code,
    )


def _actor(pending: PendingLink, *, held: bool = False) -> Actor | None:
    """Asked again, because minutes have passed: None when they may not any more.

    `held` locks what allows it: the connect link, or the approval of one link.
    """
    try:
        if pending.connect_link_id and not guests.is_live(pending):
            return None
        person = Actor("person", pending.user_id, str(pending.user))
        if held:
            once.hold(person, pending)
        return rights.linker(person, pending.relink, pending.connector)
    except (PermissionDenied, FlowProblem):
        return None


def _way(pending: PendingLink) -> Way:
    return way_by(pending.connector, pending.method, pending.fields, pending.consumer)


def forget(claim: work.Claim, *, pending_link_id: str) -> None:
    """A link that is over, or a day old, has nothing sealed any more; one begun anew stays."""
    with tenancy.transaction():
        for pending in PendingLink.objects.select_for_update().filter(id=pending_link_id):
            is_over = pending.stage in {Stage.DONE, Stage.FAILED}
            if not is_over and pending.created_at > timezone.now() - FORGOTTEN_AFTER:
                continue
            tokens.drop(pending)
            if not is_over:
                pending.stage, pending.error = Stage.FAILED, "expired"
                pending.save(update_fields=["stage", "error"])


# ── The connection appears ────────────────────────────────────────────────────────────────────


def _settle(
    held_job: work.Claim, pending: PendingLink, held: tokens.Held, identity: Identity
) -> None:
    try:
        with tenancy.transaction():
            held_job.hold()
            if not _still_wanted(pending):
                return
            actor = _actor(pending, held=True)
            if actor is None:
                _end(pending, "not_allowed")
                return
            connection = _relinked(pending) if pending.relink else _new(pending, identity)
            _arrive(connection, pending, actor, identity)
            credential = _credential(connection, held, identity, pending.ends_at)
            tokens.move(pending, credential, held)
            marks.raised(connection, credential)
            _record(pending, connection, who(pending), identity)
            if pending.relink_id:
                settled(connection, Goal.RELINK)
            guests.use_up(pending, connection)
            pending.stage, pending.connection, pending.found_account = Stage.DONE, connection, {}
            pending.save(update_fields=["stage", "connection", "found_account"])
            verify.start(connection, requested_by=actor.name)
            held_job.done()
    except IntegrityError as error:
        fail(held_job, pending.id, *accounts.conflict(error, pending, identity.account))


def _still_wanted(pending: PendingLink) -> bool:
    """Nobody settled or ended it meanwhile; locked until the transaction ends."""
    locked = PendingLink.objects.select_for_update().filter(id=pending.id, stage=Stage.ANSWERED)
    if not locked.exists():
        return False
    if pending.relink is None:
        return True
    alive = Connection.objects.select_for_update(no_key=True).exclude(
        state=Connection.State.REVOKED
    )
    return bool(alive.filter(id=pending.relink_id).exists())


def _new(pending: PendingLink, identity: Identity) -> Connection:
    created: Connection = Connection.objects.create(
        connector=pending.connector,
        method=pending.method,
        name=pending.name,
        team_id=pending.team_id,
        consumer_id=pending.consumer_id,
        account_id=identity.account.remote_id,
    )
    return created


def _relinked(pending: PendingLink) -> Connection:
    """Same id, name and history; what was sealed and asked with the old credential is over."""
    connection: Connection = Connection.objects.get(id=pending.relink_id)
    old = Credential.objects.filter(connection_id=connection.id, replaced_at=None).first()
    if old is not None:
        old.replaced_at, old.refresh_due_at = timezone.now(), None
        old.save(update_fields=["replaced_at", "refresh_due_at"])
        former.put_away(connection, old, pending)
    connection.method, connection.consumer_id = pending.method, pending.consumer_id
    connection.state = Connection.State.UNVERIFIED
    connection.suspect_since, connection.last_error, connection.last_error_at = None, "", None
    connection.looks, connection.looked_at = 0, None
    verify.supersede(connection)
    if pending.account_confirmed:
        sync.stop(connection)
    return connection


def _arrive(connection: Connection, pending: PendingLink, actor: Actor, identity: Identity) -> None:
    """What was chosen, and whom the vendor says we act as, stand on the connection."""
    account = identity.account
    connection.capabilities, connection.reason = pending.capabilities, pending.reason
    connection.fields = pending.fields
    connection.account_id, connection.account_name = account.remote_id, account.name[:200]
    connection.account_kind, connection.account_url = account.kind, account.url[:500]
    connection.granted_by_id, connection.granted_by_name = actor.id, actor.name
    connection.linked_at = timezone.now()
    departure.settle(connection)
    connection.save()
    connection.schedule()


def _credential(
    connection: Connection, held: tokens.Held, identity: Identity, told_end: datetime | None
) -> Credential:
    scopes = identity.scopes if identity.scopes is not None else held.scopes
    own_end = told_end or identity.expires_at  # of a secret whose access tokens are renewed
    created: Credential = Credential.objects.create(
        connection_id=connection.id,
        **accounts.told(replace(identity, scopes=scopes), held.secret),
        expires_at=held.expires_at or identity.expires_at or told_end,
        refreshable=held.refreshable,
        rotate_by=own_end if held.refreshable else None,
        rotate_because=BECAUSE_EXPIRY if held.refreshable and own_end else "",
        identified_version=1,
    )
    due.plan(connection)
    return created


def _record(pending: PendingLink, connection: Connection, actor: Actor, identity: Identity) -> None:
    action = audit.Action.CONNECTION_LINKED
    if pending.relink_id:
        action = audit.Action.CONNECTION_RELINKED
        if pending.account_confirmed:
            action = audit.Action.CONNECTION_ACCOUNT_CHANGED
    where = connection.fields.get(BASE_URL)
    audit.record(
        action,
        actor=actor,
        subject=connection,
        connector=connection.connector,
        method=connection.method,
        account=identity.account.name,
        scopes=None if identity.scopes is None else sorted(identity.scopes),
        **({BASE_URL: where} if where else {}),
    )
