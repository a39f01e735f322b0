"""What was sent to whom: one row for each attempt at a delivery, without addresses or secrets."""

from __future__ import annotations

import hashlib
from collections import Counter, OrderedDict, deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

KEPT_ROWS = 100_000
KEPT_MESSAGES = 2_000


@dataclass(frozen=True, slots=True)
class Message:
    """One delivery: what is sent where, and how often it may be tried.

    `headers` are complete but for the number of the attempt, which goes into `attempt_header` where
    the vendor has one.
    """

    id: str
    hook: str
    event: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    attempts: int
    attempt_header: str = ""


@dataclass(frozen=True, slots=True)
class Attempt:
    """`outcome` is accepted, refused, failed, dropped, too_big or elsewhere; only the first three
    were on the wire. `address` is the beginning of the address's SHA-256."""

    number: int
    at: float
    hook: str
    event: str
    delivery: str
    address: str
    attempt: int
    status: int
    outcome: str
    milliseconds: float
    bytes: int


class WebhookJournal:
    """The last attempts, oldest first, with running totals, and the last messages for replays."""

    def __init__(self) -> None:
        self._rows: deque[Attempt] = deque(maxlen=KEPT_ROWS)
        self._messages: OrderedDict[str, Message] = OrderedDict()
        self.outcomes: Counter[str] = Counter()
        self.statuses: Counter[str] = Counter()
        self.total = 0

    def keep(self, message: Message) -> None:
        self._messages[message.id] = message
        if len(self._messages) > KEPT_MESSAGES:
            self._messages.popitem(last=False)

    def messages(self) -> list[Message]:
        """Return what was sent and may be sent again, oldest first."""
        return list(self._messages.values())

    def note(
        self,
        message: Message,
        *,
        at: float,
        outcome: str,
        attempt: int = 0,
        status: int = 0,
        milliseconds: float = 0.0,
    ) -> None:
        self.total += 1
        self.outcomes[outcome] += 1
        if status:
            self.statuses[str(status)] += 1
        self._rows.append(
            Attempt(
                number=self.total,
                at=at,
                hook=message.hook,
                event=message.event,
                delivery=message.id,
                address=hashlib.sha256(message.url.encode()).hexdigest()[:12],
                attempt=attempt,
                status=status,
                outcome=outcome,
                milliseconds=round(milliseconds, 1),
                bytes=len(message.body),
            )
        )

    def matching(self, wanted: Mapping[str, list[str]]) -> list[dict[str, Any]]:
        """Return the rows after number `since`, by `hook`, `event`, `delivery` and `outcome`."""
        since = int(wanted.get("since", ["0"])[0])
        limit = int(wanted.get("limit", [str(KEPT_ROWS)])[0])
        fields = {
            name: values[0].strip("{}")
            for name, values in wanted.items()
            if name in {"hook", "event", "delivery", "outcome"}
        }
        found = [
            row
            for row in list(self._rows)
            if row.number > since
            and all(getattr(row, name) == value for name, value in fields.items())
        ]
        return [asdict(row) for row in found[:limit]]

    def forget(self) -> None:
        self._rows.clear()
        self._messages.clear()
        self.outcomes.clear()
        self.statuses.clear()
        self.total = 0
