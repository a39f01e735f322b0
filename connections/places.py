"""Where each sealed secret of the first floor lives: one function per kind of secret."""

from __future__ import annotations

from uuid import UUID

from connections.models import Candidate, Consumer, Credential, PendingLink
from portal import vault
from portal.vault import Place

DOMAIN = "grant"
ACCESS_DOMAIN = "access"  # the api process opens it too, and nothing else
HOOK_DOMAIN = "webhook"  # the ingest process opens it too, and nothing else

IMPORTS, HOOKS = "connections_importrow", "connections_hookendpoint"
CREDENTIALS, CANDIDATES, LINKS, CONSUMERS = (
    "connections_credential",
    "connections_candidate",
    "connections_pendinglink",
    "connections_consumer",
)

# What a credential or a link under way may hold: an access token and its refresh token, or the
# pasted secret; and, of a link, the vendor's code with our PKCE verifier.
ACCESS, REFRESH, SECRET, CODE, VERIFIER = "access", "refresh", "secret", "code", "verifier"


def of_credential(credential: Credential, field: str) -> Place:
    return of_grant(credential.organization_id, credential.id, field)


def of_grant(organization_id: UUID, credential_id: UUID, field: str) -> Place:
    """As `of_credential`, by the credential's id alone."""
    domain = ACCESS_DOMAIN if field == ACCESS else DOMAIN
    return Place(organization_id, CREDENTIALS, credential_id, field, domain)


def of_candidate(organization_id: UUID, candidate_id: UUID, field: str) -> Place:
    return Place(organization_id, CANDIDATES, candidate_id, field, DOMAIN)


def of_link(pending: PendingLink, field: str) -> Place:
    return Place(pending.organization_id, LINKS, pending.id, field, DOMAIN)


def of_import(organization_id: UUID, row_id: UUID, field: str) -> Place:
    """What a row of an import brought, until its connection is there."""
    return Place(organization_id, IMPORTS, row_id, field, DOMAIN)


def of_consumer(consumer: Consumer, field: str = SECRET) -> Place:
    return Place(consumer.organization_id, CONSUMERS, consumer.id, field, DOMAIN)


def of_hook(organization_id: UUID, endpoint_id: UUID, field: str) -> Place:
    """Of an address for webhooks: its `secret`, the `previous` one, and the `address` itself."""
    return Place(organization_id, HOOKS, endpoint_id, field, HOOK_DOMAIN)


def forget_credential(credential: Credential) -> None:
    """Nothing is sealed for this credential any more, nor for its spare answers."""
    for field in (ACCESS, REFRESH, SECRET):
        vault.forget(of_credential(credential, field))
    for candidate in Candidate.objects.filter(credential_id=credential.id):
        forget_candidate(candidate)


def forget_candidate(candidate: Candidate) -> None:
    """The spare answer is gone, with what was sealed for it."""
    for field in (ACCESS, REFRESH):
        vault.forget(of_candidate(candidate.organization_id, candidate.id, field))
    candidate.delete()
