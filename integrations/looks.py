"""What live checks share: who looks, at what, and what an answer teaches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from connections.contracts import Answer, Api, Method, Outcome
from connections.errors import VendorError

ANY_STATUS = frozenset(range(100, 600))

Learned = tuple[Outcome, str]
NO_ANSWER: Learned = (Outcome.OPEN, "No answer, or nothing of this account's to ask about.")


@dataclass(frozen=True, slots=True)
class Look:
    """Who looks, with what, and at which of the account's own things."""

    apis: Mapping[str, Api]
    method: Method
    places: Mapping[str, str]

    def ask(self, path: str, *, by: str = "own") -> Answer | None:
        """The answer, whatever its status; None when there is none or nothing to ask about."""
        try:
            return self.apis[by].get(path.format(**self.places), accept=ANY_STATUS)
        except (KeyError, VendorError):
            return None

    def ask_for_body(self, path: str) -> Mapping[str, Any]:
        """The JSON object of a 200; an empty one for any other answer."""
        answer = self.ask(path)
        return answer.body if answer is not None and is_good(answer) else {}

    def ask_for_first(self, path: str, items: str = "values") -> Mapping[str, Any]:
        """The first item of a page, which lists `items`; an empty one when there is none."""
        values = self.ask_for_body(path).get(items)
        item = values[0] if isinstance(values, list) and values else {}
        return item if isinstance(item, dict) else {}


def is_good(answer: Answer) -> bool:
    """Whether this is a 200 with a JSON object."""
    return answer.status == 200 and isinstance(answer.body, dict)


def form(answer: Answer) -> str:
    """What the answer's body is, in a word."""
    return "JSON" if answer.body is not None else "text"


def learned(holds: bool, detail: str = "") -> Learned:
    """What a trial that got its answer says of a claim."""
    return (Outcome.CONFIRMED if holds else Outcome.REFUTED), detail


def endpoint(answer: Answer | None) -> Learned:
    """Confirmed by 200 and a JSON object; closed doors leave it open, other answers refute it."""
    if answer is None:
        return NO_ANSWER
    if is_good(answer):
        return Outcome.CONFIRMED, "200"
    said = f"{answer.status}, {form(answer)}"
    return (Outcome.OPEN if answer.status in (401, 403, 429) else Outcome.REFUTED), said


def note(found: dict[str, str], name: str, item: object, key: str) -> None:
    """Keep the item's text under this name, where none is kept yet."""
    value = item.get(key) if isinstance(item, Mapping) else None
    if isinstance(value, str):
        found.setdefault(name, value)
