"""A fresh access token for whoever needs one now: one worker renews it, all others wait for it.

Threads of one process that want the same token share one wait. Of several processes one claims
the grant, and the others look until its result is there.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from connections import access, places
from connections.budgets import Purpose
from connections.errors import ReauthorizationRequired, Unavailable, VendorError
from connections.flows import breaker, counted, due, health, keeping, refreshing, vendors
from connections.flows.ledger import Settled
from connections.flows.refreshing import Caller, Claimed, EndpointBook
from connections.lineage import AnswerClass, Decision
from connections.models import Connection, Credential, credential_of
from portal import clock, tenancy
from portal.secret import Secret

LEFT_SECONDS = 300  # renew when less than five minutes of life are left
SHARE_LEFT = 0.3  # or a third of a short life
SPARED_SECONDS = 60  # of a whole life nobody is promised the last minute
WAIT_SECONDS = 15.0
BETWEEN_LOOKS_SECONDS = 0.1
USED_AGAIN = timedelta(seconds=30)  # how exactly is known when a token was last used

ELSEWHERE = "Another worker is renewing this token."
SLOWLY = "The vendor is asked slowly at present."

_REFUSALS = frozenset({Decision.SUSPECT, Decision.NEEDS_REAUTHORIZATION})

_SAYS_NOTHING = {
    Decision.BREAKER: "The vendor refuses everybody at present.",
    Decision.RETRY_SAME_PARENT: "The vendor's refusal came too late to be believed.",
}


class NoBudget(Unavailable):
    """The vendor is well, and may not be asked yet."""


def fresh(
    connection: Connection,
    *,
    min_ttl_seconds: int = LEFT_SECONDS,
    wait_seconds: float = WAIT_SECONDS,
    caller: str = Caller.SYNC,
    is_urgent: bool = False,
) -> Secret:
    """The connection's usable secret, renewed first when it is stale. Call it outside transactions.

    The vendor is asked within its budget, unless a person waits for it (`is_urgent`). Raises
    ReauthorizationRequired when the vendor refuses the grant or it was forgotten meanwhile,
    Unavailable when there is no budget or another worker's renewal does not end in time, and what
    the token endpoint's answer means.
    """
    tenancy.forbid_inside_transaction()
    until = time.monotonic() + wait_seconds
    wish = _Wish(connection, min_ttl_seconds, caller, until, is_urgent)
    wanted = (tenancy.organization_id(), connection.id, min_ttl_seconds, wish.exactly)
    return _shared(wanted, wait_seconds, lambda: _fresh(wish))


def instead_of(
    refused: Secret, connection: Connection, *, caller: str = Caller.SYNC, is_urgent: bool = False
) -> Secret | None:
    """A secret that is not the one the vendor just refused: newer, or renewed for this; else None.

    Raises what `fresh` raises, and Unavailable while the vendor's breaker is open: a token that
    lives is not given up for one that nobody may ask for.
    """
    found = fresh(connection, caller=caller, is_urgent=is_urgent)
    if found != refused:
        return found
    with tenancy.transaction():
        credential = _current(connection)
        if not credential.refreshable:
            return None
        if breaker.is_open(vendors.of(connection)):
            raise Unavailable(SLOWLY)
        Credential.objects.filter(id=credential.id, version=credential.version).update(
            expires_at=clock.now()
        )
    return fresh(connection, caller=caller, is_urgent=is_urgent)


def left_seconds(
    credential: Credential, min_ttl_seconds: int = LEFT_SECONDS, *, exactly: bool = False
) -> int:
    """How much life an access token needs to be handed out: less when it was given little.

    `exactly` is for a lease, which promises those seconds: as many as a new token can have.
    """
    if credential.expires_at is None:
        return 0
    life = credential.expires_at - (credential.refreshed_at or credential.created_at)
    most = life.total_seconds() - SPARED_SECONDS if exactly else life.total_seconds() * SHARE_LEFT
    return round(max(0, min(min_ttl_seconds, most)))


# ── One wait for all threads ──────────────────────────────────────────────────────────────────

Wanted = tuple[UUID, UUID, int, bool]

_lock = threading.Lock()
_waits: dict[Wanted, Future[Secret]] = {}


def _shared(wanted: Wanted, wait_seconds: float, find: Callable[[], Secret]) -> Secret:
    """What `find` returns or raises; who comes while it runs waits for that and gets the same."""
    with _lock:
        running = _waits.get(wanted)
        if running is None:
            mine = _waits[wanted] = Future()
    if running is not None:
        try:
            return running.result(wait_seconds)
        except TimeoutError:
            raise Unavailable(ELSEWHERE) from None
    try:
        mine.set_result(find())
    except BaseException as error:
        mine.set_exception(error)
    finally:
        with _lock:
            del _waits[wanted]
    return mine.result()


# ── The one who looks ─────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class _Wish:
    """Whose token must live how long, and until when (monotonic seconds) that is waited for."""

    connection: Connection
    min_ttl_seconds: int
    caller: str
    until: float
    is_urgent: bool

    @property
    def exactly(self) -> bool:
        return self.caller == Caller.LEASE


@dataclass(frozen=True, slots=True)
class _Seen:
    """The credential as it stood, with its secret when that may be used."""

    credential: Credential
    secret: Secret | None


def _fresh(wish: _Wish) -> Secret:
    """A token that was renewed for this is handed out however short its life is."""
    renewed: int | None = None
    while True:
        seen = _look(wish, renewed)
        if seen.secret is not None:
            _require_same_account(wish.connection, seen.credential, seen.secret)
            return seen.secret
        trouble = _hindrance(wish, seen.credential)
        claimed = None if trouble else _claim(wish, seen.credential)
        if claimed is not None:
            renewed = _renew(claimed)
        if renewed is None and time.monotonic() > wish.until:
            raise trouble or Unavailable(ELSEWHERE)
        if claimed is None:
            time.sleep(BETWEEN_LOOKS_SECONDS)


def _hindrance(wish: _Wish, credential: Credential) -> Unavailable | None:
    """Why the vendor may not be asked at this moment; None when it may, and its budget is less.

    Raises Unavailable during an incident, when waiting would take a hand from other work.
    """
    if credential.lease_until is not None and credential.lease_until > clock.now():
        return Unavailable(ELSEWHERE)
    where = vendors.of(wish.connection)
    if breaker.take(where, 1) or wish.is_urgent:
        return None
    with tenancy.transaction():
        if breaker.is_open(where):
            raise Unavailable(SLOWLY)
    return NoBudget(SLOWLY)


def _claim(wish: _Wish, credential: Credential) -> Claimed | None:
    return refreshing.claim_one(credential.id, credential.version, wish.caller)


def _look(wish: _Wish, renewed: int | None) -> _Seen:
    with tenancy.transaction():
        credential = _current(wish.connection)
        needed = left_seconds(credential, wish.min_ttl_seconds, exactly=wish.exactly)
        if credential.quarantined_at is not None:  # its refresh token was spent before a restore
            needed = 0
            if not credential.is_fresh(seconds=needed):
                raise ReauthorizationRequired("The database was restored from before its renewal.")
        is_usable = not credential.refreshable or credential.version == renewed
        if not is_usable and not credential.is_fresh(seconds=needed):
            return _Seen(credential, None)
        now = clock.now()
        if credential.used_at is None or now - credential.used_at > USED_AGAIN:
            Credential.objects.filter(id=credential.id).update(used_at=now)
        if credential.refreshable and credential.refresh_due_at is None:
            due.plan(wish.connection)
        field = access.secret_field(credential)
        return _Seen(credential, access.opened(places.of_credential(credential, field)))


def _current(connection: Connection) -> Credential:
    try:
        return credential_of(connection)
    except Credential.DoesNotExist:
        raise ReauthorizationRequired("The credential was forgotten.") from None


def _renew(claimed: Claimed) -> int | None:
    """The version that it became, None when something else did; raises what the answer means."""
    endpoints = EndpointBook()
    endpoints.learn([claimed])
    settled = keeping.keep([refreshing.ask(claimed, endpoints)])[0]
    _raise_refusal(settled)
    return settled.version if settled.decision is Decision.BECAME_CURRENT else None


def _raise_refusal(settled: Settled) -> None:
    """Raise what the answer means to who waits for it; a new version is there to be read."""
    if settled.decision in _REFUSALS:
        raise ReauthorizationRequired("The vendor no longer accepts this grant.")
    if settled.outcome.answer is AnswerClass.REFUSED and settled.decision in _SAYS_NOTHING:
        raise Unavailable(_SAYS_NOTHING[settled.decision])
    moved_on = {Decision.IGNORED_MOVED_ON, Decision.CANDIDATE_PROMOTED}
    if settled.outcome.error is not None and settled.decision not in moved_on:
        raise settled.outcome.error


# ── Whose token it is (abuse case P18) ────────────────────────────────────────────────────────


def _require_same_account(connection: Connection, credential: Credential, secret: Secret) -> None:
    """Raise when a renewed token acts as somebody else; nothing is read with it.

    Each version is asked about once. Trouble with the question says nothing: who asks next, or the
    next verification, asks again.
    """
    if not credential.refreshable or credential.identified_version == credential.version:
        return
    with tenancy.transaction():
        way = access.way_of(connection)
    try:
        api = counted.api(way, secret, connection, purpose=Purpose.REFRESH)
        found = way.connector.identify(api, connection.fields, way.method)
    except VendorError:
        return
    with tenancy.transaction():
        if found.account.remote_id == connection.account_id:
            Credential.objects.filter(id=credential.id, version=credential.version).update(
                identified_version=credential.version
            )
            return
        locked = Connection.objects.select_for_update(no_key=True).get(id=connection.id)
        health.refused(locked, AnswerClass.SUBJECT_CHANGED, at_once=True)
        Credential.objects.filter(id=credential.id).update(refresh_due_at=None)
    raise ReauthorizationRequired("The renewed token belongs to another account.")
