"""Sends webhooks over real HTTP from a thread of its own, so that no answer waits for a delivery.

Only loopback is dialled. Each attempt has a connection of its own and nothing is tried again in
secret: the journal has every attempt there was.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import ipaddress
import random
import ssl
import threading
import time
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any
from urllib.parse import SplitResult, urlsplit

from integrations.sandbox.webhook_journal import Message, WebhookJournal
from integrations.sandbox.webhook_orders import WebhookOrders, reordered

BIGGEST = 256 * 1024  # silently not sent (https://confluence.atlassian.com/bbkb/1167729092.html)
LONGEST_ANSWER = 64 * 1024
SIGNATURE = "X-Hub-Signature"
STOP_SECONDS = 5.0


def signature(secret: str, body: bytes) -> str:
    """Return the value of X-Hub-Signature: HMAC-SHA256 over the bytes that are sent."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


class WebhookSender:
    """Takes messages from any thread; `journal` and `orders` are the control port's."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.journal = WebhookJournal()
        self.orders = WebhookOrders()
        self._now = now
        self._held: list[Message] = []
        self._chance = random.Random(1)
        self._open = 0
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._running: set[asyncio.Task[None]] = set()
        self._places: asyncio.Semaphore | None = None

    # ── from any thread ───────────────────────────────────────────────────────────────────────

    def send(self, message: Message) -> None:
        """Take a message and return at once."""
        self._count(1)
        self._started().call_soon_threadsafe(self._accept, message)

    def burst(self, make: Callable[[int], Message], count: int, per_second: float) -> None:
        """Send `count` messages at an even pace."""
        self._count(count)
        loop = self._started()
        loop.call_soon_threadsafe(self._start, self._pace(make, count, per_second))

    def release(self, order: str, seed: int = 1) -> int:
        """Let go what was held; how many that were. Raises ValueError for an unknown order."""
        with self._lock:
            waiting, self._held = reordered(self._held, order, seed), []
        for message in waiting:
            self._started().call_soon_threadsafe(self._go, message)
        return len(waiting)

    def again(self, messages: list[Message]) -> None:
        """Send earlier messages as they were, with their old identity."""
        self._count(len(messages))
        for message in messages:
            self._started().call_soon_threadsafe(self._go, message)

    @property
    def waiting(self) -> int:
        """How many deliveries are neither finished nor given up; held ones count."""
        return self._open

    @property
    def held(self) -> int:
        return len(self._held)

    def forget(self) -> None:
        """Give up what waits, and return orders and journal to the start."""
        self.stop()
        self._held, self._open = [], 0
        self.orders = WebhookOrders()
        self._chance = random.Random(1)
        self.journal.forget()

    def obey(self) -> None:
        """Begin anew with the seed and the places that the orders name."""
        self._chance = random.Random(self.orders.seed)
        self._places = asyncio.Semaphore(self.orders.most_at_once)

    def stop(self) -> None:
        """End the thread with everything that is on its way."""
        loop, thread = self._loop, self._thread
        self._loop = self._thread = None
        if loop is not None and thread is not None:
            loop.call_soon_threadsafe(loop.stop)
            thread.join(STOP_SECONDS)

    # ── the thread ────────────────────────────────────────────────────────────────────────────

    def _started(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                loop = self._loop = asyncio.new_event_loop()
                self._places = asyncio.Semaphore(self.orders.most_at_once)
                self._thread = threading.Thread(
                    target=self._run, args=(loop,), name="webhooks", daemon=True
                )
                self._thread.start()
            return self._loop

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        """Serve until `stop`, then cancel what is on its way."""
        loop.run_forever()
        loop.run_until_complete(self._cancelled())
        loop.close()

    async def _cancelled(self) -> None:
        for task in list(self._running):
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_event_loop().create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    def _count(self, by: int) -> None:
        with self._lock:
            self._open += by

    def _accept(self, message: Message) -> None:
        """Take a new message, unless it is too big or leads elsewhere."""
        if len(message.body) > BIGGEST:
            return self._give_up(message, "too_big")
        if not is_loopback(led(message.url, self.orders.routes)):
            return self._give_up(message, "elsewhere")
        self.journal.keep(message)
        if not self.orders.concern(message.hook, message.event):
            return self._go(message)
        return self._meet(message)

    def _meet(self, message: Message) -> None:
        if self.orders.strikes("drop", self._chance):
            return self._give_up(message, "dropped")
        if self.orders.strikes("tamper", self._chance) and SIGNATURE in message.headers:
            forged = {**message.headers, SIGNATURE: "sha256=" + "0" * 64}
            message = replace(message, headers=forged)
        if self.orders.strikes("duplicate", self._chance):
            self._count(1)
            self._queue(message)
        return self._queue(message)

    def _queue(self, message: Message) -> None:
        if self.orders.hold:
            with self._lock:
                self._held.append(message)
        else:
            self._go(message)

    def _go(self, message: Message) -> None:
        self._start(self._deliver(message))

    def _give_up(self, message: Message, outcome: str) -> None:
        self.journal.note(message, at=self._now(), outcome=outcome)
        self._count(-1)

    async def _pace(self, make: Callable[[int], Message], count: int, per_second: float) -> None:
        begun = time.monotonic()
        for number in range(count):
            await asyncio.sleep(max(0.0, begun + number / per_second - time.monotonic()))
            self._accept(make(number))

    # ── one delivery ──────────────────────────────────────────────────────────────────────────

    async def _deliver(self, message: Message) -> None:
        """Try until it is accepted or refused, or the attempts are spent."""
        wait = self.orders.delay_ms + self.orders.jitter_ms * self._chance.random()
        if wait and self.orders.concern(message.hook, message.event):
            await asyncio.sleep(wait / 1000)
        try:
            for attempt in range(1, (self.orders.attempts or message.attempts) + 1):
                if attempt > 1:
                    await asyncio.sleep(self.orders.retry_seconds)
                if not await self._attempt(message, attempt):
                    return
        finally:
            self._count(-1)

    async def _attempt(self, message: Message, attempt: int) -> bool:
        """Try once and note it; say whether another attempt is due."""
        assert self._places is not None
        status = 0
        async with self._places:
            at, begun = self._now(), time.monotonic()
            try:
                async with asyncio.timeout(self.orders.timeout_seconds):
                    status = await self._post(message, attempt)
            except (OSError, TimeoutError, ValueError, asyncio.IncompleteReadError):
                status = 0
        took = (time.monotonic() - begun) * 1000
        outcome = "failed" if not status else "accepted" if 200 <= status < 300 else "refused"
        self.journal.note(
            message, at=at, outcome=outcome, attempt=attempt, status=status, milliseconds=took
        )
        return status == 0 or status >= 500

    async def _post(self, message: Message, attempt: int) -> int:
        """Post once on a new connection; the status of the answer."""
        place = led(message.url, self.orders.routes)
        secure = unverified() if place.scheme == "https" else None
        port = place.port or (443 if secure else 80)
        reader, writer = await asyncio.open_connection(dialled(place), port, ssl=secure)
        try:
            writer.write(head(message, attempt) + message.body)
            await writer.drain()
            line = await reader.readuntil(b"\r\n")
            await reader.read(LONGEST_ANSWER)
            return int(line.split(b" ")[1])
        finally:
            writer.close()


def head(message: Message, attempt: int) -> bytes:
    """Render request line and headers; the Host is that of the hook, wherever it is led."""
    parts = urlsplit(message.url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    headers = {"Host": parts.netloc, **message.headers}
    if message.attempt_header:
        headers[message.attempt_header] = str(attempt)
    headers |= {"Content-Length": str(len(message.body)), "Connection": "close"}
    lines = [f"POST {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8")


def led(url: str, routes: dict[str, str]) -> SplitResult:
    """Return where a hook's address is dialled."""
    parts = urlsplit(url)
    return urlsplit(routes.get(f"{parts.scheme}://{parts.netloc}", url))


def dialled(place: SplitResult) -> str:
    host = place.hostname or ""
    return "127.0.0.1" if host == "localhost" or host.endswith(".localhost") else host


def is_loopback(place: SplitResult) -> bool:
    try:
        return ipaddress.ip_address(dialled(place)).is_loopback
    except ValueError:
        return False


def unverified() -> ssl.SSLContext:
    """Return a context for receivers on loopback, whose certificates nobody signed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context
