"""The control port's part about webhooks, the same for every vendor: orders, journal, bursts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from integrations.sandbox.webhook_journal import Message
from integrations.sandbox.webhook_sender import WebhookSender

Json = dict[str, Any]
LONGEST_BURST = 1_000_000
POLL_SECONDS = 0.02


class Vendor(Protocol):
    """A vendor that can say what it would send to a hook of its own."""

    def burst_of(self, hook: str) -> Callable[[int], Message] | None:
        """Return what makes the messages of a burst, None for a hook that is not its own."""
        ...


class WebhookCommands:
    """One method per control path."""

    def __init__(self, sender: WebhookSender, vendors: list[Vendor]) -> None:
        self._sender = sender
        self._vendors = vendors
        self.by_path: dict[str, Callable[[Json], Json | Awaitable[Json]]] = {
            "/webhooks": self.order,
            "/webhooks/burst": self.burst,
            "/webhooks/settle": self.settle,
        }
        self.questions: dict[str, Callable[[Mapping[str, list[str]]], object]] = {
            "/webhooks": lambda query: self.describe(),
            "/webhooks/sent": self.sent,
        }

    def order(self, wish: Json) -> Json:
        """Set orders; `release` lets go what was held, `replay` sends earlier messages again."""
        release, replay = wish.pop("release", None), wish.pop("replay", None)
        self._sender.orders.change(wish)
        if {"seed", "most_at_once"} & wish.keys():
            self._sender.obey()
        done: Json = {}
        if release is not None:
            self._sender.orders.hold = False
            done["released"] = self._sender.release(str(release), self._sender.orders.seed)
        if replay is not None:
            done["replayed"] = self._replay(replay)
        return {**done, **self.describe()}

    def normal(self) -> None:
        """Withdraw what goes wrong, and let go what was held; routes and patience stay."""
        self._sender.orders.mend()
        self._sender.release("queued")

    def _replay(self, wanted: object) -> int:
        """Send again the last so many messages, or the one with this identity."""
        known = self._sender.journal.messages()
        if isinstance(wanted, int):
            chosen = known[-wanted:] if wanted > 0 else []
        else:
            chosen = [message for message in known if message.id == wanted]
        if not chosen:
            raise LookupError(f"no message {wanted!r} to replay")
        self._sender.again(chosen)
        return len(chosen)

    def burst(self, wish: Json) -> Json:
        """Send `count` messages to a `hook` at `per_second`, with bodies that differ."""
        count, per_second = int(wish["count"]), float(wish["per_second"])
        if not 0 < count <= LONGEST_BURST or per_second <= 0:
            raise ValueError(f"count is 1 to {LONGEST_BURST}, per_second more than 0")
        for vendor in self._vendors:
            make = vendor.burst_of(str(wish["hook"]))
            if make is not None:
                self._sender.burst(make, count, per_second)
                return {"count": count, "per_second": per_second}
        raise LookupError(f"no hook {wish['hook']!r}")

    async def settle(self, wish: Json) -> Json:
        """Wait until nothing but what is held is on its way, `seconds` (10) at most."""
        until = time.monotonic() + float(wish.get("seconds", 10))
        while self._sender.waiting > self._sender.held and time.monotonic() < until:
            await asyncio.sleep(POLL_SECONDS)
        return self.describe()

    def sent(self, query: Mapping[str, list[str]]) -> object:
        rows = self._sender.journal.matching(query)
        return {"total": self._sender.journal.total, "count": len(rows), "sent": rows}

    def describe(self) -> Json:
        sender = self._sender
        return {
            "orders": sender.orders.describe(),
            "waiting": sender.waiting,
            "held": sender.held,
            "attempts": sender.journal.total,
            "outcomes": dict(sender.journal.outcomes),
            "statuses": dict(sender.journal.statuses),
        }
