"""A row of the record as a sentence: who did what to what; its details as words and values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from portal.audit import Action
from portal.models import AuditEvent

# What these were done to is the doer, or goes without saying.
_WITHOUT_SUBJECT = frozenset(
    {
        Action.MEMBER_JOINED,
        Action.MEMBER_LEFT,
        Action.ORGANIZATION_TRANSFERRED,
        Action.SUPPORT_LOOK_BEGUN,
        Action.SUPPORT_LOOKED,
        Action.SUPPORT_LOOK_ENDED,
        Action.ACCESS_REFUSED,
        Action.SIGNED_IN,
        Action.SIGNED_OUT,
        Action.SIGN_IN_FAILED,
        Action.SIGNED_UP,
        Action.PASSWORD_CHANGED,
        Action.EMAIL_CHANGED,
        Action.TWO_STEP_CHANGED,
        Action.SESSIONS_ENDED,
        Action.LEDGERS_CHAINED,
        Action.CALENDAR_FEED_MADE,
        Action.CALENDAR_FEED_REVOKED,
        Action.TOMBSTONES_ADOPTED,
    }
)
_ENDINGS = {
    Action.SUPPORT_LOOK_BEGUN: "began to look at this organization",
    Action.SUPPORT_LOOKED: "looked at a page of this organization",
    Action.SUPPORT_LOOK_ENDED: "stopped looking at this organization",
    Action.ACCESS_REFUSED: "was refused a page",
    Action.ORGANIZATION_TRANSFERRED: "gave the organization to",
    Action.LEDGERS_CHAINED: "took up what leases and renewals there were",
    Action.INPUT_LOOKS_SECRET: "pasted what looks like a secret; it was not kept",
}
_ACTIONS = {action.value: action for action in Action}
_KINDS = {
    "support": "Support",
    "operator": "Operator",
    "system": "Portal",
    "guest": "By connect link",
}


@dataclass(frozen=True, slots=True)
class Told:
    """One row for a page; `subject` is empty where the deed says it all."""

    event: AuditEvent
    actor: str
    actor_note: str
    deed: str
    subject: str
    details: list[tuple[str, str]]


def told(event: AuditEvent) -> Told:
    """The row in words; an action of a newer or older version is shown by its name."""
    action = _ACTIONS.get(event.action)
    if action is None:
        return Told(event, event.actor_name, "", event.action, event.subject_name, _pairs(event))
    subject = "" if action in _WITHOUT_SUBJECT else event.subject_name
    if action is Action.ORGANIZATION_TRANSFERRED:
        subject = str(event.details.get("to", ""))
    if action is Action.INPUT_LOOKS_SECRET:
        subject = ""
    note = _KINDS.get(event.actor_kind, "")
    return Told(
        event=event,
        actor=event.actor_name,
        actor_note=note if note != event.actor_name else "",
        deed=_ENDINGS.get(action, action.label),
        subject=subject,
        details=_pairs(event),
    )


def _pairs(event: AuditEvent) -> list[tuple[str, str]]:
    details = event.details.items()
    return [(name.replace("_", " ").capitalize(), _words(value)) for name, value in details]


def _words(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(_words, value))
    if isinstance(value, dict):
        return ", ".join(f"{name}: {_words(inner)}" for name, inner in value.items())
    return "" if value is None else str(value)
