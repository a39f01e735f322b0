"""Refresh by lineage: claim what is due, ask the vendor, hand what came to `settlement`.

`claim_…` writes down durably which refresh token is about to be spent; `ask` spends it, once and
outside of any transaction. Who may claim and what an answer means are the rules of `lineage.py`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID, uuid4

from django.conf import settings

from connections import access, exchanging, lineage, places, registry
from connections.access import Way
from connections.contracts import MethodKind
from connections.errors import AnswerLost, ReauthorizationRequired, Unavailable, VendorError
from connections.flows import answers, claim_statements
from connections.lineage import AnswerClass
from connections.models import Connection, Consumer
from connections.oauth_answers import TokenAnswer
from connections.oauth_wire import TokenEndpoint
from portal import clock, roles, tenancy, vault, vault_many
from portal.secret import Secret
from portal.steps import step

log = logging.getLogger(__name__)

MOST_AT_ONCE: Final = 100


class Caller:
    """Who asked for a refresh, as the ledger says it."""

    SCHEDULE, KEEP_ALIVE, SPOOL = "schedule", "keep_alive", "spool"
    LEASE, SYNC, VERIFY, PROBE = "lease", "sync", "verify", "probe"


class Asked(NamedTuple):
    """Who is asked: a connector, and of a self-hosted product the server's base URL."""

    connector: str
    base_url: str = ""


class Row(NamedTuple):
    """What a claim returns (`claim_statements.py`)."""

    credential_id: UUID
    connection_id: UUID
    parent: int
    doubted: bool
    attempts: int
    scopes: list[str] | None
    connector: str
    method: str
    consumer_id: UUID | None
    is_paused: bool
    is_troubled: bool
    has_spares: bool
    name: str
    linked_at: str
    base_url: str = ""  # last, with a default: answers spooled by an earlier version have none


@dataclass(frozen=True, slots=True)
class Claimed:
    """A grant that this worker may refresh while its lease lasts; `row.parent` is what it spends.

    `refresh_token` is None for client credentials. An exchanged one has the `secret` that is shown
    and not spent. `trouble` says why nothing can be sent.
    """

    attempt_id: UUID
    row: Row
    owner: UUID
    caller: str
    lease_until: float  # by this process's monotonic clock
    refresh_token: Secret | None = field(default=None, repr=False)
    secret: Secret | None = field(default=None, repr=False)
    trouble: VendorError | None = None

    @property
    def spent(self) -> str:
        """The fingerprint of what it spends."""
        return vault.fingerprint(self.refresh_token) if self.refresh_token else ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one claim: tokens, or the error that says why there are none."""

    claimed: Claimed
    answer: AnswerClass
    received_at: datetime
    tokens: TokenAnswer | None = field(default=None, repr=False)
    error: VendorError | None = None
    latency_ms: int | None = None


# ── Claim ─────────────────────────────────────────────────────────────────────────────────────


def waiting(limit: int = MOST_AT_ONCE) -> dict[Asked, int]:
    """How many of the acting organization's grants are due now, up to `limit` of each vendor and
    of each server."""
    own = {slug for slug, one in registry.connectors().items() if one.manifest.self_hosted}
    asked: dict[str, Any] = {
        "organization": tenancy.organization_id(),
        "shared": list(registry.connectors().keys() - own),
        "own": list(own),
        "now": clock.now(),
        "limit": limit,
    }
    with tenancy.transaction(), roles.connection().cursor() as cursor:
        cursor.execute(claim_statements.WAITING, asked)
        return {Asked(slug, base_url): int(count) for slug, base_url, count in cursor.fetchall()}


def claim_due(connector: str, limit: int = MOST_AT_ONCE, *, base_url: str = "") -> list[Claimed]:
    """Due grants of the acting organization, the longest due first; their intents are durable.

    With a base URL those at that server only.
    """
    return _claim(
        claim_statements.DUE, Caller.SCHEDULE, connector=connector, base_url=base_url, limit=limit
    )


def claim_one(credential_id: UUID, version: int, caller: str) -> Claimed | None:
    """This grant, due or not; None when somebody holds it or it moved on from this version."""
    which = {"credential": credential_id, "version": version, "connector": None, "base_url": ""}
    found = _claim(claim_statements.WANTED, caller, **which, limit=1)
    return found[0] if found else None


def _claim(statement: str, caller: str, **which: Any) -> list[Claimed]:
    owner, now, lease = uuid4(), clock.now(), settings.REFRESH_LEASE_SECONDS
    lease_until = time.monotonic() + lease
    asked = which | {"organization": tenancy.organization_id(), "owner": owner, "now": now}
    with tenancy.transaction():
        with roles.connection().cursor() as cursor:
            cursor.execute(statement, asked | {"until": now + timedelta(seconds=lease)})
            rows = [Row(*row) for row in cursor.fetchall()]
        parents = _parents(rows)
    step("refresh.claimed")
    return [
        Claimed(
            attempt_id=uuid4(),
            row=row,
            owner=owner,
            caller=Caller.KEEP_ALIVE if row.is_paused else caller,
            lease_until=lease_until,
            **parents[row.credential_id],
        )
        for row in rows
    ]


def _parents(rows: Iterable[Row]) -> dict[UUID, dict[str, Any]]:
    """For each claimed row what it spends or shows, or why nothing can be sent."""
    here = tenancy.organization_id()
    needed = {
        row.credential_id: places.of_grant(here, row.credential_id, _NEEDED[kind])
        for row in rows
        if (kind := _kind(row)) in _NEEDED
    }
    opened = vault_many.open_many(needed.values())
    found: dict[UUID, dict[str, Any]] = {row.credential_id: {} for row in rows}
    for credential_id, place in needed.items():
        if place not in opened:
            trouble: VendorError = ReauthorizationRequired(_MISSING[place.field])
            found[credential_id] = {"trouble": trouble}
        elif opened[place] is None:
            found[credential_id] = {"trouble": access.CredentialUnreadable("It does not open.")}
        else:
            held_as = "secret" if place.field == places.SECRET else "refresh_token"
            found[credential_id] = {held_as: opened[place]}
    return found


_NEEDED: Final = {
    MethodKind.AUTHORIZATION_CODE: places.REFRESH,
    MethodKind.SECRET: places.REFRESH,  # refreshable: an import brought a grant
    MethodKind.EXCHANGED: places.SECRET,
}
_MISSING: Final = {
    places.REFRESH: "The vendor gave no refresh token.",
    places.SECRET: "The secret that is exchanged is gone.",
}


def _kind(row: Row) -> MethodKind:
    return registry.get(row.connector).manifest.method(row.method).kind


# ── Ask ───────────────────────────────────────────────────────────────────────────────────────


Asking = TokenEndpoint | Way | VendorError


class EndpointBook(dict[tuple[str, UUID | None], Asking]):
    """Token endpoints as their consumers reach them; each consumer's secret is opened once.

    What is exchanged has no consumer: the way of each such connection is known by its credential.
    """

    @staticmethod
    def key(row: Row) -> tuple[str, UUID | None]:
        """Under what this grant's endpoint is known."""
        own = _kind(row) is MethodKind.EXCHANGED
        return row.connector, row.credential_id if own else row.consumer_id

    def learn(self, claims: Iterable[Claimed]) -> None:
        """Know the endpoint of each claim, or why it cannot be reached. Not inside transactions."""
        rows = [one.row for one in claims if self.key(one.row) not in self]
        own = [row for row in rows if _kind(row) is MethodKind.EXCHANGED]
        wanted = {self.key(row) for row in rows} - {self.key(row) for row in own}
        if own:
            self._learn_ways(own)
        if not wanted:
            return
        with tenancy.transaction():
            ids = [consumer_id for _, consumer_id in wanted if consumer_id]
            # The platform's own serve everybody: row security shows those and no others.
            consumers = {one.id: one for one in Consumer.everywhere.filter(id__in=ids)}
        for connector, consumer_id in wanted:
            consumer = consumers.get(consumer_id) if consumer_id else None
            try:
                manifest = registry.get(connector).manifest
                self[connector, consumer_id] = access.endpoint_of(manifest, consumer)
            except VendorError as trouble:
                self[connector, consumer_id] = trouble

    def _learn_ways(self, rows: Iterable[Row]) -> None:
        keys = {row.connection_id: self.key(row) for row in rows}
        with tenancy.transaction():
            found = Connection.objects.select_related("consumer").filter(id__in=keys)
            for connection in found:
                self[keys[connection.id]] = access.way_of(connection)


def deadline_seconds() -> float:
    """How long one call may take: a third of the lease at most."""
    return min(lineage.DEADLINE_SECONDS, settings.REFRESH_LEASE_SECONDS / 3)


def ask(claimed: Claimed, endpoints: EndpointBook) -> Outcome:
    """What the vendor says, asked once; never raises. It runs in threads without a database."""
    endpoint = endpoints[endpoints.key(claimed.row)]
    trouble = claimed.trouble or (endpoint if isinstance(endpoint, VendorError) else None)
    if trouble is not None:
        return Outcome(claimed, answers.unsent(trouble), clock.now(), error=trouble)
    assert not isinstance(endpoint, VendorError)
    deadline = deadline_seconds()
    began = time.monotonic()
    if not lineage.may_send(claimed.lease_until, began, deadline):
        late = Unavailable("The lease would not outlast the call.")
        return Outcome(claimed, AnswerClass.TEMPORARY, clock.now(), error=late)
    step("refresh.sending")
    try:
        tokens = _spend(claimed, endpoint, deadline)
    except VendorError as error:
        return Outcome(claimed, answers.sent(error), clock.now(), None, error, _since(began))
    except Exception:  # whatever it was, the token may be spent
        log.exception("refresh.raised")
        lost = AnswerLost("The answer could not be read.")
        return Outcome(claimed, AnswerClass.IN_DOUBT, clock.now(), None, lost, _since(began))
    step("refresh.answered")
    return Outcome(claimed, AnswerClass.KEPT, clock.now(), tokens, None, _since(began))


def _spend(claimed: Claimed, endpoint: TokenEndpoint | Way, deadline: float) -> TokenAnswer:
    scopes = frozenset(claimed.row.scopes or ())
    if isinstance(endpoint, Way):
        assert claimed.secret is not None
        return exchanging.exchanged(
            endpoint, claimed.secret, scopes=scopes, deadline_seconds=deadline
        )
    if claimed.refresh_token is None:
        return endpoint.client_credentials(scopes=scopes, deadline_seconds=deadline)
    parent = claimed.refresh_token.reveal()
    return endpoint.refresh(refresh_token=parent, deadline_seconds=deadline)


def _since(began: float) -> int:
    return round((time.monotonic() - began) * 1000)
