"""Spare answers: tokens that came second are kept, and tried when the first are refused."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from connections import lineage, places
from connections.models import Candidate, Credential
from connections.oauth_answers import TokenAnswer
from portal import vault, vault_many
from portal.secret import Secret

FIELDS = (places.ACCESS, places.REFRESH)


def keep(
    credential_id: UUID,
    tokens: TokenAnswer,
    *,
    parent: int,
    received_at: datetime,
    expires_at: datetime,
    source: str,
) -> None:
    """The answer is a spare one of this credential."""
    made: Candidate = Candidate.objects.create(
        credential_id=credential_id,
        parent=parent,
        received_at=received_at,
        expires_at=expires_at,
        scopes=None if tokens.scopes is None else sorted(tokens.scopes),
        source=source,
    )
    at = {field: places.of_candidate(made.organization_id, made.id, field) for field in FIELDS}
    sealed = [(at[places.ACCESS], Secret(tokens.access_token))]
    if tokens.refresh_token:
        sealed.append((at[places.REFRESH], Secret(tokens.refresh_token)))
    vault_many.keep_many(sealed)


def counted(credential_ids: Iterable[UUID]) -> dict[UUID, int]:
    """How many spare answers each of these has."""
    found: dict[UUID, int] = {}
    spare = Candidate.objects.filter(credential_id__in=list(credential_ids))
    for credential_id in spare.values_list("credential_id", flat=True):
        found[credential_id] = found.get(credential_id, 0) + 1
    return found


def promote(credential: Credential) -> None:
    """The newest spare answer's tokens are the credential's; its version is the caller's to set."""
    spare = Candidate.objects.filter(credential_id=credential.id).order_by("-received_at")[0]
    for field in FIELDS:
        at = places.of_candidate(spare.organization_id, spare.id, field)
        if vault.holds(at):
            vault.keep(places.of_credential(credential, field), vault.open(at))
    credential.expires_at, credential.refreshed_at = spare.expires_at, spare.received_at
    if spare.scopes is not None:
        credential.scopes = spare.scopes
    places.forget_candidate(spare)


def forget_outlived(parents: dict[UUID, int]) -> None:
    """Spare answers that a refresh of these credentials from these versions made useless go."""
    for spare in Candidate.objects.filter(credential_id__in=list(parents)):
        if lineage.is_outlived(spare.parent, parents[spare.credential_id]):
            places.forget_candidate(spare)


def forget_old(before: datetime) -> None:
    """Spare answers from before then, whose refresh tokens died unused, go."""
    for spare in Candidate.objects.filter(received_at__lt=before)[:100]:
        places.forget_candidate(spare)
