"""What there is to be told of: each kind with its words, its button and its default channels."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from portal.models import Severity


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of notice. `title` and `sentence` may name the subject as `{subject}`.

    `label` is what the settings call it. `email` and `chat` say whether it is sent there unless
    somebody chose otherwise; the inbox has everything. `to_operators` kinds are the platform's. An
    `urgent` one waits for nothing, not even for the one mail a day that somebody chose. `pause` is
    the least time between two mails of many.
    """

    key: str
    label: str
    title: str
    sentence: str
    button: str
    severity: Severity = Severity.ATTENTION
    email: bool = False
    chat: bool = True
    to_operators: bool = False
    urgent: bool = False
    pause: timedelta = timedelta(minutes=10)


WAITS, WAITS_OPERATORS = "approval_waits", "approval_waits_operators"
ANSWERED, ANSWERED_OPERATORS = "approval_answered", "approval_answered_operators"

_kinds: dict[str, Kind] = {}


def register(*kinds: Kind) -> None:
    """These kinds exist; the last one registered under a key counts."""
    _kinds.update({kind.key: kind for kind in kinds})


def kind_of(key: str) -> Kind:
    """The kind of this key; one that is gone from the code is shown under its bare name."""
    found = _kinds.get(key)
    return found or Kind(key, key.replace("_", " ").capitalize(), "{subject}", "", "Open")


def is_registered(key: str) -> bool:
    return key in _kinds


def kinds(*, to_operators: bool = False) -> list[Kind]:
    """The kinds of organizations, or the platform's, by how bad they are and then by name."""
    order = list(Severity)
    found = [kind for kind in _kinds.values() if kind.to_operators == to_operators]
    return sorted(found, key=lambda kind: (order.index(kind.severity), kind.label))


register(
    Kind(
        "owner_left",
        label="Somebody who granted connections leaves",
        title="{subject} rests on somebody who has left",
        sentence="Who granted it is no longer a member. It goes on until the vendor withdraws it.",
        button="Link again",
        email=True,
    ),
    Kind(
        "chat_disabled",
        label="The chat channel refuses our posts",
        title="Notices no longer reach {subject}",
        sentence="The address does not take our posts any more, so we stopped sending them.",
        button="Mend the channel",
        severity=Severity.BROKEN,
        email=True,
        chat=False,
    ),
    Kind(
        "job_failed",
        label="Jobs were given up",
        title="Jobs were given up: {subject}",
        sentence="All attempts failed. Nobody tries again until somebody looks.",
        button="Look at it",
        email=True,
        to_operators=True,
    ),
    Kind(
        WAITS,
        label="Something waits for a second person",
        title="{subject} waits for a second person",
        sentence="Somebody asked for it. It happens only when another person agrees.",
        button="Look and decide",
        email=True,
    ),
    Kind(
        WAITS_OPERATORS,
        label="Something waits for a second operator",
        title="{subject} waits for a second operator",
        sentence="Somebody asked for it. It happens only when another operator agrees.",
        button="Look and decide",
        email=True,
        to_operators=True,
    ),
    Kind(
        ANSWERED,
        label="A second person decided what you asked for",
        title="{subject} was decided",
        sentence="Look at the answer.",
        button="Look at it",
        severity=Severity.NEWS,
        email=True,
        chat=False,
    ),
    Kind(
        ANSWERED_OPERATORS,
        label="A second operator decided what you asked for",
        title="{subject} was decided",
        sentence="Look at the answer.",
        button="Look at it",
        severity=Severity.NEWS,
        email=True,
        chat=False,
        to_operators=True,
    ),
)
