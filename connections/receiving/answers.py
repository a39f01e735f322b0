"""What the ingest process answers: one answer for each outcome, and it says no more than that."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Final


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer. `name` is what the log counts; who asks learns the status and no more."""

    name: str
    status: str
    says: str
    more: tuple[tuple[str, str], ...] = ()
    body: bytes = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "body", json.dumps({"status": self.says}).encode() + b"\n")


ACCEPTED: Final = Answer("accepted", "202 Accepted", "accepted")
DUPLICATE: Final = Answer("duplicate", "202 Accepted", "accepted")
CONFLICT: Final = Answer("conflict", "202 Accepted", "accepted")
CUT_OFF: Final = Answer("cut_off", "400 Bad Request", "the body ended early")
UNSIGNED: Final = Answer("unsigned", "401 Unauthorized", "not signed as agreed")
NOT_FOUND: Final = Answer("not_found", "404 Not Found", "nothing is here")
PLAIN: Final = Answer("plain_http", "403 Forbidden", "https only")
METHOD: Final = Answer("method", "405 Method Not Allowed", "POST only", (("Allow", "POST"),))
GONE: Final = Answer("gone", "410 Gone", "switched off")
NO_LENGTH: Final = Answer("no_length", "411 Length Required", "say how long the body is")
TOO_LONG: Final = Answer("too_long", "413 Content Too Large", "1 MiB at most")
TYPE: Final = Answer("type", "415 Unsupported Media Type", "JSON only")
# Not 429: vendors send again after a 5xx only, and what came too fast is not to be lost.
TOO_MANY: Final = Answer("too_many", "503 Service Unavailable", "slower", (("Retry-After", "1"),))
TOO_SLOW: Final = Answer("too_slow", "503 Service Unavailable", "slower", (("Retry-After", "5"),))
AWAY: Final = Answer(
    "away", "503 Service Unavailable", "not stored, send it again", (("Retry-After", "5"),)
)


class Refused(Exception):
    """It goes no further; `answer` is what the sender gets."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.name)
        self.answer = answer
