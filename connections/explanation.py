"""The shape of an explanation: what happened, the remedy, who acts, and the button that mends it.

No Django here.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from connections.errors import Who


class Button(StrEnum):
    """The way out that a page offers beside an explanation."""

    NONE = ""
    LINK_AGAIN = "link_again"
    VERIFY = "verify"
    START_OVER = "start_over"
    CHANGE_CHOICES = "change_choices"
    CHANGE_METHOD = "change_method"
    FIX_FORM = "fix_form"
    REPLACE = "replace"
    CONSUMERS = "consumers"
    CONNECTIONS = "connections"


@dataclass(frozen=True, slots=True)
class Explanation:
    """`state` is the badge that fits a connection in this trouble: "attention" or "broken"."""

    code: str
    title: str
    happened: str
    remedy: str
    who: Who = Who.NOBODY
    button: Button = Button.NONE
    state: str = "attention"

    @property
    def who_acts(self) -> str:
        return WHO_ACTS[self.who]


WHO_ACTS = {
    Who.NOBODY: "Nobody has to act: we keep trying.",
    Who.MEMBER: "Somebody who may link it has to act.",
    Who.MANAGER: "A manager of this connection has to act.",
    Who.OPERATOR: "The people who run this portal have to act.",
    Who.US: "We have to act. Tell the people who run this portal if it stays.",
}
