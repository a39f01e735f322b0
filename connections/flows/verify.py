"""Ask the vendor who we are and what we may do: a list of checks, each kept as it comes.

Runs in a worker and may run twice: checks that are there already are not asked again.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from django.db.models import Max
from django.utils import timezone

from connections.access import Way, way_of
from connections.api import VendorApi
from connections.contracts import (
    Answer,
    Capability,
    Identity,
    RateBudget,
    RepositoryRecord,
    WorkspaceRecord,
)
from connections.errors import (
    AccessDenied,
    ReauthorizationRequired,
    ScopeMissing,
    VendorError,
)
from connections.flows import drift, refresh
from connections.models import Check, Connection, Verification, Workspace, credential_of
from portal import audit, tenancy, work
from portal.policy import SYSTEM, Actor, Permission, authorize
from portal.steps import step

Result = Check.Outcome
SUSPECT_FOR = timedelta(minutes=10)
LOOK_AGAIN = (timedelta(seconds=90), timedelta(minutes=12))


def request(*, actor: Actor, connection: Connection) -> Verification:
    """A verification under way, asked for by a person; a running one is given back."""
    actor = authorize(actor, Permission.CONNECTION_MANAGE, team_id=connection.team_id)
    audit.record(audit.Action.VERIFICATION_REQUESTED, actor=actor, subject=connection)
    return start(connection, requested_by=actor.name)


def start(connection: Connection, *, requested_by: str) -> Verification:
    """Create the verification and wake a worker. Call it inside a transaction."""
    running = Verification.objects.filter(
        connection_id=connection.id, outcome=Verification.Outcome.RUNNING
    ).first()
    if running is not None:
        return running  # type: ignore[no-any-return]
    created: Verification = Verification.objects.create(
        connection_id=connection.id, requested_by=requested_by
    )
    work.later(
        "verify_connection",
        priority=work.WAITING if requested_by else work.NORMAL,
        dedupe=f"verify:{connection.id}",
        verification_id=created.id,
    )
    return created


@dataclass(slots=True)
class Look:
    """One verification at work: what it asks with, and what it has learned so far."""

    claim: work.Claim
    verification: Verification
    connection: Connection
    way: Way
    rate: RateBudget = field(default_factory=RateBudget)
    seen: dict[tuple[str, str], Check] = field(default_factory=dict)
    position: int = 0

    def note(self, answer: Answer) -> None:
        """Remember what each answer says of the request budget."""
        rate = self.way.connector.rate(answer)
        if rate != RateBudget():
            self.rate = rate

    def keep(self, key: str, *, workspace: str = "", **facts: Any) -> Check:
        """One more line, committed at once so that the page can show it."""
        self.position += 1
        with tenancy.transaction():
            self.claim.hold()
            check: Check = Check.objects.create(
                verification_id=self.verification.id,
                position=self.position,
                key=key,
                workspace=workspace,
                **facts,
            )
        self.seen[key, workspace] = check
        return check

    def had(self, key: str, workspace: str = "") -> bool:
        return (key, workspace) in self.seen


def perform(claim: work.Claim, *, verification_id: str) -> None:
    """All checks are made and kept, state and drift follow from them."""
    look = _open(claim, verification_id)
    if look is None:
        return
    try:
        api = look.way.api(refresh.fresh(look.connection), on_answer=look.note)
        identity = look.way.connector.identify(api, look.connection.fields, look.way.method)
    except VendorError as error:
        _not_identified(look, error)
        return
    step("verify.identified")
    _check_identity(look, identity)
    workspaces = _discover(look, api)
    samples = {w.slug: _check_workspace(look, api, w) for w in workspaces}
    for key in look.connection.capabilities:
        _check_capability(look, api, identity, key, samples)
    _finish(look, identity)


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
        checks = list(Check.objects.filter(verification_id=verification.id))
        top = Check.objects.filter(verification_id=verification.id).aggregate(t=Max("position"))
        return Look(
            claim=claim,
            verification=verification,
            connection=verification.connection,
            way=way_of(verification.connection),
            seen={(check.key, check.workspace): check for check in checks},
            position=top["t"] or 0,
        )


# ── The checks ────────────────────────────────────────────────────────────────────────────────


def _check_identity(look: Look, identity: Identity) -> None:
    account, connection = identity.account, look.connection
    if not look.had("identity"):
        same = account.remote_id == connection.account_id
        look.keep(
            "identity",
            title="Who this credential acts as",
            outcome=Result.PROVEN if same else Result.REFUSED,
            detail=account.name[:300],
            proves="The vendor answers for this account."
            if same
            else "The vendor answers for another account than the one that was linked.",
        )
    if not look.had("credential"):
        look.keep(
            "credential",
            title="Kind of credential",
            outcome=Result.NOTED,
            detail=identity.credential_kind,
            proves="Read from the vendor's answer.",
        )
    if not look.had("expiry"):
        expires_at = _expiry(look, identity)
        look.keep(
            "expiry",
            title="Expiry",
            outcome=Result.NOTED,
            detail=expires_at.isoformat() if expires_at else "",
            proves="Said by the vendor." if expires_at else "The vendor does not say.",
        )
    if not look.had("scopes"):
        scopes = identity.scopes
        look.keep(
            "scopes",
            title="Scopes granted",
            outcome=Result.UNPROVABLE if scopes is None else Result.PROVEN,
            detail=", ".join(sorted(scopes or ()))[:300],
            proves="The vendor's own words." if scopes is not None else "The vendor does not say.",
        )


def _expiry(look: Look, identity: Identity) -> datetime | None:
    if identity.expires_at is not None:
        return identity.expires_at
    with tenancy.transaction():
        credential = credential_of(look.connection)
    return None if credential.refreshable else credential.expires_at


def _discover(look: Look, api: VendorApi) -> list[WorkspaceRecord]:
    """The workspaces the credential reaches, kept as rows; those of before it lost are marked."""
    found: list[WorkspaceRecord] = []
    checkpoint: str | None = None
    try:
        while True:
            page = look.way.connector.workspaces(
                api, look.connection.fields, look.way.method, checkpoint
            )
            found += [record for record in page.records if isinstance(record, WorkspaceRecord)]
            checkpoint = page.checkpoint
            if checkpoint is None:
                break
    except VendorError as error:
        if error.retry:
            raise
        if not look.had("workspaces"):
            look.keep("workspaces", title="Workspaces", **_failure(error))
        return []
    with tenancy.transaction():
        look.claim.hold()
        keep_workspaces(look.connection, found)
    if not look.had("workspaces"):
        look.keep(
            "workspaces",
            title="Workspaces within reach",
            outcome=Result.PROVEN if found else Result.NOTED,
            detail=f"{len(found)} found",
            proves="Listed by the vendor for this account.",
        )
    return found


def keep_workspaces(connection: Connection, found: list[WorkspaceRecord]) -> None:
    """Upsert the workspaces; those no longer listed are marked gone, never deleted."""
    now = timezone.now()
    rows = [
        Workspace(
            organization_id=connection.organization_id,
            connection_id=connection.id,
            remote_id=record.remote_id,
            slug=record.slug[:200],
            name=record.name[:300],
            url=record.url[:500],
            personal=record.personal,
            administrator=record.administrator,
            seen_at=now,
        )
        for record in found
    ]
    Workspace.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["organization", "connection", "remote_id"],
        update_fields=[
            "slug",
            "name",
            "url",
            "personal",
            "administrator",
            "seen_at",
            "gone_at",
        ],
    )
    Workspace.objects.filter(connection_id=connection.id, gone_at=None).exclude(
        remote_id__in=[record.remote_id for record in found]
    ).update(gone_at=now)


def _check_workspace(
    look: Look, api: VendorApi, workspace: WorkspaceRecord
) -> RepositoryRecord | None:
    """Reachable, and its repositories listable; the first one serves as a sample for probes."""
    stream = next((s for s in look.way.connector.streams if s.record is RepositoryRecord), None)
    if stream is None:
        return None
    try:
        page = stream.page(api, workspace, look.connection.fields, None)
    except VendorError as error:
        if not look.had("workspace", workspace.slug):
            look.keep(
                "workspace",
                workspace=workspace.slug,
                title=f"Workspace {workspace.name}"[:200],
                **_failure(error),
            )
        return None
    records = [record for record in page.records if isinstance(record, RepositoryRecord)]
    if not look.had("workspace", workspace.slug):
        look.keep(
            "workspace",
            workspace=workspace.slug,
            title=f"Workspace {workspace.name}"[:200],
            outcome=Result.PROVEN,
            detail=f"{page.total} repositories" if page.total is not None else "Reachable",
            proves="Reachable, and its repositories can be listed.",
        )
    return records[0] if records else None


def _check_capability(
    look: Look,
    api: VendorApi,
    identity: Identity,
    key: str,
    samples: dict[str, RepositoryRecord | None],
) -> None:
    """Proven by its probe, missing by its scopes, or said to be not provable by reading."""
    try:
        capability = look.way.manifest.capability(key)
    except KeyError:
        return
    name = f"capability:{key}"
    if look.had(name):
        return
    missing = missing_scopes(look.way, capability, identity.vocabulary, identity.scopes)
    facts: dict[str, Any]
    if missing:
        facts = {
            "outcome": Result.MISSING,
            "error": "scope_missing",
            "detail": "Missing: " + ", ".join(missing),
            "proves": "Without it this cannot be done.",
        }
    elif not capability.probe:
        facts = {"outcome": Result.UNPROVABLE, "proves": capability.unprovable[:300]}
    else:
        facts = _probe(api, capability, samples)
    look.keep(name, capability=key, title=capability.title, **facts)


def missing_scopes(
    way: Way, capability: Capability, vocabulary: str, granted: frozenset[str] | None
) -> list[str]:
    """The scopes this capability needs and the grant lacks; empty when the vendor does not say."""
    if granted is None:
        return []
    held = way.manifest.closure(granted)
    return [scope for scope in capability.scopes.get(vocabulary, ()) if scope not in held]


def _probe(
    api: VendorApi, capability: Capability, samples: dict[str, RepositoryRecord | None]
) -> dict[str, Any]:
    place = _place(capability.probe, samples)
    if place is None:
        return {
            "outcome": Result.NOTED,
            "detail": "There is no repository to try it on yet.",
            "proves": "The scopes are granted.",
        }
    try:
        answer = api.get(place)
    except VendorError as error:
        return _failure(error)
    return {
        "outcome": Result.PROVEN,
        "request": answer.request[:300],
        "status": answer.status,
        "latency_ms": round(answer.latency_seconds * 1000),
        "proves": "The vendor answered this read.",
    }


def _place(probe: str, samples: dict[str, RepositoryRecord | None]) -> str | None:
    for slug, repository in samples.items():
        if "{repository}" in probe and repository is None:
            continue
        return probe.format(
            workspace=quote(slug, safe=""),
            repository=quote(repository.slug, safe="") if repository else "",
        )
    return None if "{" in probe else probe


def _failure(error: VendorError) -> dict[str, Any]:
    outcome = Result.UNREACHED
    if isinstance(error, ScopeMissing):
        outcome = Result.MISSING
    elif not error.retry or isinstance(error, AccessDenied):
        outcome = Result.REFUSED
    return {
        "outcome": outcome,
        "error": error.code,
        "request": error.request[:300],
        "status": error.status,
        "latency_ms": None
        if error.latency_seconds is None
        else round(error.latency_seconds * 1000),
        "detail": error.detail[:300],
    }


# ── What follows ──────────────────────────────────────────────────────────────────────────────


def _finish(look: Look, identity: Identity) -> None:
    verification, connection = look.verification, look.connection
    with tenancy.transaction():
        look.claim.hold()
        checks = list(Check.objects.filter(verification_id=verification.id))
        verification.outcome = _outcome(checks)
        verification.finished_at = timezone.now()
        verification.account_id = identity.account.remote_id
        verification.credential_kind = identity.credential_kind
        verification.vocabulary = identity.vocabulary
        verification.scopes = None if identity.scopes is None else sorted(identity.scopes)
        verification.rate = asdict(look.rate)
        verification.drift = drift.since_last(verification, checks)
        verification.save()
        connection = Connection.objects.select_for_update().get(id=connection.id)
        if identity.account.remote_id != connection.account_id:
            _refused_now(connection, "subject_changed", at_once=True)
        else:
            connection.state = Connection.State.ACTIVE
            connection.account_name = identity.account.name[:200]
            connection.rate = verification.rate
            connection.save(update_fields=["state", "account_name", "rate"])
            connection.succeeded()
        _learn_scopes(connection, identity)
        connection.schedule()
        _record(connection, verification)
        look.claim.done()


def _outcome(checks: list[Check]) -> str:
    found = {check.outcome for check in checks}
    if any(check.key == "identity" and check.outcome == Result.REFUSED for check in checks):
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


def _not_identified(look: Look, error: VendorError) -> None:
    """Temporary trouble is tried again; a refusal is kept, and believed after a third look."""
    if error.retry and look.claim.job.attempts < look.claim.job.max_attempts:
        with tenancy.transaction():
            look.connection.failed(error.code)
        raise error
    with tenancy.transaction():
        look.claim.hold()
        if not look.had("identity"):
            Check.objects.create(
                verification_id=look.verification.id,
                position=1,
                key="identity",
                title="Who this credential acts as",
                **_failure(error),
            )
        look.verification.outcome = (
            Verification.Outcome.UNREACHED if error.retry else Verification.Outcome.FAILED
        )
        look.verification.finished_at = timezone.now()
        look.verification.save(update_fields=["outcome", "finished_at"])
        connection = Connection.objects.select_for_update().get(id=look.connection.id)
        connection.schedule()
        if isinstance(error, ReauthorizationRequired):
            _refused_now(connection, error.code)
        else:
            connection.failed(error.code)
        _record(connection, look.verification)
        look.claim.done()


def _refused_now(connection: Connection, code: str, *, at_once: bool = False) -> None:
    """Suspect first; the third look, ten minutes later, makes it needs_reauthorization."""
    now = timezone.now()
    connection.failed(code)
    suspect_since = connection.suspect_since
    if at_once or (suspect_since is not None and now - suspect_since >= SUSPECT_FOR):
        connection.state = Connection.State.NEEDS_REAUTHORIZATION
        connection.save(update_fields=["state"])
        audit.record(
            audit.Action.CONNECTION_STATE_CHANGED,
            actor=SYSTEM,
            subject=connection,
            state=connection.state,
            because=code,
        )
        return
    wait = LOOK_AGAIN[0] if suspect_since is None else LOOK_AGAIN[1]
    connection.suspect_since = suspect_since or now
    connection.next_verification_at = now + wait
    connection.save(update_fields=["suspect_since", "next_verification_at"])
