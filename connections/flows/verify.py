"""Ask the vendor who we are and what we may do: a list of checks, each kept as it comes.

Runs in a worker and may run twice: checks that are there already are not asked again.
"""

from __future__ import annotations

from dataclasses import asdict

from django.db.models import Max, QuerySet
from django.utils import timezone

from connections.access import way_of
from connections.budgets import Purpose
from connections.contracts import Identity
from connections.errors import ReauthorizationRequired, VendorError
from connections.flows import (
    breaker,
    checks,
    counted,
    departure,
    discover,
    drift,
    health,
    pace,
    placed,
    refresh,
    rights,
    telling,
    vendors,
)
from connections.flows.look import Look, failure
from connections.flows.problems import FlowProblem
from connections.flows.refreshing import Caller
from connections.models import Check, Connection, Verification, credential_of, worst_of
from connections.vendor_api import VendorApi
from portal import audit, clock, tenancy, work
from portal.policy import SYSTEM, Actor
from portal.secret import Secret
from portal.steps import step

Result = Check.Outcome


def request(*, actor: Actor, connection: Connection) -> Verification:
    """A verification under way, asked for by a person; a running one is given back."""
    actor = rights.mender(actor, connection)
    if not connection.is_live:
        raise FlowProblem("not_live", "", "Resume or re-link this connection first.")
    way_of(connection)  # NotInstalled where nothing can be asked
    pace.keep("verify", actor)
    audit.record(audit.Action.VERIFICATION_REQUESTED, actor=actor, subject=connection)
    return start(connection, requested_by=actor.name)


def start(connection: Connection, *, requested_by: str) -> Verification:
    """Create the verification and wake a worker. Call it inside a transaction."""
    held = Connection.objects.select_for_update(no_key=True)
    held.filter(id=connection.id).first()  # one at a time
    running = _running(connection).first()
    if running is not None:
        if requested_by and not running.requested_by:  # then it waits for no other hour
            running.requested_by = requested_by
            running.save(update_fields=["requested_by"])
        return running
    created: Verification = Verification.objects.create(
        connection_id=connection.id, requested_by=requested_by
    )
    work.later(
        "verify_connection",
        priority=work.WAITING if requested_by else work.NORMAL,
        dedupe=f"verify:{created.id}",
        verification_id=created.id,
    )
    return created


def supersede(connection: Connection) -> None:
    """What is asked with an older credential is over; its answers would be about another grant."""
    _running(connection).update(outcome=Verification.Outcome.UNREACHED, finished_at=timezone.now())


def _running(connection: Connection) -> QuerySet[Verification]:
    found: QuerySet[Verification] = Verification.objects.filter(
        connection_id=connection.id, outcome=Verification.Outcome.RUNNING
    )
    return found


def perform(claim: work.Claim, *, verification_id: str) -> None:
    """All checks are made and kept, state and drift follow from them."""
    look = _open(claim, verification_id)
    if look is None:
        return
    if not look.verification.requested_by and _is_put_off(look):
        return
    try:
        api, identity = _identified(look)
    except VendorError as error:
        _not_identified(look, error)
        return
    step("verify.identified")
    checks.identity_lines(look, identity)
    if identity.account.remote_id == look.connection.account_id:
        workspaces = discover.workspaces(look, api)
        told = placed.lines(look, api, workspaces)
        identity = told.completed(look, identity)
        checks.scopes_line(look, identity)
        samples = {w.slug: checks.workspace_line(look, api, w) for w in workspaces}
        for key in look.connection.capabilities:
            checks.capability_line(look, api, identity, key, told.where(look, key, samples))
    _finish(look, identity)


def _is_put_off(look: Look) -> bool:
    """Whether the account has no requests for what nobody waits for: it begins when it has some."""
    rest = counted.rest_of(look.connection)
    if not rest:
        return False
    with tenancy.transaction():
        look.claim.hold()
        connection = Connection.objects.select_for_update(no_key=True).get(id=look.connection.id)
        made, _ = Verification.objects.filter(id=look.verification.id, requested_by="").delete()
        if not made:
            return False  # somebody asked for it in this moment
        connection.next_verification_at = clock.now() + rest if connection.is_live else None
        connection.save(update_fields=["next_verification_at"])
        look.claim.done()
    return True


def _identified(look: Look) -> tuple[VendorApi, Identity]:
    """Who the credential acts as; a refused access token is renewed once before it is believed."""
    is_urgent = bool(look.verification.requested_by)
    secret = refresh.fresh(look.connection, caller=Caller.VERIFY, is_urgent=is_urgent)
    look.still_here()
    try:
        return _identify(look, secret)
    except ReauthorizationRequired:
        other = refresh.instead_of(
            secret, look.connection, caller=Caller.VERIFY, is_urgent=is_urgent
        )
        if other is None:
            raise
        look.still_here()
        return _identify(look, other)


def _identify(look: Look, secret: Secret) -> tuple[VendorApi, Identity]:
    is_asked = bool(look.verification.requested_by)
    purpose = Purpose.WAITING if is_asked else Purpose.REFRESH
    api = counted.api(look.way, secret, look.connection, look.note, purpose=purpose)
    return api, look.way.connector.identify(api, look.connection.fields, look.way.method)


def gave_up(code: str, *, verification_id: str) -> None:
    """All attempts are used up: the verification says so. Runs in the job's transaction."""
    Verification.objects.filter(id=verification_id, outcome=Verification.Outcome.RUNNING).update(
        outcome=Verification.Outcome.UNREACHED, finished_at=timezone.now()
    )


def _open(claim: work.Claim, verification_id: str) -> Look | None:
    with tenancy.transaction():
        verification = (
            Verification.objects.select_related("connection", "connection__consumer")
            .filter(id=verification_id, outcome=Verification.Outcome.RUNNING)
            .first()
        )
        if verification is None:
            return None
        if not verification.connection.is_live:
            verification.delete()
            return None
        kept = list(Check.objects.filter(verification_id=verification.id))
        top = Check.objects.filter(verification_id=verification.id).aggregate(t=Max("position"))
        return Look(
            claim=claim,
            verification=verification,
            connection=verification.connection,
            way=way_of(verification.connection),
            seen={(check.key, check.workspace): check for check in kept},
            position=top["t"] or 0,
        )


# ── What follows ──────────────────────────────────────────────────────────────────────────────


def _finish(look: Look, identity: Identity) -> None:
    verification = look.verification
    breaker.note(*_api(look), good=[look.connection.id])
    with tenancy.transaction():
        look.claim.hold()
        if not look.is_wanted():
            return
        connection = Connection.objects.select_for_update(no_key=True).get(id=look.connection.id)
        kept = list(Check.objects.filter(verification_id=verification.id))
        verification.outcome, verification.lack = _outcome(kept), worst_of(kept)
        verification.finished_at = timezone.now()
        verification.account_id = identity.account.remote_id
        verification.credential_kind = identity.credential_kind
        verification.vocabulary = identity.vocabulary
        verification.scopes = None if identity.scopes is None else sorted(identity.scopes)
        verification.expires_at = checks.expiry(look, identity)
        verification.rate = asdict(look.rate)
        verification.drift = drift.since_last(verification, kept, connection, identity.account)
        verification.save()
        connection.schedule()
        _apply(connection, verification, identity)
        _record(connection, verification)
        look.claim.done()


def _apply(connection: Connection, verification: Verification, identity: Identity) -> None:
    """The connection stands as the vendor said; another account than the linked one is refused."""
    if identity.account.remote_id != connection.account_id:
        health.refused(connection, "subject_changed", at_once=True)
        return
    health.accepted(connection)
    connection.account_name = identity.account.name[:200]
    connection.rate = verification.rate
    connection.save(update_fields=["account_name", "rate"])
    _learn_scopes(connection, identity)
    departure.look(connection)


def _outcome(kept: list[Check]) -> str:
    found = {check.outcome for check in kept}
    if any(check.key == "identity" and check.outcome == Result.REFUSED for check in kept):
        return Verification.Outcome.FAILED
    if found & {Result.MISSING, Result.REFUSED, Result.UNREACHED}:
        return Verification.Outcome.PARTLY
    return Verification.Outcome.PASSED


def _learn_scopes(connection: Connection, identity: Identity) -> None:
    credential = credential_of(connection)
    if identity.scopes is not None:
        credential.scopes = sorted(identity.scopes)
    if identity.expires_at is not None and not credential.refreshable:
        credential.expires_at = identity.expires_at
    credential.kind, credential.vocabulary = identity.credential_kind, identity.vocabulary
    credential.save(update_fields=["scopes", "expires_at", "kind", "vocabulary"])


def _record(connection: Connection, verification: Verification) -> None:
    audit.record(
        audit.Action.VERIFICATION_FINISHED,
        actor=SYSTEM,
        subject=connection,
        outcome=verification.outcome,
        verification=verification.id,
    )
    if verification.drift:
        audit.record(
            audit.Action.DRIFT_FOUND, actor=SYSTEM, subject=connection, drift=verification.drift
        )
        if not drift.was_agreed(verification):
            telling.drift(connection, verification)


def _api(look: Look) -> tuple[vendors.Where, str]:
    where = vendors.of(look.connection)
    return where, where.api_host


def _not_identified(look: Look, error: VendorError) -> None:
    """Temporary trouble is tried again; a refusal is kept, and believed after a third look."""
    if look.may_wait(error):
        with tenancy.transaction():
            health.troubled(look.connection, error.code)
        raise error
    if isinstance(error, ReauthorizationRequired) and look.last is not None:
        breaker.note(*_api(look), refused=[look.connection.id])
    with tenancy.transaction():
        look.claim.hold()
        if not look.is_wanted():
            return
        if not look.had("identity"):
            Check.objects.create(
                verification_id=look.verification.id,
                position=1,
                key="identity",
                title="Who this credential acts as",
                **failure(error),
            )
        look.verification.outcome = (
            Verification.Outcome.UNREACHED if error.retry else Verification.Outcome.FAILED
        )
        look.verification.finished_at = timezone.now()
        look.verification.save(update_fields=["outcome", "finished_at"])
        connection = Connection.objects.select_for_update(no_key=True).get(id=look.connection.id)
        connection.schedule()
        if isinstance(error, ReauthorizationRequired):
            health.refused(connection, error.code)
        else:
            health.troubled(connection, error.code)
        _record(connection, look.verification)
        look.claim.done()
