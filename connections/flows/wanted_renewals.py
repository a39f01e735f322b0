"""The job that renews one grant because somebody waits for its token."""

from __future__ import annotations

import logging

from connections.errors import VendorError
from connections.flows import refresh, settlement
from connections.flows.refreshing import Caller
from connections.flows.renewals import BUDGET_SECONDS
from connections.models import Credential
from portal import clock, tenancy, work

log = logging.getLogger(__name__)


def renew_one(
    claim: work.Claim, *, credential_id: str, min_ttl_seconds: str = str(refresh.LEFT_SECONDS)
) -> None:
    """The grant's token lives that long, or its rows say why not; who waits for it reads them.

    After a failure the schedule tries again, and nobody's waiting makes it come sooner; nor does
    it bring another one a moment after the last, whose life is all that there is.
    """
    with tenancy.transaction():
        current = Credential.objects.select_related("connection", "connection__consumer")
        credential = current.filter(id=credential_id, replaced_at=None).first()
        if credential is None or not credential.connection.is_live:
            return
    now, due_at, renewed_at = clock.now(), credential.refresh_due_at, credential.refreshed_at
    if credential.refresh_attempts and due_at is not None and due_at > now:
        return
    if renewed_at is not None and now - renewed_at < settlement.SOONEST:
        return
    try:
        refresh.fresh(
            credential.connection,
            min_ttl_seconds=int(min_ttl_seconds),
            wait_seconds=0,  # who waits looks by itself, and no hand of ours waits with it
            caller=Caller.LEASE,
        )
    except refresh.NoBudget as error:
        raise work.RetryLater("no_budget", seconds=BUDGET_SECONDS, free=True) from error
    except VendorError as error:
        log.info("refresh.not_fresh", extra={"credential_id": credential_id, "code": error.code})
