"""Before the switch: whose the new credential is, and what it may do that the old one might not."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from connections import access, exchanging, looked_up, places
from connections.access import Way
from connections.contracts import Identity, MethodKind, TokenAnswer
from connections.errors import VendorError
from connections.flows import (
    accounts,
    checks,
    counted,
    stages,
    telling_replacements as telling,
    tokens,
)
from connections.flows.replacement import new_place
from connections.models import Credential, Replacement
from portal import audit, clock, tenancy, vault, work
from portal.secret import Secret
from portal.steps import step

Stage = Replacement.Stage
BECAUSE_EXPIRY = "expiry"
SAID = 30  # scopes and capabilities that are named


def check(claim: work.Claim, one: Replacement) -> None:
    """The vendor was asked about the new one; the old one was not touched."""
    way = stages.way_of(one)
    try:
        way = looked_up.completed(way)
        one.fields = way.fields
        secret = tokens.resealed(new_place(one))
        given = _exchanged(one, way, secret)
        secret = Secret(given.access_token) if given else secret
        api = counted.api(way, secret, one.connection, lambda _: claim.stay())
        identity = _told(one, way.connector.identify(api, one.fields, way.method), given)
    except VendorError as error:
        if error.retry:
            raise
        refuse(claim, one, error.code, error.detail)
        return
    step("replacement.identified")
    problem = _problem(one, way, identity)
    if problem:
        refuse(claim, one, *problem)
    else:
        _keep(claim, one, way, secret, identity, given)


def _exchanged(one: Replacement, way: Way, secret: Secret) -> TokenAnswer | None:
    """The access token for a secret that is exchanged, asked with the scopes of the one in use."""
    if way.method.kind is not MethodKind.EXCHANGED:
        return None
    with tenancy.transaction():
        old = stages.current(one.connection)
    speaks_so = old is not None and old.vocabulary == way.method.vocabulary
    scopes = frozenset(old.scopes or ()) if old is not None and speaks_so else frozenset()
    return exchanging.exchanged(way, secret, scopes=scopes)


def _told(one: Replacement, identity: Identity, given: TokenAnswer | None) -> Identity:
    """What the vendor said, of scopes also when it made or exchanged the token for us."""
    made = given.scopes if given else one.found.get("made_scopes")
    return (
        replace(identity, scopes=frozenset(made)) if made and identity.scopes is None else identity
    )


def refuse(claim: work.Claim, one: Replacement, code: str, detail: str = "") -> None:
    """It is not used; everything is as it was, and of what was entered the secret is gone."""
    with stages.at(claim, one, Stage.CHECKING) as row:
        if row is not None:
            refused(row, code, detail)


def refused(row: Replacement, code: str, detail: str = "") -> None:
    """The same inside the transaction that holds the row."""
    if row.automatic:
        stages.drop(row, Stage.FAILED, error=code, detail=detail)
        telling.rotation_failed(row)
    else:
        vault.discard(new_place(row))
        vault.forget(new_place(row))
        stages.move(row, Stage.ENTERING, error=code, detail=detail)
    audit.record(
        audit.Action.REPLACEMENT_REFUSED,
        actor=stages.actor_of(row),
        subject=row.connection,
        error=code,
    )


def _problem(one: Replacement, way: Way, identity: Identity) -> tuple[str, str] | None:
    """Why it cannot take the old one's place: code and detail."""
    connection = one.connection
    found = identity.account.remote_id
    with tenancy.transaction():
        if accounts.is_proven(connection) and found != connection.account_id:
            return "replaced_by_other", identity.account.name
        other = accounts.acting_as(
            found, connector=connection.connector, consumer_id=None, but=connection.id
        )
        if other is not None:
            name = accounts.told_name(other, one.user_id) if one.user_id else other.name
            return "account_taken", name
    if accounts.moves(connection, one.fields, way.method):
        return "other_place", ""
    missing = _missing(one, way, identity.vocabulary, identity.scopes)
    if one.automatic and missing:
        return "scope_missing", ", ".join(missing)
    return None


def _keep(
    claim: work.Claim,
    one: Replacement,
    way: Way,
    secret: Secret,
    identity: Identity,
    given: TokenAnswer | None,
) -> None:
    with stages.at(claim, one, Stage.CHECKING) as row:
        if row is None:
            return
        made = row.found
        expires_at = identity.expires_at or _said(made)
        again_at = expires_at if given else _again_at(row, expires_at)
        if given:
            expires_at = clock.now() + timedelta(seconds=given.expires_in_seconds)
            vault.keep(places.of_grant(row.organization_id, row.new_id, places.ACCESS), secret)
        row.fields = one.fields
        Credential.objects.create(
            id=row.new_id,
            connection_id=row.connection_id,
            **accounts.told(identity, secret),
            expires_at=expires_at,
            refreshable=given is not None,
            rotate_by=again_at,
            rotate_because=BECAUSE_EXPIRY if again_at else "",
            token_id=made.get("token_id", ""),
            identified_version=1,
            replaced_at=clock.now(),
        )
        row.found = made | _comparison(row, way, identity)
        row.checked_at = clock.now()
        stages.move(row, Stage.SWITCHING if row.automatic else Stage.CHECKED)


def _said(made: dict[str, Any]) -> datetime | None:
    """When it ends, as the vendor said that made it for us, or the person who pasted it."""
    said = made.get("expires_at")
    return datetime.fromisoformat(said) if said else None


def _again_at(row: Replacement, expires_at: datetime | None) -> datetime | None:
    """What is rotated without being asked goes on so, with a tenth of its life left."""
    if not row.automatic or expires_at is None:
        return None
    old = stages.current(row.connection)
    goes_on = old is not None and old.rotate_because == BECAUSE_EXPIRY
    if row.because == Replacement.Because.PERSON and not goes_on:
        return None
    return expires_at - (expires_at - clock.now()) / 10


def _comparison(row: Replacement, way: Way, identity: Identity) -> dict[str, Any]:
    """What a person is shown before they switch."""
    account = identity.account
    old, before = stages.current(row.connection), access.way_of(row.connection)
    had = _can(before, old.vocabulary, old.scopes) if old else None
    has = _can(way, identity.vocabulary, identity.scopes)
    words = _words(identity.scopes), _words(old.scopes if old else None)
    same_words = old is not None and old.vocabulary == identity.vocabulary
    return {
        "account": account.name[:200],
        "account_id": account.remote_id,
        "account_kind": account.kind,
        "account_url": account.url[:500],
        "scopes": None if identity.scopes is None else sorted(identity.scopes),
        "gains": _titles(way, has - had) if has is not None and had is not None else [],
        "loses": _titles(way, had - has) if has is not None and had is not None else [],
        "new_scopes": sorted(words[0] - words[1])[:SAID] if same_words else [],
        "lost_scopes": sorted(words[1] - words[0])[:SAID] if same_words else [],
        "missing": _missing(row, way, identity.vocabulary, identity.scopes),
        "was_proven": accounts.is_proven(row.connection),
    }


def _can(way: Way, vocabulary: str, scopes: Any) -> set[str] | None:
    """Which capabilities these scopes allow; None when the vendor does not say."""
    if scopes is None:
        return None
    granted = frozenset(scopes)
    return {
        each.key
        for each in way.manifest.capabilities
        if vocabulary in each.scopes and not checks.missing_scopes(way, each, vocabulary, granted)
    }


def _missing(
    row: Replacement, way: Way, vocabulary: str, granted: frozenset[str] | None
) -> list[str]:
    """The capabilities of this connection that the new one lacks a scope for."""
    known = {each.key: each for each in way.manifest.capabilities}
    return [
        known[key].title
        for key in row.connection.capabilities
        if key in known and checks.missing_scopes(way, known[key], vocabulary, granted)
    ]


def _titles(way: Way, keys: set[str]) -> list[str]:
    return [each.title for each in way.manifest.capabilities if each.key in keys][:SAID]


def _words(scopes: Any) -> set[str]:
    return set(scopes or ())
