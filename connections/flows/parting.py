"""What ends at the vendors when we part: OAuth grants are revoked, tokens of ours withdrawn.

Best effort. What a vendor refuses, or has no way for, stays on a list with the page where a person
withdraws it; who asks for the list waits no longer than they say.
"""

from __future__ import annotations

import logging
from collections import Counter
from datetime import datetime
from typing import Final

from django.db.models import F, Q, QuerySet

from connections import access, by_hand, places, registry
from connections.contracts import (
    BASE_URL,
    Connector,
    EndsGrants,
    IssuesTokens,
    MethodKind,
)
from connections.errors import ReauthorizationRequired, RemoteGone, Unavailable, VendorError
from connections.flows import counted, refresh
from connections.flows.refreshing import Caller
from connections.models import Connection, Consumer, Credential, Replacement
from portal import clock, tenancy, vault, work
from portal.phrases import plural
from portal.steps import step

log = logging.getLogger(__name__)

FAILURES: Final = 3  # in a row at one place: the rest of that place waits for the next round
IN_HAND: Final = "Another worker is renewing this token."


# ── All of an organization ────────────────────────────────────────────────────────────────────


def withdraw_all(claim: work.Claim, until: datetime) -> bool:
    """What we can end at vendors is ended; whether nothing is left to be tried once more.

    A vendor that does not answer is asked for a few and then left in peace until the next round.
    """
    with tenancy.transaction():
        found = list(_endable())
    failed: Counter[tuple[str, str]] = Counter()
    is_over = True
    for one in found:
        if clock.now() >= until:
            return False
        place = _place(one.connection)
        if failed[place] >= FAILURES:
            is_over = False
            continue
        claim.stay()
        is_settled = _settled(claim, one)
        failed[place] = 0 if is_settled else failed[place] + 1
        is_over = is_over and is_settled
    return is_over


def _endable() -> QuerySet[Credential]:
    """Credentials in use that a vendor may end when we ask: made for us, or granted by OAuth."""
    rows: QuerySet[Credential] = Credential.objects.filter(replaced_at=None)
    rows = rows.exclude(token_id="", refreshable=False)
    return rows.select_related("connection", "connection__consumer").order_by("id")


def _place(connection: Connection) -> tuple[str, str]:
    consumer = connection.consumer
    typed = consumer.base_url if consumer else connection.fields.get(BASE_URL, "")
    return connection.connector, typed


def _settled(claim: work.Claim, credential: Credential) -> bool:
    """Whether nobody need ask about this one again; then nothing of it is sealed any more."""
    try:
        is_ended = _ended(claim, credential)
    except VendorError as error:
        log.warning("erasure.not_withdrawn", extra={"code": error.code})
        if error.retry:
            return False
        is_ended = False
    except LookupError:  # its method is gone from the code, or its secret from here
        is_ended = False
    step("erase.withdrawn")
    with tenancy.transaction():
        claim.hold()
        places.forget_credential(credential)
        Credential.objects.filter(id=credential.id).update(
            token_id="",
            refreshable=False,
            refresh_due_at=None,
            replaced_at=clock.now() if is_ended else None,
        )
    return True


def _ended(claim: work.Claim, credential: Credential) -> bool:
    """Whether the vendor has ended it; raises what it answers, and Unavailable to come again."""
    if credential.connection.connector not in registry.connectors():
        return False
    if credential.token_id:
        return withdraw_token(claim, credential)
    return revoke_grant(credential)


# ── One of them ───────────────────────────────────────────────────────────────────────────────


def withdraw_token(claim: work.Claim, credential: Credential) -> bool:
    """Whether the token that we had the vendor make is gone there; raises what it answers."""
    with tenancy.transaction():
        way = access.way_of(credential.connection)
    if not isinstance(way.connector, IssuesTokens):
        return False
    secret = refresh.fresh(credential.connection, caller=Caller.VERIFY, is_urgent=True)
    api = counted.api(way, secret, credential.connection, lambda _: claim.stay())
    try:
        way.connector.withdraw_token(api, way.fields, way.method, token_id=credential.token_id)
    except RemoteGone:
        log.info("erasure.token_was_gone")
    return True


def revoke_grant(credential: Credential) -> bool:
    """Whether the vendor has revoked the grant (RFC 7009, or its own API); raises what it answers.

    False where it offers no such thing, or nothing of the grant is sealed here. Unavailable while
    a renewal is under way, whose token would outlive this one.
    """
    connection = credential.connection
    connector = registry.get(connection.connector)
    manifest = connector.manifest
    if not revokes(connector, connection.method):
        return False
    if isinstance(connector, EndsGrants):
        return _ended_itself(connector, credential)
    with tenancy.transaction():
        row = Credential.objects.get(id=credential.id)
        if row.lease_until is not None and row.lease_until > clock.now():
            raise Unavailable(IN_HAND)
        held = [f for f in (places.REFRESH, places.ACCESS) if vault.holds(_at(row, f))]
        tokens = [(field, access.opened(_at(row, field))) for field in held]
    endpoint = access.revocation_of(manifest, connection.consumer) if tokens else None
    for field, token in tokens:
        assert endpoint is not None
        endpoint.revoke(token=token.reveal(), hint=f"{field}_token")
    return bool(tokens)


def revokes(connector: Connector, method: str) -> bool:
    """Whether the vendor ends what this method brought when we ask."""
    known = {each.key: each.kind for each in connector.manifest.methods}
    if known.get(method) is not MethodKind.AUTHORIZATION_CODE:
        return False
    return isinstance(connector, EndsGrants) or bool(access.oauth_of(connector.manifest).revoke_url)


def ends_by_us(connection: Connection) -> bool:
    """Whether the vendor ends the credential in use, or the last one that was, when we ask."""
    connector = registry.connectors().get(connection.connector)
    if connector is None:
        return False
    rows = Credential.objects.filter(connection_id=connection.id)
    last = rows.order_by(F("replaced_at").desc(nulls_first=True)).first()
    was_made_for_us = last is not None and last.token_id != ""
    return was_made_for_us or revokes(connector, connection.method)


def _ended_itself(connector: EndsGrants, credential: Credential) -> bool:
    """Whether the grant is ended, asked for by its own access token; one refused has ended."""
    connection = credential.connection
    with tenancy.transaction():
        way = access.way_of(connection)
    try:
        secret = refresh.fresh(connection, caller=Caller.VERIFY, is_urgent=True)
        connector.end_grant(counted.api(way, secret, connection), way.fields, way.method)
    except ReauthorizationRequired:
        log.info("revocation.grant_had_ended")
    return True


def _at(credential: Credential, field: str) -> vault.Place:
    return places.of_credential(credential, field)


# ── What a person has to withdraw ─────────────────────────────────────────────────────────────


def left() -> list[str]:
    """What still works at vendors, counted by kind, each with the page where it is withdrawn."""
    found: Counter[tuple[str, str, str]] = Counter()
    old = Replacement.objects.filter(stage__in=_OLD_IS_THERE).values("old_id")
    rows = Credential.objects.filter(Q(replaced_at=None) | Q(id__in=old))
    for row in rows.select_related("connection"):
        found[_kind(row.connection)] += 1
    here = tenancy.organization_id()
    for consumer in Consumer.objects.filter(organization_id=here, removed_at=None):
        found[_of_consumer(consumer)] += 1
    return [_line(*what, count) for what, count in sorted(found.items())]


_OLD_IS_THERE: Final = (Replacement.Stage.SWITCHED, Replacement.Stage.WITHDRAWING)


def _kind(connection: Connection) -> tuple[str, str, str]:
    """Product, method, and where a person withdraws it; names only where the code knows no more."""
    connector = registry.connectors().get(connection.connector)
    if connector is None:
        return connection.connector, connection.method, ""
    manifest = connector.manifest
    try:
        method = manifest.method(connection.method)
    except KeyError:
        return manifest.name, connection.method, ""
    return manifest.name, method.title, by_hand.address(manifest, method, connection.fields)


def _of_consumer(consumer: Consumer) -> tuple[str, str, str]:
    connector = registry.connectors().get(consumer.connector)
    name = connector.manifest.name if connector else consumer.connector
    oauth = connector.manifest.oauth if connector else None
    steps = oauth.consumer_steps if oauth else ()
    guide = next((one.url for one in steps if one.url), "")
    return name, "OAuth consumer", consumer.base_url or guide


def _line(product: str, method: str, where: str, count: int) -> str:
    return " · ".join(
        part for part in (product, method, plural(count, "credential"), where) if part
    )
