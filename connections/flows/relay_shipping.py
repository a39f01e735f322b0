"""Parcels on their way: threads wait for the target, the worker's own thread keeps what it says.

Parcels of different links, and of one link to different addresses, travel beside each other; those
to one address go one after the other, in their order.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import Final, Self

from connections.budgets import Purpose
from connections.contracts import Parcel, Sent
from connections.errors import RateLimited, ReauthorizationRequired, VendorError
from connections.flows import counted, relay_hindrance
from connections.flows.relay_settling import Book
from connections.flows.relay_sitting import SILENT, Sitting
from connections.models import Link, LinkState
from portal import clock
from portal.secret import Secret
from portal.steps import step

AT_ONCE: Final = 4  # requests to one target


@dataclass(slots=True)
class Shipment:
    """One portion of one link. `error` is what concerns the whole target, and ends it."""

    link: Link
    book: Book
    error: VendorError | None = None


@dataclass(slots=True)
class _Line:
    """What goes to one address, one after the other."""

    shipment: Shipment
    parcels: deque[Parcel]


@dataclass(slots=True)
class _Call:
    """One parcel that a thread takes there; what it took is written down afterwards."""

    line: _Line
    parcel: Parcel
    secret: Secret = field(repr=False)
    is_second: bool = False  # after a token that was refused
    began: datetime = field(default_factory=clock.now)
    noted: counted.Noted = field(default_factory=counted.Noted)


class Shipping:
    """What is taken is sent until the end of the block, and nothing is on its way after it."""

    def __init__(self, sitting: Sitting) -> None:
        self._sitting = sitting
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="relay")
        self._lines: deque[_Line] = deque()
        self._on_way: dict[Future[Sent], _Call] = {}
        self._shipments: list[Shipment] = []
        self._is_over = False  # something went wrong here: what is on its way is the last

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._is_over = kind is not None
        try:
            while self._go_on(None):
                pass
        finally:
            self._threads.shutdown(cancel_futures=True)
            for one in self._shipments:
                one.book.put_back()
        for one in self._shipments:
            if kind is None and one.error is not None:
                relay_hindrance.hindered(self._sitting.claim, one.link, one.error)

    def take(self, link: Link, book: Book, parcels: Sequence[Parcel]) -> None:
        """They are on their way, or will be; what came of others meanwhile is kept."""
        shipment = Shipment(link, book)
        self._shipments.append(shipment)
        by_address: dict[str, deque[Parcel]] = {}
        for parcel in parcels:
            by_address.setdefault(parcel.path, deque()).append(parcel)
        self._lines.extend(_Line(shipment, those) for those in by_address.values())
        self._go_on(0)

    def _go_on(self, seconds: float | None) -> bool:
        """As many as may are on their way, and what arrived is kept; whether any still is."""
        while self._lines and len(self._on_way) < AT_ONCE:
            self._start(self._lines.popleft())
        done, _ = wait(self._on_way, seconds, FIRST_COMPLETED)
        for future in done:
            self._keep(self._on_way.pop(future), future)
        return bool(self._lines or self._on_way)

    def _start(self, line: _Line) -> None:
        """The next parcel of this line that is still to be sent."""
        shipment = line.shipment
        self._sitting.claim.stay()
        while line.parcels and shipment.error is None and not self._is_over:
            parcel = line.parcels.popleft()
            if shipment.link.state == LinkState.REMOVING:
                return
            if not shipment.book.has(parcel):
                continue
            try:
                self._send(_Call(line, parcel, self._sitting.secret()))
            except VendorError as error:  # no token is to be had
                self._failed(shipment, parcel, error, clock.now())
            return

    def _send(self, call: _Call) -> None:
        api = self._sitting.way.api(
            call.secret, on_answer=call.noted.answers.append, on_send=call.noted.send
        )
        reach = self._sitting.reach(call.line.shipment.link, api)
        run, send = copy_context().run, self._sitting.connector.send
        self._on_way[self._threads.submit(run, send, reach, call.parcel)] = call

    def _keep(self, call: _Call, future: Future[Sent]) -> None:
        """What the target said of it is kept, and its line goes on."""
        shipment = call.line.shipment
        call.noted.settle(self._sitting.way, self._sitting.budget_id, Purpose.TOLD)
        try:
            sent = self._sent(call, future)
        except VendorError as error:
            self._failed(shipment, call.parcel, error, call.began)
        else:
            if sent is None:
                return
            step("relay.sent")
            self._sitting.silent = 0
            shipment.book.arrived(call.parcel, sent, call.began)
            step("relay.settled")
        if call.line.parcels:
            self._lines.append(call.line)

    def _sent(self, call: _Call, future: Future[Sent]) -> Sent | None:
        """None when it goes again: a token that was renewed meanwhile is no reason to fail."""
        try:
            return future.result()
        except ReauthorizationRequired:
            if call.is_second or not self._sitting.renewed(call.secret):
                raise
        self._send(_Call(call.line, call.parcel, self._sitting.secret(), is_second=True))
        return None

    def _failed(
        self, shipment: Shipment, parcel: Parcel, error: VendorError, began: datetime
    ) -> None:
        """Its events are to blame, or the target as a whole is in the way."""
        if isinstance(error, RateLimited | ReauthorizationRequired):
            shipment.book.failed(parcel, error, began)
            for one in self._shipments:  # there is one account, and one credential
                one.error = one.error or (error if one is shipment or one.book.open else None)
            return
        is_to_blame = shipment.book.is_to_blame(error)
        shipment.book.failed(parcel, error, began)
        self._sitting.silent += error.retry
        if not is_to_blame or self._sitting.silent >= SILENT:
            shipment.error = shipment.error or error
