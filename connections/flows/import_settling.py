"""One row of an import becomes a connection, or says why not. Call these inside a transaction."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

from django.conf import settings
from django.db import IntegrityError
from django.db.models import Count
from django.utils import timezone

from connections import places
from connections.contracts import Account, Identity
from connections.errors import ReauthorizationRequired, RemoteGone, VendorError
from connections.flows import (
    accounts,
    campaigns,
    due,
    health,
    import_asking as asking,
    import_replacing as replacing,
    marks,
)
from connections.flows.checking import BECAUSE_EXPIRY
from connections.flows.import_asking import Asked
from connections.models import Connection, Credential, ImportBatch, ImportRow
from portal import audit, clock, vault
from portal.policy import Actor

Outcome = ImportRow.Outcome
BECAUSE, REASON = "import", "Imported from a file"


def settle(batch: ImportBatch, actor: Actor, row: ImportRow, one: Asked) -> None:
    """The row has its outcome, and nothing waits for it in the intake any more."""
    if one.way is not None:
        row.fields = one.way.fields  # with what was looked up
    if one.error is not None or one.identity is None or one.secret is None:
        _not_identified(batch, actor, row, one)
    elif (other := _other(row, one.identity.account)) is not None:
        _met(batch, actor, row, one, other)
    elif name_is_taken(row):
        _end(row, Outcome.FAILED, code="name_taken")
    elif replacing.acts_as_forbidden(one, None):
        _end(row, Outcome.FAILED, code=replacing.PERSONAL)
    else:
        connection = _new(actor, row, one.identity.account, **_proven())
        credential = _sealed(batch, connection, one, one.identity)
        _record(audit.Action.CONNECTION_LINKED, actor, connection, batch)
        _end(row, Outcome.CREATED, connection=connection, credential=credential)
    asking.forget([row])


def conflicted(row: ImportRow, one: Asked, error: IntegrityError) -> None:
    """Somebody else took the account, the name or the place in the same moment."""
    code = accounts.taken(error)
    row = ImportRow.objects.select_for_update().get(id=row.id)
    if row.outcome != Outcome.WAITING:
        return
    other = _other(row, one.identity.account) if one.identity else None
    if other is not None:
        _end(row, Outcome.SKIPPED, code="account_taken", other=other, account=one.identity)
    else:
        _end(row, Outcome.FAILED, code=code)
    asking.forget([row])


def _end(
    row: ImportRow,
    outcome: str,
    *,
    code: str = "",
    detail: str = "",
    connection: Connection | None = None,
    credential: Credential | None = None,
    other: Connection | None = None,
    account: Identity | None = None,
) -> None:
    row.outcome, row.code, row.detail = outcome, code, detail[:200]
    row.connection, row.credential_id = connection, credential.id if credential else None
    row.other_name = other.name if other else ""
    named = connection.account_name if connection else account.account.name if account else ""
    row.account_name, row.done_at = named[:200], timezone.now()
    row.save()


# ── Refused, or known already ─────────────────────────────────────────────────────────────────


def _not_identified(batch: ImportBatch, actor: Actor, row: ImportRow, one: Asked) -> None:
    """A credential of a way that the vendor ended, or lets fail before its end, is kept as a
    connection to be moved."""
    error = one.error or asking.SecretGone()
    ended = one.way is not None and one.way.method.has_ended(clock.now())
    is_dead = ended and isinstance(error, ReauthorizationRequired | RemoteGone)
    if not is_dead and not isinstance(error, asking.Brownout):
        _end(row, Outcome.FAILED, code=error.code, detail=_said(error))
    elif name_is_taken(row):
        _end(row, Outcome.FAILED, code="name_taken")
    elif replacing.acts_as_forbidden(one, None):
        _end(row, Outcome.FAILED, code=replacing.PERSONAL)
    else:
        connection, credential = _dead(batch, actor, row, one)
        _end(row, Outcome.DEAD, connection=connection, credential=credential)


def _said(error: VendorError) -> str:
    return "" if isinstance(error, asking.SecretGone) else error.detail


def _dead(
    batch: ImportBatch, actor: Actor, row: ImportRow, one: Asked
) -> tuple[Connection, Credential]:
    """Name, place and history begin here; whose account it is, only its next credential says."""
    assert one.way is not None and one.secret is not None
    method = one.way.method
    user = row.fields.get(method.basic_user, "") or "not known"
    account = Account(remote_id=f"{accounts.UNPROVEN}{row.id}", name=user, kind="unknown", url="")
    connection = _new(actor, row, account)
    identity = Identity(
        account=account,
        credential_kind=method.credential_kind,
        scopes=None,
        vocabulary=method.vocabulary,
    )
    credential = _sealed(batch, connection, one, identity)
    connection.state = Connection.State.NEEDS_REAUTHORIZATION
    connection.save(update_fields=["state"])
    connection.failed(ReauthorizationRequired.code)
    connection.next_verification_at = connection.next_sync_at = None
    connection.save(update_fields=["next_verification_at", "next_sync_at"])
    _record(audit.Action.CONNECTION_LINKED, actor, connection, batch)
    return connection, credential


def _other(row: ImportRow, account: Account) -> Connection | None:
    """The connection of this organization that acts as this account through this consumer."""
    found: Connection | None = (
        Connection.objects.select_for_update(no_key=True)
        .filter(connector=row.connector, consumer_id=row.consumer_id, account_id=account.remote_id)
        .exclude(state=Connection.State.REVOKED)
        .first()
    )
    return found


def name_is_taken(row: ImportRow) -> bool:
    return bool(Connection.objects.filter(name__iexact=row.name).exists())


def default_is_taken(row: ImportRow) -> bool:
    """Whether the row would be a second connection of its product for everybody."""
    others = Connection.objects.filter(connector=row.connector, team=None)
    standing = others.exclude(state=Connection.State.REVOKED)
    return row.team_id is None and bool(standing.exists())


def _met(batch: ImportBatch, actor: Actor, row: ImportRow, one: Asked, other: Connection) -> None:
    """Linked already: skipped by its name, or its credential replaced when that was chosen."""
    is_own = ImportRow.objects.filter(batch_id=batch.id, connection_id=other.id).exists()
    if not batch.replaces or is_own:
        _end(row, Outcome.SKIPPED, code="account_taken", other=other, account=one.identity)
        return
    assert one.identity is not None
    code, detail = replacing.refusal(one, other)
    if code:
        _end(row, Outcome.FAILED, code=code, detail=detail, other=other, account=one.identity)
        return
    made = replacing.switched(actor, row, one, other)
    credential = _sealed(batch, other, one, one.identity, credential_id=made.new_id)
    health.accepted(other)
    _look_soon(other)
    replacing.settled(made, campaigns.settled(other, "relink"))
    _record(audit.Action.CREDENTIAL_REPLACED, actor, other, batch)
    _end(row, Outcome.REPLACED, connection=other, credential=credential, other=other)


# ── The connection appears ────────────────────────────────────────────────────────────────────


def _proven() -> dict[str, object]:
    """How a connection begins that the vendor has just answered for; the schedule verifies it."""
    now, minutes = clock.now(), settings.PROBE_IDLE_MINUTES
    return {
        "state": Connection.State.ACTIVE,
        "last_success_at": now,
        "next_verification_at": now,
        "next_probe_at": now + timedelta(minutes=minutes) if minutes else None,
    }


def _new(actor: Actor, row: ImportRow, account: Account, **state: object) -> Connection:
    created: Connection = Connection.objects.create(
        connector=row.connector,
        method=row.method,
        name=row.name,
        team_id=row.team_id,
        consumer_id=row.consumer_id,
        labels=row.labels,
        description=row.description,
        capabilities=row.capabilities,
        reason=REASON,
        fields=row.fields,
        account_id=account.remote_id,
        account_name=account.name[:200],
        account_kind=account.kind,
        account_url=account.url[:500],
        granted_by_id=actor.id,
        granted_by_name=actor.name,
        **state,
    )
    return created


def _sealed(
    batch: ImportBatch,
    connection: Connection,
    one: Asked,
    identity: Identity,
    *,
    credential_id: UUID | None = None,
) -> Credential:
    """The connection's credential, sealed where it stays, with the day it is to be replaced by."""
    secret = one.secret
    assert secret is not None
    renews = one.refresh is not None or one.exchanged is not None
    created: Credential = Credential.objects.create(
        id=credential_id or uuid4(),
        connection_id=connection.id,
        **accounts.told(identity, secret),
        expires_at=_ends(one, identity),
        refreshable=renews,
        identified_version=1,
        **_to_be_replaced(batch, one),
    )
    _keep(created, one)
    if renews:
        due.plan(connection)
    marks.raised(connection, created)
    return created


def _to_be_replaced(batch: ImportBatch, one: Asked) -> dict[str, object]:
    """By when and why; a secret that is exchanged may have an end of its own before."""
    own_end = one.row.expires_at if one.exchanged else None
    if own_end and (batch.rotate_by is None or own_end <= batch.rotate_by):
        return {"rotate_by": own_end, "rotate_because": BECAUSE_EXPIRY}
    if one.refresh is not None or batch.rotate_by is None:
        return {}
    return {"rotate_by": batch.rotate_by, "rotate_because": BECAUSE}


def _ends(one: Asked, identity: Identity) -> object:
    """When the credential ends; an access token that nobody dated is renewed at once."""
    told = one.expires_at or identity.expires_at
    return told or (clock.now() if one.refresh is not None else None)


def _keep(credential: Credential, one: Asked) -> None:
    """Sealed where it stays: what is used, and beside it what brings the next one."""
    assert one.secret is not None
    beside = {places.REFRESH: one.refresh, places.SECRET: one.exchanged}
    renews = one.refresh or one.exchanged
    held = {places.ACCESS if renews else places.SECRET: one.secret}
    held |= {name: secret for name, secret in beside.items() if secret is not None}
    for name, secret in held.items():
        vault.keep(places.of_credential(credential, name), secret)


def _look_soon(connection: Connection) -> None:
    """The schedule verifies what it is for, some hundred connections at a time."""
    connection.next_verification_at = clock.now()
    connection.save(update_fields=["next_verification_at"])


def _record(action: audit.Action, actor: Actor, connection: Connection, batch: ImportBatch) -> None:
    audit.record(
        action,
        actor=actor,
        subject=connection,
        connector=connection.connector,
        method=connection.method,
        account=connection.account_name,
        imported_from=batch.file_name,
    )


# ── Counting ──────────────────────────────────────────────────────────────────────────────────


def counts(batch_id: UUID) -> dict[str, int]:
    """How many rows have each outcome."""
    found = ImportRow.objects.filter(batch_id=batch_id).values("outcome")
    return {each["outcome"]: each["n"] for each in found.annotate(n=Count("id"))}
