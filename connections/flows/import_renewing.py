"""An import meets an access token that has ended: its refresh token is spent, once and with care.

A refresh token is spent for good (RFC 6749 §6). So nothing is asked that is in vain anyway, the
answer is sealed before anything else happens, and it stays sealed where no connection came of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.utils import timezone

from connections import places
from connections.access import Way, endpoint_of
from connections.contracts import BASE_URL
from connections.errors import Misconfigured, ReauthorizationRequired, VendorError
from connections.flows import (
    import_asking as asking,
    import_replacing as replacing,
    import_settling as settling,
)
from connections.flows.import_asking import REFRESH, TOKEN, Asked, Pace
from connections.flows.imports import IMPORT
from connections.models import ImportBatch, ImportRow
from connections.oauth_wire import TokenAnswer, TokenEndpoint
from portal import tenancy, vault, work
from portal.secret import Secret
from portal.steps import step

Outcome = ImportRow.Outcome


class NameTaken(VendorError):
    """No connection can come of the row, whatever the vendor says: its grant is left alone."""

    code = "name_taken"


class DefaultTaken(VendorError):
    """The same, because the organization has its default connection already."""

    code = "default_taken"


class Personal(VendorError):
    """The same, because the rotation policy allows none that acts as a person by now."""

    code = replacing.PERSONAL


def renew(claim: work.Claim, batch: ImportBatch, many: Sequence[Asked], pace: Pace) -> None:
    """Those whose access token had ended are asked about by a new one. Raises LeaseLost."""
    for one in many:
        if one.refresh is not None and isinstance(one.error, ReauthorizationRequired):
            pace.wait()
            with tenancy.transaction():
                claim.hold()  # the whole lease: longer than the vendor may take to answer
                in_vain = None if batch.replaces else _in_vain(one)
            if in_vain is not None:
                one.error = in_vain
            else:
                _renew(claim, one, pace)


def _in_vain(one: Asked) -> VendorError | None:
    if settling.name_is_taken(one.row):
        return NameTaken()
    if replacing.acts_as_forbidden(one, None):
        return Personal()
    return DefaultTaken() if settling.default_is_taken(one.row) else None


def _renew(claim: work.Claim, one: Asked, pace: Pace) -> None:
    """Dying before it is sealed is what the vendor's grace is for: the next worker asks again."""
    assert one.way is not None and one.refresh is not None
    one.error = None
    try:
        endpoint = _endpoint(one.way, one.row)
        answer = endpoint.refresh(refresh_token=one.refresh.reveal())
    except VendorError as error:
        one.error = error
        return
    _seal(claim, one, answer)
    step("import.renewed")
    asking.identify(one, pace)


def _endpoint(way: Way, row: ImportRow) -> TokenEndpoint:
    """Where the row's consumer renews; Misconfigured when it belongs to another server."""
    if row.consumer is not None and row.consumer.base_url != row.fields.get(BASE_URL, ""):
        raise Misconfigured("The OAuth consumer belongs to another server than this row.")
    return endpoint_of(way.manifest, row.consumer)


def _seal(claim: work.Claim, one: Asked, answer: TokenAnswer) -> None:
    row = one.row
    one.secret = Secret(answer.access_token)
    one.refresh = Secret(answer.refresh_token) if answer.refresh_token else one.refresh
    assert one.refresh is not None
    with tenancy.transaction():
        claim.hold()
        one.expires_at = row.expires_at = _from_now(answer.expires_in_seconds)
        row.renewed_at = timezone.now()
        vault.keep(places.of_import(row.organization_id, row.id, TOKEN), one.secret)
        vault.keep(places.of_import(row.organization_id, row.id, REFRESH), one.refresh)
        row.save(update_fields=["expires_at", "renewed_at"])


def _from_now(seconds: int) -> datetime:
    return datetime.now().astimezone() + timedelta(seconds=seconds)


def retry(claim: work.Claim, *, batch_id: str) -> None:
    """The rows whose renewed grant is kept wait for the vendor again."""
    with tenancy.transaction():
        claim.hold()
        batch = ImportBatch.objects.select_for_update().get(id=batch_id)
        if batch.state == ImportBatch.State.RUNNING:
            again = asking.kept(batch.id)
            again.update(outcome=Outcome.WAITING, code="", detail="", attempts=0, done_at=None)
            work.later(IMPORT, priority=work.FULL, batch_id=batch.id)
        claim.done()


def let_go(batch_id: UUID) -> None:
    """What was kept to be tried again is erased; the rows say that the grant is used up.

    Call it inside a transaction.
    """
    asking.erase(list(asking.to_forget(asking.kept(batch_id))))
    asking.kept(batch_id).update(code=asking.GRANT_USED, detail="")
