"""Where each sealed secret of the first floor lives: one function per kind of secret."""

from __future__ import annotations

from connections.models import Consumer, Credential, PendingLink
from portal import vault
from portal.vault import Place

DOMAIN = "grant"

CREDENTIALS, LINKS, CONSUMERS = (
    "connections_credential",
    "connections_pendinglink",
    "connections_consumer",
)

# What a credential or a link under way may hold: an access token and its refresh token, or the
# pasted secret; and, of a link, the vendor's code with our PKCE verifier.
ACCESS, REFRESH, SECRET, CODE, VERIFIER = "access", "refresh", "secret", "code", "verifier"


def of_credential(credential: Credential, field: str) -> Place:
    return Place(credential.organization_id, CREDENTIALS, credential.id, field, DOMAIN)


def of_link(pending: PendingLink, field: str) -> Place:
    return Place(pending.organization_id, LINKS, pending.id, field, DOMAIN)


def of_consumer(consumer: Consumer, field: str = SECRET) -> Place:
    return Place(consumer.organization_id, CONSUMERS, consumer.id, field, DOMAIN)


def forget_credential(credential: Credential) -> None:
    """Nothing is sealed for this credential any more."""
    for field in (ACCESS, REFRESH, SECRET):
        vault.forget(of_credential(credential, field))
