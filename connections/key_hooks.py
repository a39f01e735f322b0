"""What a leaked key and an erasure mean for connections: a campaign; tokens withdrawn there."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Final

from connections import access, high_water
from connections.contracts import IssuesTokens
from connections.errors import VendorError
from connections.flows import campaigns, refresh, spool
from connections.flows.refreshing import Caller
from connections.models import Campaign, Connection, Credential, Repository
from portal import clock, erasing, erasure, key_stand, key_upkeep, tenancy, work
from portal.key_upkeep import Leak
from portal.policy import SYSTEM

log = logging.getLogger(__name__)

WITHIN: Final = timedelta(days=7)


@key_upkeep.on_emergency
def rotate_credentials(leak: Leak) -> None:
    """Every credential of the organization is to be replaced within a week; on record and told.

    Once for each version that leaked. Second factors are no credentials of connections.
    """
    if leak.domain == "mfa":
        return
    title = f"Replace every credential: the key {leak} leaked"
    with tenancy.transaction():
        live = Connection.objects.exclude(state=Connection.State.REVOKED)
        ids = list(live.values_list("id", flat=True))
        if not ids or Campaign.objects.filter(title=title, started_by_id=None).exists():
            return
        campaigns.start(
            actor=SYSTEM,
            goal="rotate",
            title=title,
            connection_ids=ids,
            due_at=clock.now() + WITHIN,
            because=leak.because,
        )


key_stand.on_outside(spool.under_keys)


@erasure.on_preview
def counted() -> dict[str, int]:
    live = Connection.objects.exclude(state=Connection.State.REVOKED)
    return {
        "connections": live.count(),
        "repositories": Repository.objects.filter(gone_at=None).count(),
    }


@erasing.on_parting
def withdraw_tokens(claim: work.Claim) -> bool:
    """Tokens that we had a vendor make are withdrawn there; whether nothing is left to be tried.

    What people pasted and OAuth grants end by hand at the vendor, or by themselves.
    """
    with tenancy.transaction():
        ours = Credential.objects.filter(replaced_at=None).exclude(token_id="")
        found = list(ours.select_related("connection").order_by("id"))
    answers = [_settled(claim, one) for one in found]  # each of them is asked for
    return all(answers)


def _settled(claim: work.Claim, credential: Credential) -> bool:
    """Whether this token need not be asked about again; then its row knows that."""
    claim.stay()
    if not _withdrawn(claim, credential):
        return False
    with tenancy.transaction():
        claim.hold()
        Credential.objects.filter(id=credential.id).update(token_id="")
    return True


@erasing.on_clearing
def lower_marks() -> None:
    """Nothing outside the database misses its connections: they are erased, not lost."""
    high_water.forget(tenancy.organization_id())


def _withdrawn(claim: work.Claim, credential: Credential) -> bool:
    with tenancy.transaction():
        way = access.way_of(credential.connection)
    if not isinstance(way.connector, IssuesTokens):
        return True
    try:
        secret = refresh.fresh(credential.connection, caller=Caller.VERIFY, is_urgent=True)
        way.connector.withdraw_token(
            way.api(secret, on_answer=lambda _: claim.stay()),
            way.fields,
            way.method,
            token_id=credential.token_id,
        )
    except VendorError as error:
        log.warning("erasure.not_withdrawn", extra={"code": error.code})
        return not error.retry
    return True
