"""Begin a link, lead the person through it, take the vendor's answer; `settle` does the rest.

The web process seals what it is given and stores it; a worker exchanges, identifies and settles.
"""

from __future__ import annotations

import hmac
import logging
from collections.abc import Mapping, Sequence
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from connections import lookups, oauth_wire, places, registry
from connections.base_urls import place_of
from connections.contracts import Manifest, MethodKind, OAuth2
from connections.errors import Blocked, cleaned
from connections.flows import hosts, link_inputs as inputs, rights
from connections.flows.problems import FlowProblem
from connections.models import Connection, Consumer, PendingLink
from connections.models.pending_link import link_expiry
from portal import audit, tenancy, vault, work
from portal.policy import Actor
from portal.secret import Secret, hashed

log = logging.getLogger(__name__)

Stage = PendingLink.Stage
LONGEST_PARAMETER = 4096
FORGOTTEN_AFTER = timedelta(days=1)


def begin(
    *,
    actor: Actor,
    connector: str,
    user_id: UUID,
    session_key: str,
    relink: Connection | None = None,
) -> PendingLink:
    """A link under way for this session and organization, with the minimal capabilities chosen."""
    actor = rights.linker(actor, relink, connector)
    manifest = registry.get(connector).manifest
    approved = None if relink else rights.allowed_once(actor, None, connector)
    if relink and relink.state == Connection.State.REVOKED:
        raise FlowProblem("revoked", "", "A revoked connection stays revoked. Link a new one.")
    pending: PendingLink = PendingLink.objects.create(
        connector=connector,
        user_id=user_id,
        session_hash=hashed(session_key),
        relink=relink,
        team_id=relink.team_id if relink else inputs.approved_team(approved),
        method=relink.method if relink else "",
        name=relink.name if relink else "",
        fields=relink.fields if relink else {},
        consumer_id=relink.consumer_id if relink else None,
        reason=relink.reason if relink else "",
        capabilities=relink.capabilities
        if relink
        else (approved.capabilities if approved else [])
        or [c.key for c in manifest.capabilities if c.minimal],
    )
    work.later("forget_link", run_at=timezone.now() + FORGOTTEN_AFTER, pending_link_id=pending.id)
    audit.record(audit.Action.LINK_BEGUN, actor=actor, subject=pending, connector=connector)
    return pending


def choose(
    *, actor: Actor, pending: PendingLink, capabilities: Sequence[str], reason: str
) -> PendingLink:
    """Keep what the person wants to do; writing needs a reason."""
    inputs.require_own(actor, pending, Stage.CHOOSING, Stage.AT_VENDOR, Stage.FAILED)
    manifest = registry.get(pending.connector).manifest
    known = {c.key: c for c in manifest.capabilities}
    if not capabilities or not set(capabilities) <= known.keys():
        raise FlowProblem("capabilities", "capabilities", "Choose at least one of the list.")
    inputs.keep_to_approval(actor, pending, capabilities, pending.team_id)
    if any(known[key].writes for key in capabilities) and len(reason.strip()) < 10:
        raise FlowProblem(
            "reason", "reason", "Say in a sentence why write access is needed (10 letters or more)."
        )
    pending.capabilities = [key for key in known if key in capabilities]
    pending.reason = reason.strip()
    pending.stage = Stage.CHOOSING
    pending.save(update_fields=["capabilities", "reason", "stage"])
    return pending


def prepare(
    *,
    actor: Actor,
    pending: PendingLink,
    method: str,
    name: str,
    team_id: UUID | None,
    consumer_id: UUID | None,
    fields: Mapping[str, str],
    secret: Secret | None,
) -> PendingLink:
    """Keep how to link. A pasted secret is sealed for workers here, and a worker starts at once.

    With an authorization code the person still has to go to the vendor: see `depart`.
    """
    inputs.require_own(actor, pending, Stage.CHOOSING, Stage.AT_VENDOR, Stage.FAILED)
    inputs.keep_pace(actor, pending)
    manifest = registry.get(pending.connector).manifest
    chosen = inputs.method_of(manifest, method)
    pending.method = method
    pending.fields = inputs.clean_fields(chosen, fields)
    inputs.refuse_impossible(manifest, chosen, pending.capabilities)
    inputs.refuse_personal(chosen, pending.relink)
    if pending.relink is None:
        pending.name = inputs.free_name(name)
        pending.team_id = inputs.team_of(team_id, pending.connector)
    inputs.keep_to_approval(actor, pending, pending.capabilities, pending.team_id)
    pending.consumer_id = inputs.consumer_of(chosen, pending.connector, consumer_id)
    pending.ends_at = inputs.told_end(fields)
    pending.fields |= inputs.base_url_of(actor, manifest, pending.consumer_id, fields)
    pending.error, pending.error_detail, pending.found_account = "", "", {}
    pending.account_confirmed = False
    pending.stage = Stage.CHOOSING
    pending.save()
    if chosen.kind.is_pasted:
        inputs.hand_in_secret(manifest, chosen, pending, secret)
        _answered(pending)
    elif chosen.kind is MethodKind.CLIENT_CREDENTIALS:
        _answered(pending)
    return pending


def depart(*, actor: Actor, pending: PendingLink, session_key: str) -> str:
    """The vendor's consent address for this person; its state works once, for ten minutes."""
    inputs.require_own(actor, pending, Stage.CHOOSING, Stage.AT_VENDOR, Stage.FAILED)
    if not hmac.compare_digest(bytes(pending.session_hash), hashed(session_key)):
        raise FlowProblem("wrong_session", "", "This link was begun in another session.")
    connector = registry.get(pending.connector)
    consumer = pending.consumer
    if consumer is None or consumer.removed_at or connector.manifest.oauth is None:
        raise FlowProblem(
            "no_consumer", "consumer", "An OAuth consumer has to be registered first."
        )
    state, verifier = oauth_wire.new_state(), oauth_wire.new_verifier()
    pending.state_hash = hashed(state)
    pending.stage, pending.error, pending.error_detail = Stage.AT_VENDOR, "", ""
    pending.expires_at = link_expiry()
    pending.save(update_fields=["state_hash", "stage", "error", "error_detail", "expires_at"])
    vault.take_in(
        places.of_link(pending, places.VERIFIER), Secret(verifier), expires_at=pending.expires_at
    )
    return registry.browser_url(
        oauth_wire.authorize_url(
            _reached(connector.manifest, connector.manifest.oauth, consumer),
            client_id=consumer.client_id,
            redirect_uri=callback_url(pending.connector),
            state=state,
            scopes=wanted_scopes(connector.manifest, pending),
            verifier=verifier,
        )
    )


def _reached(manifest: Manifest, oauth: OAuth2, consumer: Consumer) -> OAuth2:
    try:
        return place_of(manifest, consumer.base_url).oauth(oauth)
    except Blocked:
        raise hosts.refusal(manifest, "consumer") from None


def callback_url(connector: str) -> str:
    """Where the vendor sends the person back; one per connector (abuse case O23)."""
    return f"{settings.PORTAL_URL}/oauth/{connector}/callback"


def wanted_scopes(manifest: Manifest, pending: PendingLink) -> frozenset[str]:
    """The scopes that the chosen capabilities need in the method's vocabulary."""
    vocabulary = manifest.method(pending.method).vocabulary
    return frozenset(
        scope
        for key in pending.capabilities
        for scope in manifest.capability(key).scopes.get(vocabulary, ())
    )


def receive_answer(
    *, connector: str, params: Mapping[str, Sequence[str]], session_key: str, user_id: UUID
) -> tuple[str, PendingLink] | None:
    """Take the vendor's answer: seal the code, wake a worker. Call it outside any organization.

    Returns the organization's slug and the link. None when the state is unknown, of another
    session, person or connector, or its organization is closed to them: all look alike.
    """
    answer = single(params)
    found = answer and lookups.pending_link(hashed(answer.get("state", "")), user_id)
    if not answer or not found:
        return None
    with tenancy.acting_for(found.organization_id), tenancy.transaction():
        pending = PendingLink.objects.select_for_update().filter(id=found.id).first()
        if pending is None or not taken(pending, connector, answer, session_key):
            return None
        return found.slug, pending


def single(params: Mapping[str, Sequence[str]]) -> dict[str, str] | None:
    """The answer's values by name; None when one came twice or is longer than any vendor's."""
    if any(len(values) != 1 or len(values[0]) > LONGEST_PARAMETER for values in params.values()):
        return None
    return {name: values[0] for name, values in params.items()}


def taken(
    pending: PendingLink, connector: str, answer: Mapping[str, str], session_key: str
) -> bool:
    """Whether the answer was for this link: begun in this session, for this connector."""
    is_mine = hmac.compare_digest(bytes(pending.session_hash), hashed(session_key))
    if pending.connector != connector or not is_mine:
        return False
    _accept(pending, answer, registry.get(connector).manifest)
    return True


def who(pending: PendingLink) -> Actor:
    """Who links, as the record names them: with a connect link the person who holds it."""
    if pending.connect_link is not None:
        return Actor("guest", None, pending.connect_link.to_name)
    return Actor("person", pending.user_id, str(pending.user))


def _accept(pending: PendingLink, answer: Mapping[str, str], manifest: Manifest) -> None:
    if pending.stage != Stage.AT_VENDOR:
        return  # used already: the page shows the first answer's result (O05)
    code, issuer = answer.get("code", ""), manifest.oauth.issuer if manifest.oauth else ""
    if pending.is_expired:
        _refused(pending, "expired")
    elif answer.get("error"):
        _refused(pending, _denial(answer["error"]), answer.get("error_description", ""))
    elif answer.get("iss", "") != issuer:  # also a missing one (RFC 9207 §2.4)
        log.error("link.wrong_issuer", extra={"connector": pending.connector})
        _refused(pending, "wrong_issuer")
    elif not code or "\x00" in code:
        _refused(pending, "no_code")
    else:
        vault.take_in(
            places.of_link(pending, places.CODE), Secret(code), expires_at=pending.expires_at
        )
        _answered(pending)


def _denial(error: str) -> str:
    if error == "access_denied":
        return "denied"
    return "unavailable" if error in {"server_error", "temporarily_unavailable"} else "vendor_error"


def confirm_account(*, actor: Actor, pending: PendingLink) -> PendingLink:
    """The person has seen what is gained and lost, and wants the other account."""
    inputs.require_own(actor, pending, Stage.CONFIRM_ACCOUNT)
    pending.account_confirmed = True
    _answered(pending)
    return pending


def abandon(*, actor: Actor, pending: PendingLink) -> None:
    """The link is over; a worker forgets what was sealed for it."""
    inputs.require_own(actor, pending, *Stage)
    if pending.stage != Stage.DONE:
        _fail(pending, "abandoned")
        work.later("forget_link", pending_link_id=pending.id)


def _answered(pending: PendingLink) -> None:
    pending.stage, pending.answered_at = Stage.ANSWERED, timezone.now()
    pending.error = pending.error_detail = ""
    pending.save()
    work.later("complete_link", priority=work.WAITING, pending_link_id=pending.id)


def _refused(pending: PendingLink, code: str, detail: str = "") -> None:
    """The answer itself ends the link, and the record says how; no worker is asked."""
    _fail(pending, code, detail)
    audit.record(
        audit.Action.LINK_REFUSED,
        actor=who(pending),
        subject=pending,
        connector=pending.connector,
        error=code,
    )


def _fail(pending: PendingLink, code: str, detail: str = "") -> None:
    pending.stage, pending.error, pending.error_detail = Stage.FAILED, code, cleaned(detail)
    pending.save(update_fields=["stage", "error", "error_detail"])
