"""A token for another service: entitled, fresh and on record in one statement, or a precise no.

The statement is `connections_lease` (migration 0007), run as the api process's own role. When no
fresh token is there, a worker is asked for one and this process waits; it never refreshes itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Final, NamedTuple
from uuid import UUID

from connections import lease_scopes, places, registry
from connections.flows import waits
from connections.models import Connection, Credential, Lease, LeaseOutcome
from portal import clock, data_keys, hints, roles, tenancy, vault, work
from portal.keys import Cipher, SealBroken
from portal.secret import Secret
from portal.vault import Place

MIN_TTL: Final = range(1, 3601)
DEFAULT_TTL: Final = 300
LONGEST_WAIT, USUAL_WAIT = 30.0, 10.0
STALE: Final = "stale"
UNKNOWN_KEY: Final = "unknown_key"
BUSY: Final = "busy"
OF_ITS_TOKEN: Final = frozenset(
    {
        *(STALE, LeaseOutcome.GRANTED, LeaseOutcome.LATE, LeaseOutcome.LOOK),
        *(LeaseOutcome.PROMISED, LeaseOutcome.TOO_LONG, LeaseOutcome.TOO_SOON),
    }
)  # verdicts about a token that may be leased
ANOTHER_ONE: Final = 24 * 3600  # longer than a token lives: a new one, whatever is left of this

KEYS_HELD_SECONDS, MOST_KEYS_HELD = 60.0, 1024
_held: dict[tuple[UUID, bytes], Cipher] = {}
_held_since = [0.0]

_ASK = """
SELECT verdict, lease_id, organization_id, connection_id, connector, connection_name, state,
       suspect_since, last_success_at, capabilities, credential_id, vocabulary, scopes, version,
       expires_at, seconds, blob, wrapped
  FROM connections_lease(%s::bytea, %s::uuid, %s::int, %s, %s, %s, %s::timestamptz, %s::text[],
                         %s::uuid, %s::boolean, %s::boolean)
"""


@dataclass(frozen=True, slots=True)
class Ask:
    """What a service asks: whose key, which connection, why, and for how long it needs a token.

    `refused` is the lease whose token the vendor refused, or True when it was the latest one.
    """

    key_hash: bytes = field(repr=False)
    connection_id: UUID
    reason: str
    min_ttl_seconds: int = DEFAULT_TTL
    wait_seconds: float = USUAL_WAIT
    refused: UUID | bool = False
    address: str = ""
    request_id: str = ""


class Answer(NamedTuple):
    """What the statement said. Most of it is None when the verdict came early.

    `seconds` is the life left of a granted token, how long to wait, or the longest that may be
    asked for, by the verdict.
    """

    verdict: str
    lease_id: UUID | None
    organization_id: UUID
    connection_id: UUID | None
    connector: str
    connection_name: str
    state: str
    suspect_since: datetime | None
    last_success_at: datetime | None
    capabilities: list[str]
    credential_id: UUID
    vocabulary: str
    scopes: list[str] | None
    version: int
    expires_at: datetime
    seconds: int | None
    blob: bytes
    wrapped: bytes

    def __repr__(self) -> str:
        return f"Answer({self.verdict}, lease {self.lease_id})"


@dataclass(frozen=True, slots=True)
class Granted:
    """A lease: the token, and what the vendor allows it."""

    answer: Answer
    token: Secret
    missing: list[str]


class NotGranted(Exception):
    """No token. `code` is an outcome of leases, or unknown_key or busy."""

    def __init__(self, code: str, answer: Answer | None = None) -> None:
        super().__init__(code)
        self.code, self.answer = code, answer


def take(ask: Ask) -> Granted:
    """A token that lives at least so long, on record. Call it outside transactions.

    Raises NotGranted. Waits at most `wait_seconds` for a worker.
    """
    until = time.monotonic() + ask.wait_seconds
    answer = _asked(ask)
    if answer.verdict in OF_ITS_TOKEN and not registry.is_installed(answer.connector):
        raise _without_connector(ask, answer)
    if answer.verdict == LeaseOutcome.LOOK:
        answer = _after_look(ask, answer, until)
    if answer.verdict == STALE:
        answer = _after_refresh(ask, answer, until)
    if answer.verdict == LeaseOutcome.FROZE:
        hints.wake()
    if answer.verdict != LeaseOutcome.GRANTED:
        raise NotGranted(answer.verdict, answer)
    lacking = lease_scopes.missing_scopes(
        answer.connector, answer.vocabulary, answer.capabilities, answer.scopes
    )
    try:
        return Granted(answer, _opened(answer), lacking)
    except SealBroken:
        _take_back(answer, LeaseOutcome.UNREADABLE)
        _want_refresh(answer, ANOTHER_ONE)
        raise NotGranted(LeaseOutcome.UNREADABLE, answer) from None


def _asked(ask: Ask, *, last_word: bool = False) -> Answer:
    """One round trip. Every verdict but `stale` is on record as the statement ends."""
    is_lease = isinstance(ask.refused, UUID)
    values = [
        *(ask.key_hash, ask.connection_id, ask.min_ttl_seconds, ask.reason, ask.address),
        *(ask.request_id, clock.now(), lease_scopes.reading(), ask.refused if is_lease else None),
        *(ask.refused is True, last_word),
    ]
    if tenancy.is_inside():
        raise tenancy.ScopeNested("A lease is a transaction of its own.")
    database = roles.connection()
    database.ensure_connection()
    # psycopg's own cursor: its binary answers cost half of what Django's text does.
    with database.wrap_database_errors, database.connection.cursor(binary=True) as cursor:
        cursor.execute(_ASK, values)
        return Answer(*cursor.fetchone())


def _opened(answer: Answer) -> Secret:
    """The token, from the bytes that came with the answer; the lease is its trace.

    Raises SealBroken.
    """
    place = places.of_grant(answer.organization_id, answer.credential_id, places.ACCESS)
    return vault.unseal_under(partial(_data_key, answer.wrapped), answer.blob, place)


def _without_connector(ask: Ask, answer: Answer) -> NotGranted:
    """Why there is none: nothing here could renew such a token, or end it."""
    if answer.verdict == STALE:
        answer = _asked(ask, last_word=True)
    if answer.lease_id is not None:
        _take_back(answer, LeaseOutcome.NOT_LEASABLE)
    return NotGranted(LeaseOutcome.NOT_LEASABLE, answer)


def _take_back(answer: Answer, outcome: LeaseOutcome) -> None:
    """The record says that this lease handed out nothing."""
    with tenancy.acting_for(answer.organization_id), tenancy.transaction():
        granted = Lease.objects.get(id=answer.lease_id)
        Lease(
            organization_id=answer.organization_id,
            service_key_id=granted.service_key_id,
            connection_id=granted.connection_id,
            asked=granted.asked,
            at=clock.now(),
            reason=granted.reason,
            min_ttl_seconds=granted.min_ttl_seconds,
            outcome=outcome,
            version=granted.version,
            address=granted.address,
            request_id=granted.request_id,
            takes_back=granted.id,
        ).save(force_insert=True)


def _data_key(wrapped: bytes, place: Place, version: int) -> Cipher:
    """The data key, unwrapped at most once a minute. Its stored bytes are read each time, so one
    that was destroyed or replaced opens nothing here either."""
    now, name = time.monotonic(), (place.organization_id, wrapped)
    if now - _held_since[0] > KEYS_HELD_SECONDS or len(_held) >= MOST_KEYS_HELD:
        _held.clear()
        _held_since[0] = now
    cipher = _held.get(name)
    if cipher is None:
        cipher = _held[name] = data_keys.unwrapped(wrapped, place, version)
    return cipher


# ── When no fresh token is there ──────────────────────────────────────────────────────────────


def _after_refresh(ask: Ask, stale: Answer, until: float) -> Answer:
    """The answer once a worker renewed the token, or the last word when time is up."""
    answer = stale
    while answer.verdict == STALE:
        _want_refresh(answer, ask.min_ttl_seconds)
        came = _wait(answer, partial(_has_moved_on, answer), until)
        answer = _asked(replace(ask, refused=False), last_word=not came)
    return answer


def _want_refresh(answer: Answer, min_ttl_seconds: int) -> None:
    """A worker renews it; however many ask, it is one job."""
    with tenancy.acting_for(answer.organization_id), tenancy.transaction():
        work.later(
            "refresh_credential",
            priority=work.WAITING,
            dedupe=f"refresh:{answer.credential_id}",
            credential_id=answer.credential_id,
            min_ttl_seconds=min_ttl_seconds,
        )


def _after_look(ask: Ask, refused: Answer, until: float) -> Answer:
    """The answer once the vendor was asked whether it still takes this token."""
    begun = clock.now()
    with tenancy.acting_for(refused.organization_id), tenancy.transaction():
        work.later(
            "look_at_connection",
            priority=work.WAITING,
            dedupe=f"look:{refused.connection_id}",
            connection_id=str(refused.connection_id),
        )
    if not _wait(refused, lambda: _was_seen(refused, begun), until):
        return refused
    return _asked(replace(ask, refused=False))


def _wait(answer: Answer, is_over: Callable[[], bool], until: float) -> bool:
    """Whether it was over in time; raises NotGranted when too many wait already."""
    try:
        return waits.until(
            (answer.verdict, answer.credential_id),
            is_over,
            organization_id=answer.organization_id,
            deadline=until,
        )
    except waits.TooMany:
        raise NotGranted(BUSY, answer) from None


def _has_moved_on(answer: Answer) -> bool:
    """Whether there is a newer token than the answer's, or none will come."""
    return _version(answer) != answer.version or _is_done(answer)


def _version(answer: Answer) -> int | None:
    with tenancy.acting_for(answer.organization_id), tenancy.transaction():
        current = Credential.objects.filter(id=answer.credential_id, replaced_at=None)
        found: int | None = current.values_list("version", flat=True).first()
    return found


def _is_done(answer: Answer) -> bool:
    """Whether waiting has become vain: the connection is not what it was."""
    with tenancy.acting_for(answer.organization_id), tenancy.transaction():
        same = Connection.objects.filter(
            id=answer.connection_id, state=answer.state, paused_at=None
        )
        return not same.exists()


def _was_seen(answer: Answer, begun: datetime) -> bool:
    """Whether the vendor has said yes or no to this connection since then."""
    if _has_moved_on(answer):
        return True
    with tenancy.acting_for(answer.organization_id), tenancy.transaction():
        seen = Connection.objects.filter(id=answer.connection_id)
        success, look = seen.values_list("last_success_at", "looked_at")[0]
    return any(moment is not None and moment >= begun for moment in (success, look))
