"""What a link under way holds: tokens are sealed as soon as they arrive, for a code works once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from connections import exchanging, places, registry
from connections.access import CredentialUnreadable, Way, opened
from connections.contracts import MethodKind
from connections.errors import ReauthorizationRequired, VendorError
from connections.flows.link import callback_url, wanted_scopes
from connections.models import Credential, PendingLink
from connections.oauth_answers import TokenAnswer
from portal import tenancy, vault, work
from portal.keys import SealBroken
from portal.secret import Secret
from portal.steps import step


@dataclass(frozen=True, slots=True)
class Held:
    """What the pending link holds by now: the usable secret and what is known of its life."""

    secret: Secret
    refreshable: bool
    scopes: frozenset[str] | None = None
    expires_at: datetime | None = None


class Expired(VendorError):
    """What was handed in waited for a worker for longer than it may."""

    code = "expired"


class CodeLost(VendorError):
    """The code was spent by an attempt whose answer nobody kept; a code works once."""

    code = "answer_lost"


def obtain(claim: work.Claim, pending: PendingLink, way: Way) -> Held:
    """The usable secret of this link, sealed under it by now; raises what the vendor said."""
    if way.method.kind is MethodKind.SECRET:
        return Held(resealed(places.of_link(pending, places.SECRET)), refreshable=False)
    with tenancy.transaction():
        kept = _kept_tokens(pending)
    if kept is not None:
        return kept
    answer = _ask_for_tokens(claim, pending, way)
    step("link.exchanged")
    return _keep_tokens(pending, answer, timezone.now())


def resealed(place: vault.Place) -> Secret:
    """The secret taken in for this place, now sealed there; a second run finds it there.

    What is handed in anew replaces what an earlier try left. Raises Expired when it waited too
    long, and CredentialUnreadable.
    """
    with tenancy.transaction():
        try:
            vault.reseal(place)
        except SealBroken as error:
            raise CredentialUnreadable(str(error)) from None
        except LookupError:
            if not vault.holds(place):
                raise Expired from None
        return opened(place)


def _ask_for_tokens(claim: work.Claim, pending: PendingLink, way: Way) -> TokenAnswer:
    if way.method.kind is MethodKind.EXCHANGED:
        secret = resealed(places.of_link(pending, places.SECRET))
        return exchanging.exchanged(way, secret, scopes=wanted_scopes(way.manifest, pending))
    endpoint = way.token_endpoint()
    if way.method.kind is MethodKind.CLIENT_CREDENTIALS:
        return endpoint.client_credentials(scopes=wanted_scopes(way.manifest, pending))
    code = resealed(places.of_link(pending, places.CODE)).reveal()
    verifier = resealed(places.of_link(pending, places.VERIFIER)).reveal()
    try:
        return endpoint.exchange(
            code=code, redirect_uri=callback_url(pending.connector), verifier=verifier
        )
    except ReauthorizationRequired as error:
        if claim.job.attempts > 1:
            raise CodeLost(error.detail, request=error.request, status=error.status) from error
        raise


def _keep_tokens(pending: PendingLink, answer: TokenAnswer, received_at: datetime) -> Held:
    expires_at = received_at + timedelta(seconds=answer.expires_in_seconds)
    facts = {
        "expires_at": expires_at.isoformat(),
        "scopes": None if answer.scopes is None else sorted(answer.scopes),
    }
    with tenancy.transaction():
        vault.keep(places.of_link(pending, places.ACCESS), Secret(answer.access_token))
        vault.forget(places.of_link(pending, places.REFRESH))
        if answer.refresh_token:
            vault.keep(places.of_link(pending, places.REFRESH), Secret(answer.refresh_token))
        pending.found_account = pending.found_account | {"token": facts}
        pending.save(update_fields=["found_account"])
        for field in (places.CODE, places.VERIFIER):
            vault.forget(places.of_link(pending, field))
    return Held(
        Secret(answer.access_token), refreshable=True, scopes=answer.scopes, expires_at=expires_at
    )


def _kept_tokens(pending: PendingLink) -> Held | None:
    place = places.of_link(pending, places.ACCESS)
    if not vault.holds(place):
        return None
    facts = pending.found_account.get("token")
    if facts is None:  # left by an earlier try of the same link
        return None
    scopes = facts.get("scopes")
    return Held(
        opened(place),
        refreshable=True,
        scopes=None if scopes is None else frozenset(scopes),
        expires_at=datetime.fromisoformat(facts["expires_at"]),
    )


def move(pending: PendingLink, credential: Credential, held: Held) -> None:
    """What the link held is sealed under the credential; nothing is left of it here."""
    field = places.ACCESS if held.refreshable else places.SECRET
    vault.keep(places.of_credential(credential, field), held.secret)
    kind = registry.get(pending.connector).manifest.method(pending.method).kind
    beside = places.SECRET if kind is MethodKind.EXCHANGED else places.REFRESH
    place = places.of_link(pending, beside)
    if held.refreshable and vault.holds(place):
        vault.keep(places.of_credential(credential, beside), vault.open(place))
    drop(pending)


def drop(pending: PendingLink) -> None:
    """Nothing waits or is sealed for this link any more."""
    for field in (places.SECRET, places.CODE, places.VERIFIER, places.ACCESS, places.REFRESH):
        vault.discard(places.of_link(pending, field))
        vault.forget(places.of_link(pending, field))
