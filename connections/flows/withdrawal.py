"""The end of a replacement: what is no longer used is withdrawn, and erased here."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import timedelta
from typing import Final

from django.db.models import QuerySet

from connections import access, places
from connections.contracts import IssuesTokens
from connections.errors import ReauthorizationRequired, Refused, RemoteGone, VendorError
from connections.flows import counted, refresh, stages, telling_replacements as telling
from connections.flows.refreshing import Caller
from connections.flows.replacement import new_place, put_to_work
from connections.models import Connection, Credential, Replacement
from connections.vendor_api import VendorApi
from portal import audit, clock, everybody, tenancy, vault, work
from portal.policy import SYSTEM
from portal.secret import Secret
from portal.steps import step

Stage = Replacement.Stage
How = Replacement.How
REMIND_AFTER: Final = timedelta(days=1)
UNFINISHED_AFTER: Final = timedelta(days=7)
FORGOTTEN_AFTER: Final = timedelta(days=14)
TRIES: Final = 3  # at a revocation, which must not wait long
LEFT, UNFINISHED = "left_at_vendor", "unfinished"
STILL_WORKS: Final = "The vendor still accepts it: it is kept somewhere else than we asked."
log = logging.getLogger(__name__)


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
    """The old token withdraws itself, or the new one does it; then the old one is tried.

    Raises the last refusal when the old one is still accepted, or nobody is, and what waiting may
    cure: "not found" may come from another place than where the token is, or to a stranger.
    """
    last: VendorError | None = None
    kept, in_use = _kept(one), refresh.fresh(one.connection, caller=Caller.VERIFY, is_urgent=True)
    for secret in filter(None, (kept, in_use)):
        try:
            _withdraw(claim, one, secret, one.old_token_id)
        except RemoteGone:
            last = None
        except VendorError as error:
            if error.retry:
                raise
            last = error
            continue
        break
    works = last is not None if kept is None else _is_accepted(claim, one, kept, before=True)
    if works or (last is not None and not _is_accepted(claim, one, in_use)):
        raise last or Refused(STILL_WORKS)


def _kept(one: Replacement) -> Secret | None:
    """The old secret while it is sealed here."""
    with tenancy.transaction():
        old = stages.credential(one.old_id)
        place = places.of_credential(old, access.secret_field(old)) if old else None
        return access.opened(place) if place and vault.holds(place) else None


def _is_accepted(
    claim: work.Claim, one: Replacement, secret: Secret, *, before: bool = False
) -> bool:
    """Whether the vendor still takes this secret for somebody. Raises what waiting may cure."""
    with tenancy.transaction():
        way = access.way_of(one.connection)
    fields, method = one.connection.fields, way.method
    if before:
        fields, method = fields | one.before["fields"], stages.method_before(one)
    way = replace(way, fields=fields, method=method)
    try:
        api = counted.api(way, secret, one.connection, lambda _: claim.stay())
        way.connector.identify(api, fields, method)
    except ReauthorizationRequired:
        return False
    except VendorError as error:
        if error.retry:
            raise
    return True


def _made_at_the_vendor(claim: work.Claim, one: Replacement) -> None:
    """What was made for this attempt withdraws itself, or the token in use withdraws it by name.

    Raises the refusal of the token in use when both are refused, and what waiting may cure.
    """
    if _withdrew_itself(claim, one):
        return
    secret = refresh.fresh(one.connection, caller=Caller.VERIFY, is_urgent=True)
    vendor, api = _asked(claim, one, secret)
    method, fields = stages.method_before(one), one.connection.fields
    for token_id in vendor.token_ids(api, fields, method, name=one.token_name):
        vendor.withdraw_token(api, fields, method, token_id=token_id)


def _withdrew_itself(claim: work.Claim, one: Replacement) -> bool:
    """Whether the token that was made, while it is sealed here, withdrew itself at the vendor."""
    with tenancy.transaction():
        made = access.opened(new_place(one)) if vault.holds(new_place(one)) else None
    token_id = one.found.get("token_id", "")
    if made is None or not token_id:
        return False
    try:
        _withdraw(claim, one, made, token_id)
    except VendorError as error:
        if error.retry:
            raise
        return isinstance(error, RemoteGone)
    return True


def withdraw_made(claim: work.Claim, one: Replacement) -> None:
    """Before everything is erased: of what we had made for a revoked connection, what can be
    withdrawn is, and of the rest people are told. Raises what waiting may cure a few times."""
    code = ""
    try:
        _made_at_the_vendor(claim, one)
    except (VendorError, KeyError) as error:
        if isinstance(error, VendorError) and error.retry and claim.job.attempts < TRIES:
            raise
        code = error.code if isinstance(error, VendorError) else "unknown_connector"
        log.warning("replacement.left_at_vendor", extra={"code": code})
    with tenancy.transaction():
        claim.hold()
        row = Replacement.objects.select_related("connection").get(id=one.id)
        if code:
            telling.left_at_vendor(row)
        row.found |= {stages.MAY_BE_THERE: False}
        row.save(update_fields=["found"])


def made_by_us(connection: Connection) -> list[Replacement]:
    """Those whose token, made by the vendor for us, may work there still: in use or not."""
    rows = Replacement.objects.select_related("connection", "connection__consumer").filter(
        connection_id=connection.id, automatic=True
    )
    return [row for row in rows if _may_be_there(row) or vault.holds(new_place(row))]


def _may_be_there(row: Replacement) -> bool:
    """Whether a token of this attempt, which is not in use, may work at the vendor."""
    was_made = bool(row.found.get("token_id"))
    return bool(row.found.get(stages.MAY_BE_THERE, was_made)) and row.ended_at is None


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
    return way.connector, counted.api(way, secret, one.connection, lambda _: claim.stay())


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
    is_left = False
    if _may_be_there(one):
        try:
            _made_at_the_vendor(claim, one)
        except VendorError as error:
            if error.retry:
                raise
            is_left = True
        step("replacement.dropped")
    with stages.at(claim, one, Stage.DROPPING) as row:
        if row is not None:
            dropped(row, is_left=is_left)


def dropped(row: Replacement, *, is_left: bool = False) -> None:
    """The same inside the transaction that holds the row; `is_left`: the token works on there."""
    if is_left:
        row.error, row.error_detail = LEFT, row.token_name
        telling.left_at_vendor(row)
    vault.discard(new_place(row))
    for name in (places.SECRET, places.ACCESS, places.REFRESH):  # an import may bring a grant
        vault.forget(places.of_grant(row.organization_id, row.new_id, name))
    if row.switched_at is None:
        Credential.objects.filter(id=row.new_id).exclude(replaced_at=None).delete()
    telling.decided(row.connection)
    ends_as = str(row.found.get(stages.ENDS_AS, Stage.CANCELLED))
    stages.end(row, ends_as, error=row.error, detail=row.error_detail)
    if ends_as == Stage.CANCELLED:
        audit.record(
            audit.Action.REPLACEMENT_CANCELLED,
            actor=SYSTEM if row.error == UNFINISHED else stages.actor_of(row),
            subject=row.connection,
        )


# ── What a person has left lying ──────────────────────────────────────────────────────────────


@work.every("connections.withdrawals", 3600)
def look_after() -> None:
    """Old ones that expired are erased, and what nobody finished is dropped; of the others
    somebody is reminded."""
    everybody.for_each(everybody.organizations(), _look_after)


def _look_after() -> None:
    with tenancy.transaction():
        for row in _held().filter(stage=Stage.SWITCHED):
            old = stages.credential(row.old_id)
            if old is None or _has_expired(old):
                row.withdrawn_how = How.EXPIRED
                put_to_work(row, Stage.WITHDRAWING)
            elif _is_forgotten(row):
                telling.to_withdraw(row)
                _try_again(row)
        late = clock.now() - UNFINISHED_AFTER
        for row in _held().filter(stage__in=(Stage.ENTERING, Stage.CHECKED), asked_at__lte=late):
            if row.stage == Stage.CHECKED and row.asked_at > clock.now() - FORGOTTEN_AFTER:
                telling.waits(row)
            else:
                row.error = UNFINISHED
                dropped(row)


def _held() -> QuerySet[Replacement]:
    """With its connection locked: what somebody decides at this moment is left to them."""
    found: QuerySet[Replacement] = Replacement.objects.select_related("connection")
    return found.select_for_update(of=("connection",), no_key=True, skip_locked=True)


def _try_again(row: Replacement) -> None:
    """What we could not withdraw of our own accord is tried once more each day."""
    if row.automatic and row.old_token_id and row.asked_at <= clock.now() - REMIND_AFTER:
        row.withdrawn_how = How.VENDOR
        put_to_work(row, Stage.WITHDRAWING)


def _has_expired(old: Credential) -> bool:
    return not old.refreshable and old.expires_at is not None and old.expires_at <= clock.now()


def _is_forgotten(row: Replacement) -> bool:
    since = row.switched_at or row.created_at
    return (row.remind_at or since + REMIND_AFTER) <= clock.now()
