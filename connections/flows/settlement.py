"""What came of refreshing becomes the state of grants: one transaction for all that has arrived.

A kept answer is compared and swapped on the version that it was asked with; what comes second is a
spare answer. All else is decided by the rules of `lineage.py` on the locked row. The ledger's lines
are written in the same transaction.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from connections import lineage, places, registry
from connections.errors import RateLimited, Unavailable
from connections.flows import breaker, health, ledger, marks, spares, vendors
from connections.flows.ledger import Settled
from connections.flows.refreshing import Caller, Outcome
from connections.grant_explanations import LOST
from connections.high_water import Mark
from connections.lineage import AnswerClass, Decision, GrantView
from connections.models import Connection, Credential
from portal import clock, roles, tenancy, vault, vault_many
from portal.secret import Secret
from portal.steps import step

NEEDS_REAUTHORIZATION = Connection.State.NEEDS_REAUTHORIZATION
SOONEST = timedelta(seconds=30)  # between two refreshes of a grant, however short its tokens live
TRIES_UNSAID = 3  # a vendor may stumble twice before its connection says so,
LIFE_UNSAID = timedelta(minutes=10)  # while the token lives longer than this
SAYS_WHEN = (RateLimited, Unavailable)
ASKS_THE_API = frozenset({Caller.SYNC, Caller.VERIFY, Caller.PROBE})

# The rule `keep` of lineage.py: not moved on, and nobody else asks with the same parent by now.
_SWAP = """
UPDATE connections_credential c
   SET version = c.version + 1, expires_at = a.expires_at, refreshed_at = a.received_at,
       refresh_due_at = a.due_at, last_four = a.last_four, fingerprint = a.fingerprint,
       scopes = coalesce(string_to_array(a.scopes, ' '), c.scopes),
       lease_owner = NULL, lease_until = NULL, intent_version = NULL, intent_at = NULL,
       refresh_attempts = 0
  FROM json_to_recordset(%s::json)
       AS a(id uuid, parent int, owner uuid, received_at timestamptz, expires_at timestamptz,
            due_at timestamptz, last_four text, fingerprint text, scopes text)
 WHERE c.id = ANY (%s::uuid[]) AND c.id = a.id AND c.version = a.parent
   AND (c.lease_owner IS NULL OR c.lease_owner = a.owner) AND c.replaced_at IS NULL
RETURNING c.id
"""


def settle(outcomes: Sequence[Outcome]) -> list[Settled]:
    """What was decided about each, done and on record. All belong to the acting organization."""
    outcomes = sorted(outcomes, key=lambda one: one.claimed.row.credential_id)
    with tenancy.transaction():
        concerned = _concerned(outcomes)
        current = _swap([one for one in outcomes if one.answer is AnswerClass.KEPT])
        rest = [one for one in outcomes if one.claimed.row.credential_id not in current]
        settled = [
            Settled(one, Decision.BECAME_CURRENT, one.claimed.row.parent + 1)
            for one in outcomes
            if one.claimed.row.credential_id in current
        ]
        _keep_tokens([one.outcome for one in settled])
        _calm(concerned, [one.outcome for one in settled])
        _forget_spares([one.outcome for one in settled])
        settled += _decide(rest, concerned)
        ledger.write(settled)
        marks.raise_all([_mark(one) for one in settled if one.version is not None])
        step("refresh.kept")
    step("refresh.settled")
    return settled


def _mark(one: Settled) -> Mark:
    row = one.outcome.claimed.row
    return Mark(
        connection_id=row.connection_id,
        organization_id=tenancy.organization_id(),
        name=row.name,
        credential_id=row.credential_id,
        generation=one.version or row.parent,
        received_at=one.outcome.received_at,
        linked_at=datetime.fromisoformat(row.linked_at),
    )


def _concerned(outcomes: Iterable[Outcome]) -> dict[UUID, Connection]:
    """The connections that may change, held before their credentials, as a revocation does it."""
    ids = [
        one.claimed.row.connection_id
        for one in outcomes
        if one.answer is not AnswerClass.KEPT or one.claimed.row.is_troubled
    ]
    if not ids:
        return {}
    held = Connection.objects.select_for_update(no_key=True).filter(id__in=ids).order_by("id")
    return {connection.id: connection for connection in held}


# ── Kept ──────────────────────────────────────────────────────────────────────────────────────


def _swap(kept: Sequence[Outcome]) -> set[UUID]:
    """The credentials whose version these answers became."""
    if not kept:
        return set()
    with roles.connection().cursor() as cursor:
        ids = [one.claimed.row.credential_id for one in kept]
        cursor.execute(_SWAP, [json.dumps([_arrived(one) for one in kept]), ids])
        return {row[0] for row in cursor.fetchall()}


def _arrived(one: Outcome) -> dict[str, Any]:
    assert one.tokens is not None
    row, access = one.claimed.row, Secret(one.tokens.access_token)
    return {
        "id": str(row.credential_id),
        "parent": row.parent,
        "owner": str(one.claimed.owner),
        "received_at": one.received_at.isoformat(),
        "expires_at": expires_at(one).isoformat(),
        "due_at": due_at(one).isoformat(),
        "last_four": access.last_four,
        "fingerprint": vault.fingerprint(access),
        "scopes": None if one.tokens.scopes is None else _words(one.tokens.scopes),
    }


def _words(scopes: Iterable[str]) -> str:
    """As the column keeps them: what is longer than any scope of any vendor is cut."""
    return " ".join(sorted(scope[:80] for scope in scopes))


def expires_at(one: Outcome) -> datetime:
    assert one.tokens is not None
    return one.received_at + timedelta(seconds=one.tokens.expires_in_seconds)


def due_at(one: Outcome) -> datetime:
    """When the grant is refreshed again; of a paused one, so that it does not die of idleness."""
    if one.claimed.row.is_paused:
        oauth = registry.get(one.claimed.row.connector).manifest.oauth
        return lineage.keep_alive_at(one.received_at, oauth.refresh_idle_days if oauth else None)
    return max(lineage.renew_at(one.received_at, expires_at(one)), one.received_at + SOONEST)


def _keep_tokens(current: Iterable[Outcome]) -> None:
    """Their tokens are the credentials'; without a new refresh token the old one stays (P12)."""
    here = tenancy.organization_id()
    sealed = []
    for one in current:
        assert one.tokens is not None
        at, spent = one.claimed.row.credential_id, one.claimed.refresh_token
        sealed.append((places.of_grant(here, at, places.ACCESS), Secret(one.tokens.access_token)))
        received = one.tokens.refresh_token
        if received and (spent is None or received != spent.reveal()):
            sealed.append((places.of_grant(here, at, places.REFRESH), Secret(received)))
    vault_many.keep_many(sealed)


def _calm(concerned: dict[UUID, Connection], current: Sequence[Outcome]) -> None:
    """A vendor that answers again ends what it was suspected of.

    Who asks its API next says that itself: or a grant that renews, and whose tokens the API
    refuses all the same, would be suspected for the first time for ever.
    """
    for one in current:
        connection = concerned.get(one.claimed.row.connection_id)
        if one.claimed.caller in ASKS_THE_API or connection is None:
            continue
        if connection.state != NEEDS_REAUTHORIZATION:
            health.worked(connection)


def _forget_spares(current: Sequence[Outcome]) -> None:
    spared = [one.claimed.row for one in current if one.claimed.row.has_spares]
    if spared:
        spares.forget_outlived({row.credential_id: row.parent for row in spared})


# ── All else ──────────────────────────────────────────────────────────────────────────────────


def _decide(rest: Sequence[Outcome], concerned: dict[UUID, Connection]) -> list[Settled]:
    if not rest:
        return []
    ids = [one.claimed.row.credential_id for one in rest]
    held = Credential.objects.select_for_update(no_key=True).filter(id__in=ids, replaced_at=None)
    credentials = {credential.id: credential for credential in held.order_by("id")}
    spare = spares.counted(ids)
    settled = []
    for one in rest:
        credential = credentials.get(one.claimed.row.credential_id)
        if credential is None:  # forgotten meanwhile: nothing of it is kept
            settled.append(Settled(one, Decision.IGNORED_MOVED_ON))
            continue
        connection = concerned.get(credential.connection_id)
        settled.append(_apply(one, credential, connection, spare.get(credential.id, 0)))
    return settled


def _view(
    one: Outcome, credential: Credential, connection: Connection | None, candidates: int
) -> GrantView:
    suspicion = GrantView(version=0)
    if connection is not None:
        suspicion = health.view_of(connection, breaker.stance(vendors.of(connection)))
    return replace(
        suspicion,
        version=credential.version,
        intent_version=credential.intent_version,
        lease_owner=credential.lease_owner,
        lease_until=credential.lease_until,
        due_at=credential.refresh_due_at,
        doubted=one.claimed.row.doubted,
        candidates=candidates,
        quarantined=credential.quarantined_at is not None,
    )


def _apply(
    one: Outcome, credential: Credential, connection: Connection | None, candidates: int
) -> Settled:
    """The locked rows stand as `lineage.settled` says."""
    now, owner = clock.now(), one.claimed.owner
    before = _view(one, credential, connection, candidates)
    decision = lineage.decide(
        before, parent=one.claimed.row.parent, answer=one.answer, owner=owner, now=now
    )
    after = lineage.settled(before, decision, owner=owner, now=now)
    if decision is Decision.KEPT_AS_CANDIDATE:
        _keep_spare(one)
    if decision is Decision.CANDIDATE_PROMOTED:
        spares.promote(credential)
    credential.version, credential.intent_version = after.version, after.intent_version
    credential.lease_owner, credential.lease_until = after.lease_owner, after.lease_until
    if after.intent_version is None:
        credential.intent_at = None
    credential.refresh_due_at = _due_after(one, decision, after, credential, now)
    credential.save()
    if connection is not None:
        _tell(one, decision, before, credential, connection)
    return Settled(one, decision, after.version if after.version > before.version else None)


def _keep_spare(one: Outcome) -> None:
    assert one.tokens is not None
    spares.keep(
        one.claimed.row.credential_id,
        one.tokens,
        parent=one.claimed.row.parent,
        received_at=one.received_at,
        expires_at=expires_at(one),
        source=one.claimed.caller,
    )


def _due_after(
    one: Outcome, decision: Decision, after: GrantView, credential: Credential, now: datetime
) -> datetime | None:
    """When it is asked next. Of what is in doubt it stays past: the lease alone holds it back.

    Neither a back-off nor the vendor's Retry-After may: any call without an answer may be the one
    that spent the parent, the last as well as the first, and then a grace of ten minutes runs.
    """
    if after.intent_version is not None:
        return credential.refresh_due_at
    if decision is Decision.NEEDS_REAUTHORIZATION:
        return None
    if decision is Decision.CANDIDATE_PROMOTED:
        return now
    if decision is Decision.SUSPECT:
        return lineage.look_again_at(after, now)
    if decision in {Decision.RETRY_LATER, Decision.BREAKER}:
        asked = one.error.retry_after_seconds if isinstance(one.error, SAYS_WHEN) else None
        return lineage.retry_at(now, one.claimed.row.attempts, retry_after_seconds=asked)
    return credential.refresh_due_at


def _tell(
    one: Outcome,
    decision: Decision,
    before: GrantView,
    credential: Credential,
    connection: Connection,
) -> None:
    """What this means for the connection's health. A vendor that stumbles is not worth a word
    while its last token lives."""
    code = one.error.code if one.error else ""
    if one.answer is AnswerClass.REFUSED:
        health.settled(connection, decision, LOST if one.claimed.row.doubted else code, before)
        return
    if one.answer is AnswerClass.KEPT or decision is Decision.IGNORED_MOVED_ON:
        return
    life = (credential.expires_at - one.received_at) if credential.expires_at else LIFE_UNSAID
    if one.claimed.row.attempts >= TRIES_UNSAID or life < LIFE_UNSAID:
        health.troubled(connection, code)
