"""A connection's address for webhooks: made, shown again, switched off, its secret replaced.

The web process makes address and secret, so that the person who asks sees both in the answer to
that request: no other process could show them, for none may seal anything that this one opens. The
address is sealed under the web process's own key, to be shown again to whoever manages the
connection. Both are handed in for a worker, which seals them to stay (`hook_secrets.py`); from then
on this process cannot open the secret, and the address accepts deliveries. That takes a moment.

All of these are called outside of transactions: the web process's key is the platform's.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final
from uuid import UUID, uuid4

from connections import places, registry
from connections.flows import hook_rounds as rounds, hook_secrets, pace
from connections.flows.hook_secrets import BYTES, FORMER_ENDS, FORMER_HOLDS, minted, whole
from connections.flows.problems import FlowProblem
from connections.models import Connection, HookEndpoint
from portal import audit, clock, own_seals, roles, tenancy, vault, work
from portal.keys import SealBroken
from portal.phrases import plural
from portal.policy import Actor, Permission, authorize
from portal.secret import Secret, hashed
from portal.vault import Place

DOMAIN: Final = "mfa"  # the keys that the web process holds, and no other
WAITS: Final = timedelta(days=1)
NO_HOOKS: Final = "This product sends no webhooks. Changes are found by asking at intervals."
REVOKED: Final = "This connection is revoked, so nothing may come in for it. Link it again first."
NO_FORMER: Final = "Only one secret holds already."
NONE_YET: Final = "This connection has no webhook address yet."
STILL_TOLD: Final = (
    "The last secret is still being told to {webhooks}. Wait until each of them has it, or end the"
    " former secret now."
)
STILL_KEPT: Final = "The last secret is still being kept, which takes a moment. Try again then."


@dataclass(frozen=True, slots=True)
class Made:
    """An endpoint with its address; `secret` is None when it was there, and still holds."""

    endpoint: HookEndpoint
    address: str = field(repr=False)
    secret: Secret | None


def make(*, actor: Actor, connection: Connection) -> Made:
    """The connection has an address that accepts deliveries, the same one for all its life.

    An address that was switched off is on again, with a new secret. Raises FlowProblem.
    """
    _require_hooks(connection)
    endpoint_id, token, secret = uuid4(), secrets.token_urlsafe(BYTES), minted()
    with tenancy.transaction():
        _authorize(actor, connection)
        there = _of(connection)
    known = _token(there) if there is not None else None
    sealed = _sealed(endpoint_id, token)
    with tenancy.transaction():
        actor = _may_change(actor, connection)
        endpoint = _of(connection)
        if endpoint is None:
            endpoint = HookEndpoint.objects.create(
                id=endpoint_id, connection=connection, hash=hashed(token), sealed=sealed
            )
            _hand_in(endpoint, "address", Secret(token))
            _replace(endpoint, secret, FORMER_ENDS)
            audit.record(audit.Action.HOOK_ENDPOINT_MADE, actor=actor, subject=connection)
            return Made(endpoint, whole(token), secret)
        was_off = endpoint.disabled_at is not None
        if was_off:
            _hand_in_again(endpoint, known)
            _switch_on(actor, connection, endpoint, secret)
    return Made(endpoint, _address(endpoint), secret if was_off else None)


def rotate_secret(*, actor: Actor, connection: Connection, ends_former: bool = False) -> Made:
    """A new secret, shown in this answer only; the one before holds for a day unless it is ended.

    Two hold at a time: while a webhook has not been told the last one, the former has to be ended.
    Raises FlowProblem.
    """
    secret = minted()
    with tenancy.transaction():
        _authorize(actor, connection)
        there = _existing(connection)
    token = _token(there)
    with tenancy.transaction():
        actor = _may_change(actor, connection)
        endpoint = _existing(connection)
        if not ends_former:
            _require_told(connection, endpoint)
        _hand_in_again(endpoint, token)
        _replace(endpoint, secret, FORMER_ENDS if ends_former else FORMER_HOLDS)
        audit.record(
            audit.Action.HOOK_SECRET_REPLACED,
            actor=actor,
            subject=connection,
            former="ended" if ends_former else "holds for a day",
        )
    return Made(endpoint, whole(token.reveal()) if token else "", secret)


def end_former(*, actor: Actor, connection: Connection) -> None:
    """Only the newest secret holds from now on. Raises FlowProblem when no other one does."""
    with tenancy.transaction():
        actor = _may_change(actor, connection)
        endpoint = _existing(connection)
        endpoint.hold()
        if endpoint.previous_until is None:
            raise FlowProblem("no_former", "", NO_FORMER)
        endpoint.previous_until = clock.now()
        endpoint.save(update_fields=["previous_until"])
        work.later(hook_secrets.END, priority=work.WAITING, endpoint_id=endpoint.id)
        audit.record(audit.Action.HOOK_SECRET_ENDED, actor=actor, subject=connection)


def disable(*, actor: Actor, connection: Connection) -> None:
    """Nothing is accepted at the address any more, until it is made again. Raises FlowProblem."""
    with tenancy.transaction():
        actor = _authorize(actor, connection)
        endpoint = _existing(connection)
        endpoint.hold()
        if endpoint.disabled_at is None:
            endpoint.disabled_at = clock.now()
            endpoint.save(update_fields=["disabled_at"])
            audit.record(audit.Action.HOOK_ENDPOINT_DISABLED, actor=actor, subject=connection)


def address_for(*, actor: Actor, connection: Connection) -> str:
    """The whole address, for whoever manages the connection; empty when it does not open any more.

    Raises PermissionDenied, and FlowProblem while there is none.
    """
    with tenancy.transaction():
        _authorize(actor, connection)
        endpoint = _existing(connection)
    return _address(endpoint)


def endpoint_of(connection: Connection) -> HookEndpoint | None:
    """The connection's endpoint, if it has one; inside a transaction."""
    return _of(connection)


def untold(connection: Connection) -> int:
    """How many webhooks may still sign with another secret than the newest."""
    endpoint = _of(connection)
    if endpoint is None:
        return 0
    count: int = rounds.behind(connection, rounds.plan_of(connection), endpoint).count()
    return count


# ── Who may, and on what ──────────────────────────────────────────────────────────────────────


def _authorize(actor: Actor, connection: Connection) -> Actor:
    return authorize(actor, Permission.CONNECTION_MANAGE, team_id=connection.team_id)


def _may_change(actor: Actor, connection: Connection) -> Actor:
    """The connection is held, and lives; two who press at once come one after the other."""
    actor = _authorize(actor, connection)
    pace.keep("hook_endpoint", actor)
    connection.hold()
    if connection.state == Connection.State.REVOKED:
        raise FlowProblem("revoked", "", REVOKED)
    return actor


def _require_hooks(connection: Connection) -> None:
    if registry.get(connection.connector).manifest.hooks is None:
        raise FlowProblem("no_hooks", "", NO_HOOKS)


def _require_told(connection: Connection, endpoint: HookEndpoint) -> None:
    """A third secret would end the first, which some webhooks may still sign with."""
    if vault.waits(places.of_hook(endpoint.organization_id, endpoint.id, "secret")):
        raise FlowProblem("still_kept", "", STILL_KEPT)
    if count := untold(connection):
        raise FlowProblem("still_told", "", STILL_TOLD.format(webhooks=plural(count, "webhook")))


def _of(connection: Connection) -> HookEndpoint | None:
    found: HookEndpoint | None = HookEndpoint.objects.filter(connection_id=connection.id).first()
    return found


def _existing(connection: Connection) -> HookEndpoint:
    endpoint = _of(connection)
    if endpoint is None:
        raise FlowProblem("no_endpoint", "", NONE_YET)
    return endpoint


def _switch_on(
    actor: Actor, connection: Connection, endpoint: HookEndpoint, secret: Secret
) -> None:
    endpoint.disabled_at = None
    endpoint.save(update_fields=["disabled_at"])
    _replace(endpoint, secret, FORMER_ENDS)
    audit.record(audit.Action.HOOK_ENDPOINT_ENABLED, actor=actor, subject=connection)


# ── Sealing ───────────────────────────────────────────────────────────────────────────────────


def _replace(endpoint: HookEndpoint, secret: Secret, former: str) -> None:
    """The secret waits for a worker, which is asked to keep it."""
    _hand_in(endpoint, "secret", secret)
    work.later(hook_secrets.KEEP, priority=work.WAITING, endpoint_id=endpoint.id, former=former)


def _hand_in_again(endpoint: HookEndpoint, token: Secret | None) -> None:
    """The address waits anew where no worker kept it in its day."""
    if endpoint.secret_at is None and token is not None:
        _hand_in(endpoint, "address", token)


def _hand_in(endpoint: HookEndpoint, which: str, secret: Secret) -> None:
    place = places.of_hook(endpoint.organization_id, endpoint.id, which)
    vault.take_in(place, secret, expires_at=clock.now() + WAITS)


def _address(endpoint: HookEndpoint) -> str:
    token = _token(endpoint)
    return whole(token.reveal()) if token else ""


def _token(endpoint: HookEndpoint) -> Secret | None:
    if not endpoint.sealed:  # forgotten
        return None
    try:
        with tenancy.elsewhere(tenancy.PLATFORM), tenancy.transaction():
            return vault.unseal(bytes(endpoint.sealed), _place(endpoint.id))
    except SealBroken:  # logged
        return None


def _sealed(endpoint_id: UUID, token: str) -> bytes:
    with tenancy.elsewhere(tenancy.PLATFORM), tenancy.transaction():
        return vault.seal(Secret(token), _place(endpoint_id))


def _place(endpoint_id: UUID) -> Place:
    return Place(tenancy.PLATFORM, places.HOOKS, endpoint_id, "sealed", DOMAIN)


# ── The web process's key is replaced ─────────────────────────────────────────────────────────


def reseal(versions: Collection[int]) -> None:
    """The addresses under these versions of the web process's data key are under its active one;
    what does not open stays."""
    for version in versions:
        for endpoint_id, organization_id in _under(version):
            with tenancy.elsewhere(organization_id):
                _seal_anew(endpoint_id)


def under(version: int) -> int:
    """How many addresses of all organizations lie under this version."""
    return len(_under(version))


def _under(version: int) -> list[tuple[UUID, UUID]]:
    with roles.connection().cursor() as cursor:
        wanted = version.to_bytes(4, "big")
        cursor.execute("SELECT id, organization_id FROM connections_hooks_under(%s)", [wanted])
        return [(endpoint_id, organization_id) for endpoint_id, organization_id in cursor]


def _seal_anew(endpoint_id: UUID) -> None:
    with tenancy.transaction():
        endpoint = HookEndpoint.objects.filter(id=endpoint_id).first()
    token = _token(endpoint) if endpoint is not None else None
    if token is None:
        return
    sealed = _sealed(endpoint_id, token.reveal())
    with tenancy.transaction():
        HookEndpoint.objects.filter(id=endpoint_id).update(sealed=sealed)


own_seals.register(own_seals.Column(reseal, under))
