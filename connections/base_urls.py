"""Where a product is: at the manifest's address, or below the base URL that a person typed.

What was typed is kept in canonical form and parses to itself. Whether it may be reached is asked
anew each time: an entry of the platform's allow-list can be withdrawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from urllib.parse import urlsplit

from django.conf import settings

from connections import allow_list, own_places
from connections.contracts import BASE_URL as BASE_URL, Manifest, OAuth2
from connections.http import Door
from connections.origins import AllowEntry, BaseUrl
from portal import tenancy


@cache
def door() -> Door:
    """This process's network door, by the settings; it refuses calls inside a transaction."""
    return Door(
        sandbox_origins=settings.SANDBOX_ORIGINS,
        replace=settings.CONNECTOR_ORIGINS,
        proxy=settings.OUTBOUND_PROXY,
        before_send=tenancy.forbid_inside_transaction,
        own_addresses=own_places.addresses(),
    )


@dataclass(frozen=True, slots=True)
class Place:
    """Where one organization reaches a product; `typed` is empty for a vendor's own."""

    manifest: Manifest
    typed: str = ""
    allow: Sequence[AllowEntry] = ()

    def base(self) -> BaseUrl:
        """The base URL that was typed; Blocked when it may not be reached."""
        return door().base_url(self.typed, allow=self.allow, own_hosts=own_places.hosts())

    def at(self, address: str) -> BaseUrl:
        """An address of the manifest; Blocked when it may not be reached."""
        if self.manifest.self_hosted is None:
            return door().vendor(address)
        base, path = self.base(), address.strip("/")
        return BaseUrl(base.origin, f"{base.path}/{path}" if path else base.path)

    def oauth(self, oauth: OAuth2) -> OAuth2:
        """The authorization server with whole addresses; Blocked when it may not be reached."""
        if self.manifest.self_hosted is None:
            return oauth
        return replace(
            oauth,
            authorize_url=str(self.at(oauth.authorize_url)),
            token_url=str(self.at(oauth.token_url)),
            revoke_url=str(self.at(oauth.revoke_url)) if oauth.revoke_url else "",
        )


def place_of(manifest: Manifest, typed: str) -> Place:
    """Where the organization that is acted for reaches this product."""
    if manifest.self_hosted is None:
        return Place(manifest)
    return Place(manifest, typed, allow_list.entries(tenancy.organization_id()))


def host_of(typed: str) -> str:
    """The host of a base URL in canonical form."""
    try:
        return urlsplit(typed).hostname or ""
    except ValueError:
        return ""
