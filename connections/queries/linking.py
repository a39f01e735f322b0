"""The wizard's four steps: what for, how, consent, check."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.urls import reverse
from django.utils import timezone

from connections.contracts import Capability, Manifest, Method, MethodKind, Step
from connections.explain import Explanation, explain_link
from connections.flows import consumers, policies
from connections.models import Connection, ConnectionState, Consumer, LinkStage, PendingLink
from connections.queries.catalogue import obstacle_of
from connections.queries.matrix import spoken_by, vocabularies
from portal.models import Heartbeat, Job, Team

STEPS = (
    ("What for", "link_what"),
    ("How", "link_how"),
    ("Consent", "link_consent"),
    ("Check", "link_check"),
)
SILENT_AFTER = timedelta(seconds=30)
WAITING_TOO_LONG = timedelta(seconds=15)


@dataclass(frozen=True, slots=True)
class StepLink:
    label: str
    state: str
    url: str


@dataclass(frozen=True, slots=True)
class ScopeLine:
    """One box to tick at the vendor: its label there, the word on the wire, and who needs it."""

    label: str
    scope: str
    needed_by: list[str]


@dataclass(frozen=True, slots=True)
class ScopeSheet:
    """What the chosen capabilities cost in one vocabulary."""

    vocabulary: str
    spoken_by: str
    lines: list[ScopeLine]
    cannot: list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class WayChoice:
    """One method to choose; `obstacles` say why it does not fit what was chosen."""

    method: Method
    obstacles: list[str]
    is_chosen: bool

    @property
    def is_possible(self) -> bool:
        return not self.obstacles


@dataclass(frozen=True, slots=True)
class Progress:
    """What the worker is doing; `no_worker` when none has shown itself lately."""

    stage: str
    line: str
    since: Any
    no_worker: bool
    trouble: Explanation | None


def steps(pending: PendingLink, slug: str, current: str) -> list[StepLink]:
    """The four steps in view; one may go back until the worker has begun."""
    names = [name for _, name in STEPS]
    here = names.index(current)
    may_go_back = pending.stage not in {LinkStage.ANSWERED, LinkStage.DONE}
    return [
        StepLink(
            label,
            "current" if place == here else "done" if place < here else "todo",
            reverse(name, args=[slug, pending.id]) if place < here and may_go_back else "",
        )
        for place, (label, name) in enumerate(STEPS)
    ]


def scope_sheets(manifest: Manifest, keys: Sequence[str]) -> list[ScopeSheet]:
    """The scopes of these capabilities in every vocabulary of the vendor."""
    chosen = [c for c in manifest.capabilities if c.key in keys]
    return [scope_sheet(manifest, chosen, vocabulary) for vocabulary in vocabularies(manifest)]


def scope_sheet(manifest: Manifest, chosen: Sequence[Capability], vocabulary: str) -> ScopeSheet:
    lines: dict[tuple[str, str], list[str]] = {}
    cannot = []
    for capability in chosen:
        if vocabulary not in capability.scopes:
            why = capability.unavailable.get(vocabulary, "Not possible this way.")
            cannot.append((capability.title, why))
        for label, scope in _boxes(capability, vocabulary):
            lines.setdefault((label, scope), []).append(capability.title)
    return ScopeSheet(
        vocabulary,
        spoken_by(manifest, vocabulary),
        [ScopeLine(label, scope, titles) for (label, scope), titles in lines.items()],
        cannot,
    )


def _boxes(capability: Capability, vocabulary: str) -> list[tuple[str, str]]:
    scopes = capability.scopes.get(vocabulary, ())
    labels = capability.labels.get(vocabulary, ())
    if len(labels) != len(scopes):
        return [(label, "") for label in labels] or [(scope, scope) for scope in scopes]
    return list(zip(labels, scopes, strict=True))


def ways(manifest: Manifest, pending: PendingLink) -> list[WayChoice]:
    """Every method with what stands in its way for the chosen capabilities; possible ones first."""
    usable = consumers.available(manifest.slug)
    chosen = [manifest.capability(key) for key in pending.capabilities]
    forbids = policies.forbids_personal(pending.relink)
    against = [policies.personal_obstacle(pending.relink)] if forbids else []
    found = [
        WayChoice(
            method,
            [*(against if method.personal else []), *_obstacles(manifest, method, chosen, usable)],
            is_chosen=method.key == pending.method,
        )
        for method in manifest.choices
    ]
    return sorted(found, key=lambda each: not each.is_possible)


def _obstacles(
    manifest: Manifest, method: Method, chosen: Sequence[Capability], usable: list[Consumer]
) -> list[str]:
    lacking = obstacle_of(method, usable)
    found = [lacking] if lacking else []
    for capability in chosen:
        why = manifest.obstacle(capability, method)
        if why:
            found.append(f"{capability.title}: {why}")
    return found


def consumers_for(method: Method, slug: str, organization_id: object) -> list[Consumer]:
    """The consumers this method may use; a platform's one never acts without a person."""
    if method.kind.is_pasted:
        return []
    found = consumers.available(slug)
    if method.kind is MethodKind.CLIENT_CREDENTIALS:
        return [each for each in found if each.organization_id == organization_id]
    return found


def filled(given: Sequence[Step], callback_url: str) -> list[Step]:
    """The vendor's steps with this portal's addresses put into what is to be pasted."""
    return [
        Step(
            step.text,
            step.copy.replace("{callback_url}", callback_url).replace(
                "{portal_url}", settings.PORTAL_URL
            ),
            step.url,
        )
        for step in given
    ]


def team_choices(connector: str, *, within: Iterable[UUID] | None) -> list[tuple[str, str]]:
    """Whom the connection may be for: everybody while that place is free, or one of the teams.

    `within` are the person's own teams; None is every team.
    """
    taken = (
        Connection.objects.filter(connector=connector, team=None)
        .exclude(state=ConnectionState.REVOKED)
        .exists()
    )
    known = Team.objects.all() if within is None else Team.objects.filter(id__in=within)
    rows = known.order_by("name").values_list("id", "name")
    teams = [(str(key), name) for key, name in rows]
    return ([] if taken else [("", "The whole organization")]) + teams


def free_name(wanted: str) -> str:
    """The wanted name, or the first of "wanted 2", "wanted 3" … that nobody has."""
    taken = {
        name.lower()
        for name in Connection.objects.filter(name__istartswith=wanted[:60]).values_list(
            "name", flat=True
        )[:200]
    }
    names = [wanted, *(f"{wanted} {number}" for number in range(2, 202))]
    return next(name for name in names if name.lower() not in taken)


def progress_of(pending: PendingLink, product: str) -> Progress:
    """What happens now, in one sentence."""
    trouble = None
    if pending.stage == LinkStage.FAILED:
        trouble = explain_link(pending.error, product=product)
    waits = pending.stage == LinkStage.ANSWERED
    return Progress(
        stage=pending.stage,
        line=_line(pending, product) if waits else "",
        since=pending.answered_at,
        no_worker=waits and no_worker(pending),
        trouble=trouble,
    )


def _line(pending: PendingLink, product: str) -> str:
    job = _job(pending)
    if job is None or job.lease_until is None:
        if job is not None and job.attempts:
            return f"{product} did not answer well. A worker tries again."
        return "Waiting for a worker."
    if "token" in pending.found_account:
        return f"Asking {product} whose account this is."
    return f"A worker is talking to {product}."


def no_worker(pending: PendingLink) -> bool:
    """Nobody has taken this job in time, so nobody should be kept waiting without a word."""
    now, job = timezone.now(), _job(pending)
    if job is not None and job.lease_until is not None and job.lease_until > now:
        return False
    due = job.run_at if job is not None else pending.answered_at or pending.created_at
    if now - due > WAITING_TOO_LONG:
        return True
    seen = Heartbeat.objects.filter(kind="worker", seen_at__gte=now - SILENT_AFTER).exists()
    return not seen and now - due > timedelta(seconds=4)


def _job(pending: PendingLink) -> Job | None:
    found: Job | None = (
        Job.objects.filter(kind="complete_link", ref__pending_link_id=str(pending.id))
        .order_by("-created_at")
        .first()
    )
    return found
