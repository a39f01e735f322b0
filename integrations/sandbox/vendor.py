"""What the running sandbox needs of another vendor's other side, with nothing to do by default."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

from integrations.sandbox.clock import Clock
from integrations.sandbox.faults import usual
from integrations.sandbox.http import Request, Response

Json = dict[str, Any]
Query = Mapping[str, list[str]]
Callbacks = Callable[[str], list[str]]


class Vendor:
    """One vendor: the origins it stands in for, its answers, and what the control port may do.

    `HOSTS` gives each real origin a loopback address of its own, on the vendors' port, because
    hosts of one vendor have the same paths. `callbacks` tells the portals' for a connector's slug.
    """

    slug: ClassVar[str]
    HOSTS: ClassVar[Mapping[str, str]]

    def __init__(self, clock: Clock, callbacks: Callbacks, seed: int = 7) -> None:
        self.clock = clock
        self.callbacks = callbacks
        self.seed = seed
        self.by_path: dict[str, Callable[[Json], Json]] = {}
        self.questions: dict[str, Callable[[Query], object]] = {}
        self.port = 0
        self.scheme = "http"
        self.reset()

    def at(self, origin: str) -> str:
        """Where this sandbox answers in place of a real origin."""
        return f"{self.scheme}://{self.HOSTS[origin]}:{self.port}"

    def reset(self) -> None:
        """Make world, credentials and switches as they were at the start."""
        raise NotImplementedError

    def answer(self, request: Request, origin: str) -> Response:
        """Answer a request that was sent to this real origin."""
        raise NotImplementedError

    def words(self, status: int) -> Response:
        """Say what the vendor says with this status, for a fault that names no body."""
        return usual(status)

    def normal(self) -> None:
        """End what goes wrong by order, and nothing else."""

    def describe(self) -> Json:
        """Return everything there is to know for somebody who rehearses."""
        return {}

    def announce(self) -> Iterable[str]:
        """Return the lines that list the demo's credentials."""
        return ()

    # ── what outlives a restart ───────────────────────────────────────────────────────────────

    def keep(self) -> Json:
        return {}

    def restore(self, kept: Json) -> None:
        """Take up what `keep` wrote."""

    def mark(self) -> tuple[float, ...]:
        """Return numbers of which one changes whenever something worth keeping does."""
        return ()
