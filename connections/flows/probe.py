"""A quiet look at a connection: one call, the vendor's gentlest, with the token that lives now.

Idle connections are asked so often that a revocation is noticed within a quarter of an hour, with
what schedule and queue take, and one that somebody reports as refused at once. All looks of an
upstream account together use two percent of its request budget at most.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final
from uuid import UUID

from django.conf import settings

from connections import access, places, registry
from connections.access import Way, way_of
from connections.budgets import Purpose
from connections.contracts import Answer, Identity
from connections.errors import ReauthorizationRequired, VendorError
from connections.flows import breaker, budget, counted, health, refresh, vendors
from connections.grant_explanations import RESTORED
from connections.models import Connection, Credential
from portal import clock, tenancy, work
from portal.limits import Limit
from portal.secret import Secret

log = logging.getLogger(__name__)

IDLE_KIND = "probe_connection"
CALLER: Final = "probe"
SHARE: Final = 0.02
HOUR: Final = 3600

State = Connection.State


@dataclass(slots=True)
class Sight:
    """What a look is made with, and the last answer that came."""

    connection: Connection
    credential: Credential
    way: Way
    last: Answer | None = None

    def note(self, answer: Answer) -> None:
        self.last = answer

    @property
    def is_held_back(self) -> bool:
        """Whether its refresh token must not be sent."""
        return self.credential.quarantined_at is not None


def start_idle(connection: Connection) -> None:
    """The next quiet look is planned, and one is under way when nobody asked the vendor lately."""
    now, idle = clock.now(), timedelta(minutes=settings.PROBE_IDLE_MINUTES)
    is_asked = connection.state == State.ACTIVE and registry.is_installed(connection.connector)
    if not is_asked or not connection.is_live or not idle:
        _plan(connection, None)
        return
    seen = _last_seen(connection)
    if seen is not None and now - seen < idle:
        _plan(connection, seen + idle)
        return
    _plan(connection, now + idle)
    work.later(
        IDLE_KIND,
        priority=work.INCREMENTAL,  # behind full syncs it would come too late
        dedupe=f"probe:{connection.id}",
        max_attempts=1,
        connection_id=connection.id,
    )


def _last_seen(connection: Connection) -> datetime | None:
    """When the vendor last took its credential."""
    current = Credential.objects.filter(connection_id=connection.id, replaced_at=None)
    refreshed_at = current.values_list("refreshed_at", flat=True).first()
    return max(filter(None, (connection.last_success_at, refreshed_at)), default=None)


def _plan(connection: Connection, at: datetime | None) -> None:
    connection.next_probe_at = at
    connection.save(update_fields=["next_probe_at"])


# ── The look ──────────────────────────────────────────────────────────────────────────────────


def perform(claim: work.Claim, *, connection_id: str) -> None:
    """The vendor was asked once, and what it said stands on the connection.

    Temporary trouble of an idle look is left to the next one; a look that somebody waits for
    raises it, to be made again. So it is when the account's hour has nothing left.
    """
    sight = _opened(UUID(connection_id))
    if sight is None or not _within_budget(sight.connection):
        return
    is_idle = claim.job.kind == IDLE_KIND
    if rest := counted.rest_of(sight.connection):
        if is_idle:
            return
        raise work.RetryLater(budget.BudgetSpent.code, seconds=rest.total_seconds(), free=True)
    try:
        secret = _secret(sight, is_idle=is_idle)
        identity = None if secret is None else _identified(sight, secret)
    except ReauthorizationRequired as error:
        _refused(sight, error)
    except VendorError as error:
        if is_idle or not error.retry:
            log.info("probe.unanswered", extra={"code": error.code})
            return
        raise
    else:
        if identity is not None:
            _accepted(sight, identity)


def _opened(connection_id: UUID) -> Sight | None:
    with tenancy.transaction():
        connection = Connection.objects.filter(id=connection_id).select_related("consumer").first()
        if connection is None or not connection.is_live:
            return None
        if not registry.is_installed(connection.connector):
            return None
        credential = Credential.objects.filter(
            connection_id=connection.id, replaced_at=None
        ).first()
        return credential and Sight(connection, credential, way_of(connection))


def _within_budget(connection: Connection) -> bool:
    """Count one look of this upstream account; False when this hour's are used up."""
    whole = connection.rate.get("limit") or budget.USUAL
    account = sha256(connection.account_id.encode()).hexdigest()[:16]
    limit = Limit(max(1, int(whole * SHARE)), HOUR)
    return limit.wait_seconds(f"probe:{connection.connector}:{account}") == 0


def _secret(sight: Sight, *, is_idle: bool) -> Secret | None:
    """The token that lives now; None when an idle look would have to renew one for it."""
    credential = sight.credential
    if not credential.refreshable or credential.is_fresh(seconds=0):
        with tenancy.transaction():
            return access.opened(places.of_credential(credential, access.secret_field(credential)))
    if sight.is_held_back:
        raise ReauthorizationRequired("The last token of a restored grant has ended.")
    return None if is_idle else refresh.fresh(sight.connection, caller=CALLER)


def _identified(sight: Sight, secret: Secret) -> Identity:
    """Who it acts as; a refused access token is renewed once before it is believed."""
    try:
        return _identify(sight, secret)
    except ReauthorizationRequired:
        if sight.is_held_back:
            raise
        other = refresh.instead_of(secret, sight.connection, caller=CALLER)
        if other is None:
            raise
        return _identify(sight, other)


def _identify(sight: Sight, secret: Secret) -> Identity:
    connection = sight.connection
    api = counted.api(sight.way, secret, connection, sight.note, purpose=Purpose.REFRESH)
    return sight.way.connector.identify(api, sight.connection.fields, sight.way.method)


# ── What it means ─────────────────────────────────────────────────────────────────────────────


def _accepted(sight: Sight, identity: Identity) -> None:
    breaker.note(*_where(sight), good=[sight.connection.id])
    with tenancy.transaction():
        connection = _held(sight)
        if connection is None:
            return
        if identity.account.remote_id != connection.account_id:
            health.refused(connection, "subject_changed", at_once=True)
        elif connection.state == State.UNVERIFIED:
            health.worked(connection)
        else:
            health.accepted(connection)


def _refused(sight: Sight, error: ReauthorizationRequired) -> None:
    """A refusal by the API counts here; one by the token endpoint has been counted there."""
    if sight.last is not None:
        breaker.note(*_where(sight), refused=[sight.connection.id])
    with tenancy.transaction():
        connection = _held(sight)
        if connection is not None:
            code = RESTORED if sight.is_held_back else error.code
            health.refused(connection, code, at_once=sight.is_held_back)


def _where(sight: Sight) -> tuple[vendors.Where, str]:
    where = vendors.of(sight.connection)
    return where, where.api_host


def _held(sight: Sight) -> Connection | None:
    """The connection, locked, if it still has the credential that was asked with."""
    held: Connection | None = (
        Connection.objects.select_for_update(no_key=True).filter(id=sight.connection.id).first()
    )
    same = Credential.objects.filter(id=sight.credential.id, replaced_at=None).exists()
    return held if held is not None and held.is_live and same else None
