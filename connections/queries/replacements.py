"""The replacement of a credential: its four steps, what was compared, where to withdraw the old."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone

from connections import by_hand
from connections.contracts import Manifest, Method, Step
from connections.explain import Explanation, explain, explain_link
from connections.flows import rotation
from connections.models import AT_WORK, Connection, Credential, Replacement
from connections.queries.credential import CredentialFacts, facts
from connections.queries.linking import SILENT_AFTER, WAITING_TOO_LONG, StepLink
from portal.models import Heartbeat

Stage = Replacement.Stage
STEPS = ("Enter", "Check", "Switch", "Withdraw")
KEPT = 20
_STEP = {
    Stage.ENTERING: 0,
    Stage.MAKING: 0,
    Stage.CHECKING: 1,
    Stage.CHECKED: 2,
    Stage.SWITCHING: 2,
    Stage.GOING_BACK: 2,
    Stage.DROPPING: 2,
    Stage.SWITCHED: 3,
    Stage.WITHDRAWING: 3,
}
_LINES = {
    Stage.MAKING: "A worker has {product} make a new token.",
    Stage.CHECKING: "A worker asks {product} whose the new one is, and what it may do.",
    Stage.SWITCHING: "A worker switches over. The old one is kept.",
    Stage.WITHDRAWING: "A worker withdraws the old one and erases it here.",
    Stage.GOING_BACK: "A worker puts the old one back in use.",
    Stage.DROPPING: "A worker forgets the new one.",
}
_WAY_OUT = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Shown:
    """A replacement under way; `line` says what a worker does, `guide` where to withdraw."""

    row: Replacement
    steps: list[StepLink]
    line: str
    no_worker: bool
    trouble: Explanation | None
    old: CredentialFacts | None
    new: CredentialFacts | None
    guide: Sequence[Step]
    by_us: bool


@dataclass(frozen=True, slots=True)
class Rotation:
    """One line of the history: how it ended, and what it led from and to."""

    row: Replacement
    outcome: str
    old: Credential | None
    new: Credential | None


def steps(stage: str = Stage.ENTERING) -> list[StepLink]:
    """The four steps in view."""
    here = _STEP.get(Stage(stage), 0)
    return [
        StepLink(label, "current" if at == here else "done" if at < here else "todo", "")
        for at, label in enumerate(STEPS)
    ]


def shown(row: Replacement, manifest: Manifest) -> Shown:
    """What the page of this replacement says now."""
    rows = {each.id: each for each in Credential.objects.filter(id__in=[row.old_id, row.new_id])}
    old = rows.get(row.old_id) if row.old_id else None
    new = rows.get(row.new_id)
    return Shown(
        row=row,
        steps=steps(row.stage),
        line=_LINES.get(Stage(row.stage), "").format(product=manifest.name),
        no_worker=row.stage in AT_WORK and _no_worker(row),
        trouble=explain_link(row.error, product=manifest.name) if row.error else None,
        old=facts(old) if old else None,
        new=facts(new) if new else None,
        guide=guide(manifest, str(row.before.get("method", "")), row.before.get("fields", {})),
        by_us=bool(row.old_token_id),
    )


def _no_worker(row: Replacement) -> bool:
    """Nobody should be kept waiting without a word."""
    now = timezone.now()
    seen = Heartbeat.objects.filter(kind="worker", seen_at__gte=now - SILENT_AFTER).exists()
    return not seen and now - row.asked_at > WAITING_TOO_LONG


def guide(manifest: Manifest, method_key: str, fields: dict[str, str]) -> Sequence[Step]:
    """Where a person withdraws a credential of this method, and what to look for there."""
    method = next((each for each in manifest.methods if each.key == method_key), None)
    if method is None:
        return ()
    if method.withdraw:
        return method.withdraw
    address = by_hand.address(manifest, method, fields)
    return (Step("Open this page and find it by its name and its day.", url=address),)


def usual_method(connection: Connection, ways: Sequence[Method], manifest: Manifest) -> Method:
    """The way that is offered first: the same again, what followed an ended one, or the first."""
    keys = {each.key: each for each in ways}
    held = next((each for each in manifest.methods if each.key == connection.method), None)
    follows = held.end.instead if held and held.end else ""
    return keys.get(connection.method) or keys.get(follows) or ways[0]


def history(connection: Connection, product: str) -> list[Rotation]:
    """The replacements that ended, newest first."""
    found = Replacement.objects.filter(connection_id=connection.id).exclude(ended_at=None)
    rows = list(found.order_by("-created_at")[:KEPT])
    ids = {each for row in rows for each in (row.old_id, row.new_id) if each}
    known = {each.id: each for each in Credential.objects.filter(id__in=ids)}
    return [
        Rotation(
            row=row,
            outcome=_outcome(row, product),
            old=known.get(row.old_id) if row.old_id else None,
            new=known.get(row.new_id),
        )
        for row in rows
    ]


def _outcome(row: Replacement, product: str) -> str:
    """What is worth knowing beside the last stage: how the old one went, or why it failed."""
    if row.stage == Stage.DONE:
        return row.get_withdrawn_how_display()
    return explain(row.error, product=product).title if row.error else ""


def can_rotate(connection: Connection, credential: Credential | None) -> str | None:
    """None when the vendor never makes tokens of this kind; else what stands in the way now."""
    if rotation.rotation_of(connection) is None:
        return None
    return rotation.obstacle_of(connection, credential)
