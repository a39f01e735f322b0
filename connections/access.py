"""The way to a vendor for workers: unseal, renew if stale, hand out an authorised Api.

Everything here runs in a worker, the only process that can open a credential.
"""

from __future__ import annotations

import base64
import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from uuid import UUID

from connections import base_urls, oauth_wire, places, registry, used
from connections.base_urls import BASE_URL, Place, door as door
from connections.contracts import Answer, Connector, Manifest, Method, OAuth2, Scheme
from connections.errors import Misconfigured, Unavailable, VendorError, Who
from connections.http import TOKEN, Door
from connections.models import Connection, Consumer, Credential
from connections.vendor_api import Authorization, VendorApi
from portal import tenancy, vault
from portal.keys import SealBroken
from portal.secret import Secret

log = logging.getLogger(__name__)

GONE = 410

OnAnswer = Callable[[Answer], None]
OnSend = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Way:
    """How one connection, or a link under way, reaches its vendor."""

    connector: Connector
    method: Method
    fields: dict[str, str]
    consumer: Consumer | None
    place: Place = field(repr=False)
    used_by: tuple[UUID, UUID] | None = None  # organization and connection, of a linked one
    through: Door = field(default_factory=lambda: door(), repr=False)

    @property
    def manifest(self) -> Manifest:
        return self.connector.manifest

    def api(
        self,
        secret: Secret,
        *,
        on_answer: OnAnswer | None = None,
        on_send: OnSend | None = None,
        lane: str = "",
    ) -> VendorApi:
        """An Api that acts as this secret; Blocked when its place may not be reached."""
        return VendorApi(
            door=self.through,
            base=self.place.at(self.api_url),
            authorization=Authorization(self._header(secret)),
            judge=self.connector.judge,
            on_answer=self._watched(on_answer),
            on_send=on_send,
            lane=lane,
        )

    def anonymous(self, address: str = "", *, deadline_seconds: float | None = None) -> VendorApi:
        """An Api that shows no credential, at another of the vendor's addresses if one is given."""
        return VendorApi(
            door=self.through,
            base=self.place.at(address or self.api_url),
            authorization=Authorization(""),
            judge=self.connector.judge,
            deadline_seconds=deadline_seconds,
        )

    @property
    def api_url(self) -> str:
        """The address of the API, or its path below the base URL that was typed."""
        return self.method.api_url.format_map(self.fields) or self.manifest.api_url

    def _watched(self, on_answer: OnAnswer | None) -> OnAnswer:
        """Besides what the caller wants to see, an announced removal is logged (abuse case P50),
        and which endpoint a connection used is noted."""

        def see(answer: Answer) -> None:
            note_deprecation(self.manifest.slug, answer)
            if self.used_by is not None:
                used.note(*self.used_by, self.manifest.slug, answer.request)
            if on_answer is not None:
                on_answer(answer)

        return see

    def _header(self, secret: Secret) -> str:
        if self.method.scheme is Scheme.BEARER:
            return f"Bearer {secret.reveal()}"
        pair = f"{self.fields.get(self.method.basic_user, '')}:{secret.reveal()}"
        return "Basic " + base64.b64encode(pair.encode()).decode("ascii")

    def token_endpoint(self) -> oauth_wire.TokenEndpoint:
        """The vendor's token endpoint as our consumer reaches it; Misconfigured without one."""
        return endpoint_of(self.manifest, self.consumer)


def endpoint_of(manifest: Manifest, consumer: Consumer | None) -> oauth_wire.TokenEndpoint:
    """The vendor's token endpoint as this consumer reaches it; raises what `client_of` raises.

    A consumer of a self-hosted product is sent to its own base URL and to no other.
    """
    oauth = manifest.oauth
    if oauth is None or consumer is None:
        raise Misconfigured("No OAuth consumer is registered.")
    place = base_urls.place_of(manifest, consumer.base_url)
    return oauth_wire.TokenEndpoint(
        oauth=place.oauth(oauth),
        client=client_of(consumer),
        door=door(),
        origin=place.at(oauth.token_url).origin,
        limits=TOKEN,
    )


def revocation_of(manifest: Manifest, consumer: Consumer | None) -> oauth_wire.TokenEndpoint:
    """The same for `revoke`, which may lie on another origin; Misconfigured where there is none."""
    oauth = oauth_of(manifest)
    if not oauth.revoke_url or consumer is None:
        raise Misconfigured(f"{manifest.name} revokes no tokens.")
    place = base_urls.place_of(manifest, consumer.base_url)
    endpoint = endpoint_of(manifest, consumer)
    return replace(endpoint, origin=place.at(oauth.revoke_url).origin)


def note_deprecation(connector: str, answer: Answer) -> None:
    """A removal that the vendor announces (RFC 9745, RFC 8594) or has carried out is logged."""
    said = [answer.headers.get(name, "")[:100] for name in ("deprecation", "sunset")]
    if any(said) or answer.status == GONE:
        _warn_once(connector, answer.request, answer.status, *said)


@lru_cache(maxsize=256)
def _warn_once(connector: str, asked: str, status: int, deprecation: str, sunset: str) -> None:
    facts = {"asked": asked, "status": status, "deprecation": deprecation, "sunset": sunset}
    log.warning("vendor.deprecation_announced", extra={"connector": connector, **facts})


class CredentialUnreadable(VendorError):
    """What is sealed does not open: it was changed, moved, or its key is gone (abuse case C04)."""

    code = "crypto_error"
    who = Who.OPERATOR


def opened(place: vault.Place) -> Secret:
    """The secret sealed there; raises LookupError when there is none, or CredentialUnreadable."""
    try:
        return vault.open(place)
    except SealBroken as error:
        raise CredentialUnreadable(str(error)) from None


def client_of(consumer: Consumer) -> oauth_wire.Client:
    """The consumer's key and opened secret; a platform-wide one is opened on the platform.

    Raises Misconfigured when its secret is gone, Unavailable when a worker has yet to seal it.
    """
    try:
        with tenancy.elsewhere(consumer.organization_id), tenancy.transaction():
            secret = opened(places.of_consumer(consumer))
    except LookupError:
        if consumer.sealed_at is None and consumer.removed_at is None:
            raise Unavailable("The OAuth consumer's secret is not sealed yet.") from None
        raise Misconfigured("The OAuth consumer's secret was removed.") from None
    return oauth_wire.Client(client_id=consumer.client_id, secret=secret.reveal())


def way_of(connection: Connection) -> Way:
    """The way of a linked connection. Call it inside a transaction."""
    own = connection.organization_id, connection.id
    return way_by(
        connection.connector, connection.method, connection.fields, connection.consumer, used_by=own
    )


def way_by(
    connector: str,
    method: str,
    fields: dict[str, str],
    consumer: Consumer | None,
    *,
    used_by: tuple[UUID, UUID] | None = None,
) -> Way:
    """How this method with these fields reaches the vendor. Call it inside a transaction."""
    known = registry.get(connector)
    return Way(
        connector=known,
        method=known.manifest.method(method),
        fields=fields,
        consumer=consumer,
        place=base_urls.place_of(known.manifest, fields.get(BASE_URL, "")),
        used_by=used_by,
    )


def oauth_of(manifest: Manifest) -> OAuth2:
    """The manifest's authorization server; Misconfigured when it has none."""
    if manifest.oauth is None:
        raise Misconfigured(f"{manifest.name} has no OAuth.")
    return manifest.oauth


def secret_field(credential: Credential) -> str:
    """Under which field the credential's usable secret is sealed."""
    return places.ACCESS if credential.refreshable else places.SECRET
