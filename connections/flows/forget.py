"""After a revocation: the sealed secret and everything read go, in portions; a worker's work."""

from __future__ import annotations

import logging
from uuid import UUID

from django.db.models import Q
from django.utils import timezone

from connections import places
from connections.errors import VendorError
from connections.flows import (
    hook_leaving,
    hook_secrets,
    marks,
    parting,
    persons,
    replacement,
    withdrawal,
)
from connections.flows.shelves import SHELVES, Kept
from connections.models import (
    Connection,
    Credential,
    Delivery,
    DirtyTarget,
    Inquiry,
    MissedEvent,
    Push,
    Repository,
    StreamState,
    Workspace,
)
from portal import tenancy, work

PORTION = 2000
GONE = "connection_gone"
# Everything that was read, what hangs on a repository before the repositories.
OF_REPOSITORIES = {s.model for s in SHELVES.values() if s.is_of_repository}
OF_WORKSPACES = {s.model for s in SHELVES.values()} - OF_REPOSITORIES - {Repository}
READ: tuple[tuple[Kept, str], ...] = (
    (StreamState, "connection_id"),
    (Inquiry, "connection_id"),
    (Push, "connection_id"),
    (DirtyTarget, "connection_id"),
    (MissedEvent, "connection_id"),
    *((model, "connection_id") for model in OF_REPOSITORIES),
    (Repository, "connection_id"),
    *((model, "workspace__connection_id") for model in OF_WORKSPACES),
)

log = logging.getLogger(__name__)


def perform(claim: work.Claim, *, connection_id: str) -> None:
    """No credential and no synced row of this connection is left; runs and checks stay.

    Of what came in by webhook it stays on record that it came, and nothing of what it said.
    Hooks of ours go first, while there is a credential to ask with.
    """
    hook_leaving.remove_all(claim, connection_id)
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
        hook_secrets.forget(connection_id)
        Credential.objects.filter(connection_id=connection_id, replaced_at=None).update(
            replaced_at=timezone.now(),
            refreshable=False,
            refresh_due_at=None,
            intent_version=None,
            intent_at=None,
            lease_owner=None,
            lease_until=None,
        )
    while _silenced(claim, connection_id):
        pass
    for model, place in READ:
        while _portion(claim, model, {place: connection_id}):
            pass
    with tenancy.transaction():
        claim.hold()
        persons.forget(UUID(connection_id))
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


def _silenced(claim: work.Claim, connection_id: str) -> int:
    """The next portion of deliveries says nothing any more; none of them waits to be applied."""
    with tenancy.transaction():
        claim.hold()
        there = Delivery.objects.filter(connection_id=connection_id)
        says = ~Q(body=None) | ~Q(effect={}) | Q(state=Delivery.State.NEW)
        ids = list(there.filter(says).values_list("id", flat=True)[:PORTION])
        here = Delivery.objects.filter(id__in=ids)
        here.filter(state=Delivery.State.NEW).update(
            state=Delivery.State.IGNORED, error=GONE, next_at=None
        )
        emptied: int = here.update(body=None, effect={}, error_detail="", tries=[])
        return emptied


def _portion(claim: work.Claim, model: Kept, where: dict[str, str]) -> int:
    with tenancy.transaction():
        claim.hold()
        rows = model.objects.filter(**where)
        ids = list(rows.values_list("id", flat=True)[:PORTION])
        deleted: int = model.objects.filter(id__in=ids).delete()[0] if ids else 0
        return deleted
