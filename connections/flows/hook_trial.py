"""Whether a webhook reaches us: one of our own, signed, that goes the way a vendor's goes.

It leaves a worker for the public address, through whatever stands before the ingest process, and
has arrived when it is stored. What is in the way is named, with what to do about it.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from functools import cache
from ipaddress import ip_network
from typing import Final
from urllib.parse import urlsplit
from uuid import UUID, uuid4

from django.conf import settings

from connections import addresses, registry
from connections.contracts import HookRules
from connections.errors import Blocked, TlsFailed, UnexpectedResponse, VendorError
from connections.flows import (
    hook_choice,
    hook_endpoints,
    hook_rounds as rounds,
    hook_secrets,
    hook_trial_vendor,
    pace,
    rights,
)
from connections.flows.meanings import OWN_TEST
from connections.flows.problems import FlowProblem
from connections.http import Door, Limits
from connections.models import Connection, Delivery, HookEndpoint, HookPlan
from connections.origins import AllowEntry, BaseUrl
from connections.receiving import signature
from portal import audit, clock, tenancy, work
from portal.policy import Actor

JOB: Final = "try_hook_address"
LIMITS: Final = Limits(body_bytes=64 * 1024, deadline_seconds=15.0, silence_seconds=10.0)
STORED_WITHIN: Final = 3.0
WAITING, ARRIVED = "waiting", "arrived"
NOT_STORED, SLOW, ANSWERED, REDIRECTED = "not_stored", "too_many", "answered", "redirected"
NO_SECRET, OFF, GAVE_UP = "no_secret", "switched_off", "gave_up"
UNREACHED, NO_TLS, BLOCKED = "unreachable", "tls", "blocked"
BY_STATUS: Final = {
    401: "unsigned",
    403: "plain_http",
    404: "not_found",
    410: OFF,
    429: SLOW,
    503: "away",
}
NOT_READY: Final = "The secret is still being kept. Try again in a few seconds."
PRIVATE: Final = tuple(
    network
    for text, why in (*addresses.V4_RANGES, *addresses.V6_RANGES)
    if why == addresses.SPECIAL and (network := ip_network(text))
)


@dataclass(frozen=True, slots=True)
class Letter:
    """What is sent, and where."""

    endpoint_id: UUID
    address: str = field(repr=False)
    headers: dict[str, str] = field(repr=False)
    body: bytes


def ask(*, actor: Actor, connection: Connection) -> None:
    """A worker sends one and says what became of it. Raises FlowProblem."""
    actor = rights.manager(actor, connection)
    pace.keep("hooks", actor)
    connection.hold()
    if reason := hook_choice.unreachable(registry.get(connection.connector).manifest):
        raise FlowProblem("unreachable", "", reason)
    endpoint = hook_endpoints.endpoint_of(connection)
    if endpoint is None or endpoint.disabled_at is not None:
        raise FlowProblem("no_endpoint", "", hook_endpoints.NONE_YET)
    if endpoint.secret_at is None:
        raise FlowProblem("not_ready", "", NOT_READY)
    plan = rounds.held(connection)
    plan.test_id, plan.test_by, plan.test_stand = uuid4(), actor.name[:200], WAITING
    plan.test_asked_at, plan.test_ended_at, plan.test_status = clock.now(), None, None
    plan.save()
    audit.record(audit.Action.HOOKS_TESTED, actor=actor, subject=connection)
    work.later(
        JOB,
        priority=work.WAITING,
        max_attempts=2,
        connection_id=connection.id,
        test_id=plan.test_id,
    )


def perform(claim: work.Claim, *, connection_id: str, test_id: str) -> None:
    """It was sent, and the plan says what became of it."""
    with tenancy.transaction():
        claim.hold()
        connection = Connection.objects.get(id=connection_id)
        if not HookPlan.objects.filter(connection=connection, test_id=test_id).exists():
            return  # another test was asked for meanwhile
        letter = _letter(connection, test_id)
    stand, status = _tried(claim, connection, letter, test_id)
    with tenancy.transaction():
        claim.hold()
        _end(connection_id, test_id, stand, status)
        claim.done()


def _tried(
    claim: work.Claim, connection: Connection, letter: Letter | None, test_id: str
) -> tuple[str, int | None]:
    """Ours goes first, for it says what is in the way; what arrives by us may still not by them."""
    if letter is None:
        return NO_SECRET, None
    stand, status = _sent(letter, test_id)
    claim.stay()
    by_vendor = hook_trial_vendor.sent(connection, letter.address) if stand == ARRIVED else None
    return by_vendor or stand, status


def gave_up(code: str, *, connection_id: str, test_id: str) -> None:
    """No worker could send it. Runs inside the job's transaction."""
    _end(connection_id, test_id, GAVE_UP, None)


def _end(connection_id: str, test_id: str, stand: str, status: int | None) -> None:
    rows = HookPlan.objects.filter(connection_id=connection_id, test_id=test_id)
    rows.update(test_stand=stand, test_status=status, test_ended_at=clock.now())


def _letter(connection: Connection, test_id: str) -> Letter | None:
    """None while no worker has kept a secret."""
    rules = registry.get(connection.connector).manifest.hooks
    endpoint = HookEndpoint.objects.filter(connection_id=connection.id).first()
    if rules is None or endpoint is None:
        return None
    try:
        secret = hook_secrets.secret_of(endpoint).reveal().encode()
        address = hook_secrets.address_of(endpoint)
    except LookupError:
        return None
    body = json.dumps({"test": True, "sent_at": clock.now().isoformat()}).encode()
    return Letter(endpoint.id, address, _headers(rules, secret, body, test_id), body)


def _headers(rules: HookRules, secret: bytes, body: bytes, test_id: str) -> dict[str, str]:
    return {
        "Content-Type": "application/json",
        rules.event: OWN_TEST,
        rules.delivery: test_id,
        rules.signature: signature.signed(rules, secret, body),
    }


def _sent(letter: Letter, test_id: str) -> tuple[str, int | None]:
    """What became of it, and the status that came back."""
    try:
        base = _base()
        answer = _door().send(
            "POST",
            letter.address,
            origin=base.origin,
            headers=letter.headers,
            body=letter.body,
            limits=LIMITS,
        )
    except VendorError as error:
        return _hindrance(error), error.status
    if not 200 <= answer.status < 300:
        return BY_STATUS.get(answer.status, ANSWERED), answer.status
    return (ARRIVED if _is_stored(letter, test_id) else NOT_STORED), answer.status


def _hindrance(error: VendorError) -> str:
    if isinstance(error, TlsFailed):
        return NO_TLS
    if isinstance(error, Blocked):
        return BLOCKED
    if isinstance(error, UnexpectedResponse):
        return REDIRECTED if error.status and 300 <= error.status < 400 else ANSWERED
    return UNREACHED


def _is_stored(letter: Letter, test_id: str) -> bool:
    """Whether this very message is in the inbox of this connection."""
    until = time.monotonic() + STORED_WITHIN
    while True:
        with tenancy.transaction():
            rows = Delivery.objects.filter(endpoint_id=letter.endpoint_id, sender_id=test_id)
            if rows.exists():
                return True
        if time.monotonic() > until:
            return False
        time.sleep(0.1)


# ── The way there ─────────────────────────────────────────────────────────────────────────────


def _door() -> Door:
    return _door_to(settings.HOOKS_URL, settings.OUTBOUND_PROXY)


@cache
def _door_to(address: str, proxy: str) -> Door:
    """A door to our own ingest process, which no other door leads to."""
    return Door(
        sandbox_origins=[_own(address)] if _is_loopback(address) else (),
        proxy=proxy,
        before_send=tenancy.forbid_inside_transaction,
    )


def _base() -> BaseUrl:
    """Where the ingest process is, by the operator's setting: it may be in a private network."""
    door, address = _door(), settings.HOOKS_URL
    if _is_loopback(address):
        return door.vendor(_own(address))
    parts = urlsplit(address)
    if parts.scheme == "https" and settings.OUTBOUND_PROXY:
        return door.vendor(_own(address))
    entry = AllowEntry(
        host=parts.hostname or "",
        networks=PRIVATE,
        ports=frozenset({parts.port or (443 if parts.scheme == "https" else 80)}),
        http=parts.scheme == "http",
    )
    return door.base_url(_own(address), allow=[entry])


def _own(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"


def _is_loopback(address: str) -> bool:
    host = urlsplit(address).hostname or ""
    return host in ("localhost", "::1") or host.startswith("127.")
