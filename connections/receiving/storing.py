"""Puts deliveries on disk together with the work they make, and only then says so.

What arrives while a statement is under way is stored by the next one, all of it in one transaction
(group commit): a sender waits for one commit at most, and the disk for as few as can be.
"""

from __future__ import annotations

import json
import logging
import re
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from queue import Empty, SimpleQueue
from typing import Any, Final
from uuid import UUID

from connections.receiving import digests
from connections.receiving.database import PATIENCE_SECONDS, Away, Declined, Line
from portal import clock
from portal.steps import step

log = logging.getLogger(__name__)

LANES: Final = 4  # an organization has one: whoever holds it up holds up few others
TOGETHER: Final = 16  # in one transaction; more of them do not cost less each
LONGEST_KEY: Final = 100

_ROW: Final = (
    "(%s::uuid, %s::text, %s::bytea, %s::bytea, %s::text, %s::int, %s::jsonb, %s::bytea,"
    " %s::timestamptz, %s::text)"
)
_STATEMENTS: Final = [
    "SELECT connections_receive(a, b, c, d, e, f, g, h, i, j) FROM (VALUES "  # noqa: S608
    + ", ".join([_ROW] * count)
    + ") AS arrived (a, b, c, d, e, f, g, h, i, j)"
    for count in range(TOGETHER + 1)
]
_ID: Final = re.compile(
    r"\{?([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})\}?", re.I | re.ASCII
)
_NUMBER: Final = re.compile(r"[0-9]{1,3}", re.ASCII)


class Kept(StrEnum):
    """What the database said. All but `gone` are on disk, now or since earlier."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message with a right signature. `sender_id`, `event` and `attempt` are as the sender says:
    no signature covers them."""

    organization_id: UUID
    endpoint_id: UUID
    sender_id: str
    event: str
    attempt: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(slots=True, eq=False)
class _Waiting:
    """An arrival that a thread waits for, and what the database will say of it."""

    values: list[Any]
    answer: Future[str] = field(default_factory=Future)


class _Lane:
    """A thread that stores what has come, while the next ones come; it begins with the first."""

    def __init__(self) -> None:
        self._line = Line()
        self._arrived: SimpleQueue[_Waiting | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def store(self, values: list[Any]) -> str:
        """What the database said. Raises Away."""
        one = _Waiting(values)
        self._arrived.put(one)
        if self._thread is None:
            self._begin()
        try:
            return one.answer.result(PATIENCE_SECONDS)
        except TimeoutError:
            one.answer.cancel()  # unless it is being stored: then it is, and is sent again
            raise Away("busy") from None

    def close(self) -> None:
        if self._thread is not None:
            self._arrived.put(None)
            self._thread.join()
            self._thread = None
        self._line.close()

    def _begin(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._keep, name="storing", daemon=True)
                self._thread.start()

    def _keep(self) -> None:
        while (one := self._arrived.get()) is not None:
            batch = [one]
            with suppress(Empty):
                while len(batch) < TOGETHER and (one := self._arrived.get_nowait()) is not None:
                    batch.append(one)
            self._settle([one for one in batch if one.answer.set_running_or_notify_cancel()])
            if one is None:
                return

    def _settle(self, batch: list[_Waiting]) -> None:
        """Each has its answer; what the database declines together, it is asked one by one."""
        try:
            self._store(batch)
        except Exception as error:  # the outermost line of a thread: it goes on
            if isinstance(error, Declined) and len(batch) > 1:
                for one in batch:
                    self._settle([one])
                return
            if not isinstance(error, Away):
                log.exception("ingest.storing_raised")
            for one in batch:
                one.answer.set_exception(error)

    def _store(self, batch: list[_Waiting]) -> None:
        if not batch:
            return
        values = [value for one in batch for value in one.values]
        found = self._line.rows(_STATEMENTS[len(batch)], values)
        step("delivery.stored")
        for one, (said,) in zip(batch, found, strict=True):
            one.answer.set_result(said)


class Storing:
    """How deliveries get to the disk; one for the process."""

    def __init__(self) -> None:
        self._lanes = [_Lane() for _ in range(LANES)]

    def store(self, arrival: Arrival, request_id: str) -> tuple[Kept, bool]:
        """What became of it, and whether a worker is to be woken. Raises `database.Away`.

        The statement is its own transaction: when it answers, the row is where a crash leaves it.
        """
        lane = self._lanes[arrival.organization_id.int % LANES]
        said = lane.store(_values(arrival, request_id))
        verdict, _, first = said.partition(" ")
        return Kept(verdict), bool(first)

    def close(self) -> None:
        for lane in self._lanes:
            lane.close()


def _values(arrival: Arrival, request_id: str) -> list[Any]:
    sender = well_formed(arrival.sender_id)
    return [
        arrival.endpoint_id,
        sender,
        dedupe(arrival.endpoint_id, sender, arrival.body),
        digests.sha256(arrival.body),
        arrival.event[:LONGEST_KEY],
        int(arrival.attempt) if _NUMBER.fullmatch(arrival.attempt) else None,
        json.dumps(arrival.headers, separators=(",", ":")),
        arrival.body,
        clock.now(),
        request_id,
    ]


def well_formed(given: str) -> str:
    """The sender's id as it is kept; empty for what is no UUID."""
    found = _ID.fullmatch(given)
    return found[1].lower() if found else ""


def dedupe(endpoint_id: UUID, sender_id: str, body: bytes) -> bytes:
    """What tells this delivery from others of the endpoint: the sender's id, else what it says."""
    if sender_id:
        return b"\x01" + UUID(sender_id).bytes
    return b"\x00" + digests.sha256(endpoint_id.bytes + body)
