"""What happened, told from the record: a connection's time line and an organization's news."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from heapq import merge
from itertools import islice
from operator import attrgetter
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest

from connections.explain import explain
from connections.models import Connection, Outcome, RunState
from connections.queries import attempts
from connections.queries.attempts import Renewal
from portal import cursor as cursors, phrases
from portal.audit import Action
from portal.models import AuditEvent
from portal.policy import SYSTEM

ACTIONS = {action.value: action for action in Action}
ICONS = {
    Action.LINK_BEGUN: "link",
    Action.LINK_REFUSED: "alert-circle",
    Action.CONNECTION_LINKED: "plug-connected",
    Action.CONNECTION_RELINKED: "plug-connected",
    Action.CONNECTION_ACCOUNT_CHANGED: "user",
    Action.CONNECTION_EDITED: "pencil",
    Action.CONNECTION_PAUSED: "player-pause",
    Action.CONNECTION_RESUMED: "player-play",
    Action.CONNECTION_REVOKED: "unlink",
    Action.WORKSPACES_CHOSEN: "folders",
    Action.CREDENTIAL_REPLACED: "key",
    Action.CREDENTIAL_MADE: "key",
    Action.CREDENTIAL_WENT_BACK: "history",
    Action.CREDENTIAL_WITHDRAWN: "unlink",
    Action.REPLACEMENT_BEGUN: "key",
    Action.REPLACEMENT_REFUSED: "alert-circle",
    Action.REPLACEMENT_CANCELLED: "x",
    Action.VERIFICATION_REQUESTED: "shield-check",
    Action.VERIFICATION_FINISHED: "shield-check",
    Action.DRIFT_FOUND: "activity",
    Action.SYNC_CHOSEN: "folders",
    Action.HOOKS_CHOSEN: "webhook",
    Action.HOOKS_STOPPED: "clock",
    Action.HOOKS_REPAIR_ASKED: "webhook",
    Action.HOOKS_TENDED: "webhook",
    Action.HOOKS_TESTED: "send",
    Action.HOOK_SECRET_REPLACED: "key",
    Action.HOOK_SECRET_ENDED: "key",
    Action.SYNC_REQUESTED: "download",
    Action.SYNC_FINISHED: "download",
    Action.SYNC_CANCELLED: "ban",
    Action.SYNC_QUARANTINED: "alert-triangle",
    Action.SYNC_SHRINK_ACCEPTED: "check",
}
TONES = {
    Action.LINK_REFUSED: "danger",
    Action.CREDENTIAL_REPLACED: "good",
    Action.REPLACEMENT_REFUSED: "danger",
    Action.CONNECTION_REVOKED: "danger",
    Action.DRIFT_FOUND: "warning",
    Action.SYNC_QUARANTINED: "warning",
    Action.CONNECTION_LINKED: "good",
    Action.CONNECTION_RELINKED: "good",
}
RESULTS = {
    Outcome.PARTLY: "passed in part",
    Outcome.UNREACHED: "not reached",
    RunState.DONE: "complete",
    RunState.PARTIAL: "complete with failures",
    RunState.QUARANTINED: "removals held back",
    "needs_reauthorization": "needs a new link",
}
# Which of the details a person may read on the time line, and how each is introduced.
WORDS = {
    "account": "account {}",
    "workspaces": "workspaces: {}",
    "repositories": "repositories: {}",
    "outcome": "{}",
    "state": "{}",
    "to": "now {}",
    "added": "added: {}",
    "removed": "removed: {}",
}


@dataclass(frozen=True, slots=True)
class Happening:
    """One line of a time line."""

    icon: str
    tone: str
    title: str
    at: datetime
    body: str = ""
    url: str = ""


def time_line(connection: Connection, *, product: str, limit: int = 25) -> list[Happening]:
    """What happened to this connection, newest first: its record and its renewals."""
    events = AuditEvent.objects.filter(subject_id=connection.id).order_by("-sequence")[:limit]
    lines = [_line(event, product) for event in events]
    renewed = [_renewed(each) for each in attempts.story(connection, product)]
    return list(islice(_by_time(lines, renewed), limit))


def news(*, limit: int = 8) -> list[Happening]:
    """What happened to connections of the organization, newest first."""
    events = AuditEvent.objects.filter(subject_kind="connection").order_by("-sequence")
    return [_line(event, "the vendor") for event in events[:limit]]


def _by_time(*lines: Sequence[Any]) -> Any:
    """Lines of several kinds as one story; the order within each kind stays."""
    return merge(*lines, key=attrgetter("at"), reverse=True)


def _renewed(renewal: Renewal) -> Happening:
    return Happening(renewal.icon, renewal.tone, renewal.title, renewal.at, renewal.line)


@dataclass(frozen=True, slots=True)
class RecordLine:
    """One row of the record, with what was noted beside it; renewals have no number."""

    sequence: int | None
    at: datetime
    actor: str
    deed: str
    details: list[tuple[str, str]]
    address: str
    request_id: str


@dataclass(frozen=True, slots=True)
class ConnectionRecord:
    lines: list[RecordLine]
    previous: str
    next: str


def connection_record(
    request: HttpRequest, connection: Connection, product: str
) -> ConnectionRecord:
    """A page of everything on record about the connection, with the renewals of that time."""
    events = AuditEvent.objects.filter(subject_id=connection.id)
    found = cursors.page(events, by=("-sequence",), cursor=request.GET.get("cursor", ""))
    renewed = attempts.story(
        connection,
        product,
        after=found.rows[-1].at if found.next else None,
        until=_at_before(events, found.rows[0]) if found.previous else None,
    )
    lines = [_record_line(event) for event in found.rows]
    return ConnectionRecord(
        lines=list(_by_time(lines, [_renewal_line(each) for each in renewed])),
        previous=cursors.link(request, found.previous),
        next=cursors.link(request, found.next),
    )


def _at_before(events: QuerySet[AuditEvent], first: AuditEvent) -> datetime | None:
    """When the last event of the page before was: what came after it is told there."""
    newer = events.filter(sequence__gt=first.sequence).order_by("sequence")
    return newer.values_list("at", flat=True).first()


def _renewal_line(renewal: Renewal) -> RecordLine:
    if renewal.since:
        times = phrases.plural(len(renewal.attempts), "time")
        details = [("renewed", times), ("since", phrases.absolute(renewal.since))]
    else:
        details = [(label.lower(), value) for label, value in renewal.last.facts]
    return RecordLine(None, renewal.at, SYSTEM.name, renewal.title, details, "", "")


def _record_line(event: AuditEvent) -> RecordLine:
    action = ACTIONS.get(event.action)
    return RecordLine(
        sequence=event.sequence,
        at=event.at,
        actor=event.actor_name,
        deed=f"{action.label} {event.subject_name}" if action else event.action,
        details=[(name.replace("_", " "), _shown(value)) for name, value in event.details.items()],
        address=event.address,
        request_id=event.request_id,
    )


def _shown(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(_shown(each) for each in value) or "none"
    if isinstance(value, dict):
        return " ".join(f"{name}: {_shown(each)}" for name, each in value.items())
    return "none" if value in (None, "") else str(value)[:300]


def _line(event: AuditEvent, product: str) -> Happening:
    action = ACTIONS.get(event.action)
    deed = action.label if action else event.action
    return Happening(
        icon=ICONS.get(action, "clock") if action else "clock",
        tone=_tone(action, event.details),
        title=f"{event.actor_name} {deed} {event.subject_name}",
        at=event.at,
        body=_body(event.details, product),
    )


def _tone(action: Action | None, details: Mapping[str, Any]) -> str:
    if details.get("error") or details.get("outcome") == "failed":
        return "danger"
    return TONES.get(action, "plain") if action else "plain"


def _body(details: Mapping[str, Any], product: str) -> str:
    parts = []
    if details.get("error"):
        parts.append(explain(str(details["error"]), product=product).title)
    for name, words in WORDS.items():
        value = details.get(name)
        if isinstance(value, str):
            value = RESULTS.get(value, value)
        if isinstance(value, list):
            value = ", ".join(map(str, value[:8]))
        if value not in (None, "", {}):
            parts.append(words.format(str(value)[:200]))
    return " · ".join(parts)
