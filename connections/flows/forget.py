"""After a revocation: the sealed secret and everything read go, in portions; a worker's work."""

from __future__ import annotations

import logging

from django.utils import timezone

from connections import places
from connections.errors import VendorError
from connections.flows import marks, parting, replacement, withdrawal
from connections.models import Connection, Credential, Member, Project, Repository, Workspace
from portal import tenancy, work

PORTION = 2000

log = logging.getLogger(__name__)


def perform(claim: work.Claim, *, connection_id: str) -> None:
    """No credential and no synced row of this connection is left; runs and checks stay."""
    _withdraw_made(claim, connection_id)
    _revoke_grant(claim, connection_id)
    with tenancy.transaction():
        claim.hold()
        connection = _revoked(connection_id)
        if connection is None:
            return
        _end_replacement(connection)
        for credential in Credential.objects.filter(connection_id=connection_id):
            places.forget_credential(credential)
            marks.raised(connection, credential, revoked=True)
        Credential.objects.filter(connection_id=connection_id, replaced_at=None).update(
            replaced_at=timezone.now(),
            refreshable=False,
            refresh_due_at=None,
            intent_version=None,
            intent_at=None,
            lease_owner=None,
            lease_until=None,
        )
    for model in (Repository, Project, Member):
        while _portion(claim, model, connection_id):
            pass
    with tenancy.transaction():
        claim.hold()
        Workspace.objects.filter(connection_id=connection_id).update(
            selected=False, repository_count=0, gone_at=timezone.now()
        )
        claim.done()


def _revoked(connection_id: str) -> Connection | None:
    found: Connection | None = Connection.objects.filter(
        id=connection_id, state=Connection.State.REVOKED
    ).first()
    return found


def _withdraw_made(claim: work.Claim, connection_id: str) -> None:
    """Tokens that the vendor made for us, which nobody else knows, go while they can be sent."""
    with tenancy.transaction():
        connection = _revoked(connection_id)
        rows = withdrawal.made_by_us(connection) if connection else []
    for row in rows:
        withdrawal.withdraw_made(claim, row)


def _revoke_grant(claim: work.Claim, connection_id: str) -> None:
    """Where the vendor has a revocation endpoint the grant ends there, or was tried a few times."""
    with tenancy.transaction():
        if _revoked(connection_id) is None:
            return
        rows = Credential.objects.filter(connection_id=connection_id, replaced_at=None)
        one = rows.select_related("connection", "connection__consumer").first()
    try:
        if one is not None:
            parting.revoke_grant(one)
    except VendorError as error:
        if error.retry and claim.job.attempts < withdrawal.TRIES:
            raise
        log.warning("revocation.not_withdrawn", extra={"code": error.code})
    except LookupError:  # its method is gone from the code, or its secret from here
        log.warning("revocation.not_withdrawn", extra={"code": "unknown_method"})


def _end_replacement(connection: Connection) -> None:
    one = replacement.under_way(connection)
    if one is not None:
        replacement.put_to_work(one, one.Stage.DROPPING)


def _portion(claim: work.Claim, model: type, connection_id: str) -> int:
    with tenancy.transaction():
        claim.hold()
        rows = model.objects.filter(workspace__connection_id=connection_id)  # type: ignore[attr-defined]
        ids = list(rows.values_list("id", flat=True)[:PORTION])
        deleted: int = model.objects.filter(id__in=ids).delete()[0] if ids else 0  # type: ignore[attr-defined]
        return deleted
