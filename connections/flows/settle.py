"""Turn the vendor's answer into a sealed connection; runs in a worker, resumes after a crash.

Each part is durable before the next begins: tokens are sealed under the pending link as soon as
they arrive, because a code works once; the connection appears in one transaction at the end.
"""

from __future__ import annotations

from dataclasses import asdict
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.db import IntegrityError
from django.utils import timezone

from connections import places, registry
from connections.access import Way
from connections.contracts import Identity, WorkspaceRecord
from connections.errors import ReauthorizationRequired, VendorError
from connections.flows import tokens, verify
from connections.models import Connection, Credential, PendingLink, Workspace
from portal import audit, tenancy, vault, work
from portal.models import User
from portal.policy import Actor, Permission, authorize
from portal.steps import step

Stage = PendingLink.Stage


def complete(held_job: work.Claim, *, pending_link_id: str) -> None:
    """The connection exists, active credential sealed, its verification under way.

    Raises vendor errors that waiting may cure; all others end on the link with their code.
    """
    with tenancy.transaction():
        pending = _load(pending_link_id)
        if pending is None:
            return
        actor = _actor(pending)
        way = _way(pending)
    try:
        held = tokens.obtain(pending, way)
        step("link.obtained")
        api = way.api(held.secret)
        identity = way.connector.identify(api, pending.fields, way.method)
        reached = _reached(way, held, pending) if _is_other_account(pending, identity) else []
    except VendorError as error:
        if error.retry:
            raise
        fail(pending.id, _code(error, held_job), error.detail)
        return
    step("link.identified")
    if _must_ask(pending, identity):
        _ask(pending, identity, reached)
        return
    _settle(held_job, pending, actor, held, identity)


def _code(error: VendorError, held_job: work.Claim) -> str:
    """A code works once: refused on a later attempt, an earlier one died holding its answer."""
    again = isinstance(error, ReauthorizationRequired) and held_job.job.attempts > 1
    return "answer_lost" if again else error.code


def gave_up(code: str, *, pending_link_id: str) -> None:
    """The job ended without success: the person reads why. Runs inside the job's transaction."""
    PendingLink.objects.filter(id=pending_link_id).exclude(stage=Stage.DONE).update(
        stage=Stage.FAILED, error=code[:40]
    )


def fail(pending_id: UUID, code: str, detail: str = "") -> None:
    with tenancy.transaction():
        pending = PendingLink.objects.filter(id=pending_id).exclude(stage=Stage.DONE).first()
        if pending is None:
            return
        pending.stage, pending.error, pending.error_detail = Stage.FAILED, code, detail[:200]
        pending.save(update_fields=["stage", "error", "error_detail"])
        tokens.drop(pending)
        audit.record(
            audit.Action.LINK_REFUSED,
            actor=_person(pending),
            subject=pending,
            connector=pending.connector,
            error=code,
        )


def _load(pending_link_id: str) -> PendingLink | None:
    found: PendingLink | None = (
        PendingLink.objects.select_related("consumer", "relink")
        .filter(id=pending_link_id, stage=Stage.ANSWERED)
        .first()
    )
    return found


def _person(pending: PendingLink) -> Actor:
    user = User.objects.get(id=pending.user_id)
    return Actor("person", user.id, str(user))


def _actor(pending: PendingLink) -> Actor:
    """Asked again: minutes have passed since the person began."""
    needed = Permission.CONNECTION_MANAGE if pending.relink_id else Permission.CONNECTION_LINK
    try:
        return authorize(_person(pending), needed, team_id=pending.team_id)
    except PermissionDenied:
        pending.stage, pending.error = Stage.FAILED, "not_allowed"
        pending.save(update_fields=["stage", "error"])
        tokens.drop(pending)
        raise


def _way(pending: PendingLink) -> Way:
    connector = registry.get(pending.connector)
    return Way(
        connector=connector,
        method=connector.manifest.method(pending.method),
        fields=pending.fields,
        consumer=pending.consumer,
    )


def forget(claim: work.Claim, *, pending_link_id: str) -> None:
    """The link is over, done or not, and nothing is sealed for it any more."""
    with tenancy.transaction():
        for pending in PendingLink.objects.filter(id=pending_link_id):
            tokens.drop(pending)
            if pending.stage not in {Stage.DONE, Stage.FAILED}:
                pending.stage, pending.error = Stage.FAILED, "expired"
                pending.save(update_fields=["stage", "error"])


# ── Another account than before ───────────────────────────────────────────────────────────────


def _is_other_account(pending: PendingLink, identity: Identity) -> bool:
    return pending.relink is not None and pending.relink.account_id != identity.account.remote_id


def _must_ask(pending: PendingLink, identity: Identity) -> bool:
    return _is_other_account(pending, identity) and not pending.account_confirmed


def _reached(way: Way, held: tokens.Held, pending: PendingLink) -> list[WorkspaceRecord]:
    api, found, checkpoint = way.api(held.secret), [], None
    while True:
        page = way.connector.workspaces(api, pending.fields, way.method, checkpoint)
        found += [record for record in page.records if isinstance(record, WorkspaceRecord)]
        checkpoint = page.checkpoint
        if checkpoint is None:
            return found


def _ask(pending: PendingLink, identity: Identity, reached: list[WorkspaceRecord]) -> None:
    relink = pending.relink
    assert relink is not None
    with tenancy.transaction():
        before = Workspace.objects.filter(connection_id=relink.id, gone_at=None)
        had = dict(before.values_list("remote_id", "name"))
        has = {record.remote_id: record.name for record in reached}
        pending.found_account = pending.found_account | {
            "now": asdict(identity.account),
            "before": {"name": relink.account_name, "remote_id": relink.account_id},
            "gained": sorted(name for key, name in has.items() if key not in had),
            "lost": sorted(name for key, name in had.items() if key not in has),
        }
        pending.stage = Stage.CONFIRM_ACCOUNT
        pending.save(update_fields=["found_account", "stage"])


# ── The connection appears ────────────────────────────────────────────────────────────────────


def _settle(
    held_job: work.Claim, pending: PendingLink, actor: Actor, held: tokens.Held, identity: Identity
) -> None:
    try:
        with tenancy.transaction():
            held_job.hold()
            connection = _relinked(pending, identity) if pending.relink else _new(pending, identity)
            credential = _credential(connection, pending, held, identity)
            _move_secrets(pending, credential, held)
            connection.granted_by_id, connection.granted_by_name = actor.id, actor.name
            connection.linked_at = timezone.now()
            connection.save()
            connection.schedule()
            _record(pending, connection, actor, identity)
            pending.stage, pending.connection, pending.found_account = Stage.DONE, connection, {}
            pending.save(update_fields=["stage", "connection", "found_account"])
            verify.start(connection, requested_by=actor.name)
            held_job.done()
    except IntegrityError:
        fail(pending.id, "account_taken")


def _new(pending: PendingLink, identity: Identity) -> Connection:
    account = identity.account
    created: Connection = Connection.objects.create(
        connector=pending.connector,
        method=pending.method,
        name=pending.name,
        team_id=pending.team_id,
        consumer_id=pending.consumer_id,
        capabilities=pending.capabilities,
        reason=pending.reason,
        fields=pending.fields,
        account_id=account.remote_id,
        account_name=account.name[:200],
        account_kind=account.kind,
        account_url=account.url[:500],
    )
    return created


def _relinked(pending: PendingLink, identity: Identity) -> Connection:
    """Same id, name and history; method, capabilities and perhaps the account are new."""
    connection: Connection = Connection.objects.select_for_update().get(id=pending.relink_id)
    account = identity.account
    connection.method, connection.consumer_id = pending.method, pending.consumer_id
    connection.capabilities, connection.reason = pending.capabilities, pending.reason
    connection.fields = pending.fields
    connection.account_id, connection.account_name = account.remote_id, account.name[:200]
    connection.account_kind, connection.account_url = account.kind, account.url[:500]
    connection.state = Connection.State.UNVERIFIED
    connection.suspect_since, connection.last_error, connection.last_error_at = None, "", None
    old = Credential.objects.filter(connection_id=connection.id, replaced_at=None).first()
    if old is not None:
        old.replaced_at = timezone.now()
        old.save(update_fields=["replaced_at"])
        places.forget_credential(old)
    return connection


def _credential(
    connection: Connection, pending: PendingLink, held: tokens.Held, identity: Identity
) -> Credential:
    scopes = identity.scopes if identity.scopes is not None else held.scopes
    created: Credential = Credential.objects.create(
        connection_id=connection.id,
        kind=identity.credential_kind,
        vocabulary=identity.vocabulary,
        scopes=None if scopes is None else sorted(scopes),
        last_four=held.secret.last_four,
        fingerprint=vault.fingerprint(held.secret),
        expires_at=held.expires_at or identity.expires_at,
        refreshable=held.refreshable,
    )
    return created


def _move_secrets(pending: PendingLink, credential: Credential, held: tokens.Held) -> None:
    field = places.ACCESS if held.refreshable else places.SECRET
    vault.keep(places.of_credential(credential, field), held.secret)
    refresh = places.of_link(pending, places.REFRESH)
    if vault.holds(refresh):
        vault.keep(places.of_credential(credential, places.REFRESH), vault.open(refresh))
    tokens.drop(pending)


def _record(pending: PendingLink, connection: Connection, actor: Actor, identity: Identity) -> None:
    action = audit.Action.CONNECTION_LINKED
    if pending.relink_id:
        action = (
            audit.Action.CONNECTION_ACCOUNT_CHANGED
            if pending.account_confirmed
            else audit.Action.CONNECTION_RELINKED
        )
    audit.record(
        action,
        actor=actor,
        subject=connection,
        connector=connection.connector,
        method=connection.method,
        account=identity.account.name,
        scopes=None if identity.scopes is None else sorted(identity.scopes),
    )
