"""The end of a replacement: what is no longer used is withdrawn, and erased here."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from connections import access, places
from connections.contracts import IssuesTokens
from connections.errors import ReauthorizationRequired, Refused, RemoteGone, VendorError
from connections.flows import refresh, stages, telling_replacements as telling
from connections.flows.refreshing import Caller
from connections.flows.replacement import new_place, put_to_work
from connections.models import Credential, Replacement
from connections.vendor_api import VendorApi
from portal import audit, clock, everybody, tenancy, vault, work
from portal.secret import Secret
from portal.steps import step

Stage = Replacement.Stage
How = Replacement.How
REMIND_AFTER: Final = timedelta(days=1)


def withdraw(claim: work.Claim, one: Replacement) -> None:
    """The old one is withdrawn, by us where a person did not, and nothing is sealed of it."""
    if one.withdrawn_how == How.VENDOR:
        try:
            _old_at_the_vendor(claim, one)
        except VendorError as error:
            if error.retry:
                raise
            leave(claim, one, error.code, error.detail)
            return
        step("replacement.withdrawn")
    with stages.at(claim, one, Stage.WITHDRAWING) as row:
        if row is None:
            return
        old = stages.credential(row.old_id)
        if old is not None:
            places.forget_credential(old)
        stages.end(row, Stage.DONE)
        telling.withdrawn(row.connection)
        audit.record(
            audit.Action.CREDENTIAL_WITHDRAWN,
            actor=stages.actor_of(row),
            subject=row.connection,
            how=row.withdrawn_how,
        )


def _old_at_the_vendor(claim: work.Claim, one: Replacement) -> None:
    """The old token withdraws itself, or the new one does it; one that is refused is withdrawn.

    Raises the last refusal when the old one is still accepted, and what waiting may cure.
    """
    last: VendorError | None = None
    is_dead = False
    for secret in _either(one):
        try:
            _withdraw(claim, one, secret, one.old_token_id)
            return
        except RemoteGone:
            return
        except VendorError as error:
            if error.retry:
                raise
            is_dead = is_dead or (last is None and isinstance(error, ReauthorizationRequired))
            last = error
    if last is not None and not is_dead:
        raise last


def _either(one: Replacement) -> list[Secret]:
    """The old secret while it is sealed here, then the one in use."""
    with tenancy.transaction():
        old = stages.credential(one.old_id)
        place = places.of_credential(old, access.secret_field(old)) if old else None
        kept = [access.opened(place)] if place and vault.holds(place) else []
    return [*kept, refresh.fresh(one.connection, caller=Caller.VERIFY, is_urgent=True)]


def _made_at_the_vendor(claim: work.Claim, one: Replacement) -> None:
    """What was made for this attempt is withdrawn by the token in use."""
    secret = refresh.fresh(one.connection, caller=Caller.VERIFY, is_urgent=True)
    vendor, api = _asked(claim, one, secret)
    method, fields = stages.method_before(one), one.connection.fields
    for token_id in vendor.token_ids(api, fields, method, name=one.token_name):
        vendor.withdraw_token(api, fields, method, token_id=token_id)


def _withdraw(claim: work.Claim, one: Replacement, secret: Secret, token_id: str) -> None:
    vendor, api = _asked(claim, one, secret)
    fields = one.connection.fields | one.before["fields"]
    vendor.withdraw_token(api, fields, stages.method_before(one), token_id=token_id)


def _asked(claim: work.Claim, one: Replacement, secret: Secret) -> tuple[IssuesTokens, VendorApi]:
    """The vendor as this secret reaches it; Refused when it withdraws no tokens."""
    with tenancy.transaction():
        way = access.way_of(one.connection)
    if not isinstance(way.connector, IssuesTokens):
        raise Refused("Tokens of this kind can only be withdrawn by hand.")
    return way.connector, way.api(secret, on_answer=lambda _: claim.stay())


def leave(claim: work.Claim, one: Replacement, code: str, detail: str = "") -> None:
    """The vendor did not withdraw the old one: a person has to."""
    with stages.at(claim, one, Stage.WITHDRAWING) as row:
        if row is not None:
            left(row, code, detail)


def left(row: Replacement, code: str, detail: str = "") -> None:
    """The same inside the transaction that holds the row."""
    row.withdrawn_how = row.withdrawn_by_name = ""
    stages.move(row, Stage.SWITCHED, error=code, detail=detail)
    telling.to_withdraw(row)


# ── The new one goes: cancelled, refused, or gone back from ───────────────────────────────────


def drop(claim: work.Claim, one: Replacement) -> None:
    """Nothing is sealed of the new one; what we had the vendor make is withdrawn there."""
    if one.token_name:
        try:
            _made_at_the_vendor(claim, one)
        except VendorError as error:
            if error.retry:
                raise
        step("replacement.dropped")
    with stages.at(claim, one, Stage.DROPPING) as row:
        if row is not None:
            dropped(row)


def dropped(row: Replacement) -> None:
    """The same inside the transaction that holds the row."""
    vault.discard(new_place(row))
    vault.forget(new_place(row))
    if row.switched_at is None:
        Credential.objects.filter(id=row.new_id).exclude(replaced_at=None).delete()
    ends_as = str(row.found.get(stages.ENDS_AS, Stage.CANCELLED))
    stages.end(row, ends_as, error=row.error, detail=row.error_detail)
    if ends_as == Stage.CANCELLED:
        audit.record(
            audit.Action.REPLACEMENT_CANCELLED,
            actor=stages.actor_of(row),
            subject=row.connection,
        )


# ── What a person has left lying ──────────────────────────────────────────────────────────────


@work.every("connections.withdrawals", 3600)
def look_after() -> None:
    """Old ones that expired are erased; of the others somebody is reminded."""
    everybody.for_each(everybody.organizations(), _look_after)


def _look_after() -> None:
    with tenancy.transaction():
        waiting = Replacement.objects.select_related("connection").filter(stage=Stage.SWITCHED)
        for row in waiting:
            old = stages.credential(row.old_id)
            if old is None or _has_expired(old):
                row.withdrawn_how = How.EXPIRED
                put_to_work(row, Stage.WITHDRAWING)
            elif _is_forgotten(row):
                telling.to_withdraw(row)


def _has_expired(old: Credential) -> bool:
    return not old.refreshable and old.expires_at is not None and old.expires_at <= clock.now()


def _is_forgotten(row: Replacement) -> bool:
    since = row.switched_at or row.created_at
    return (row.remind_at or since + REMIND_AFTER) <= clock.now()
