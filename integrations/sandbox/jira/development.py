"""What development providers have submitted to one site, and when it takes effect.

Data belong to who submitted them: nobody reads or deletes another's. What was submitted is stored
only if its sequence number is greater than the stored one's.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]
KINDS = ("commits", "branches", "pullRequests")
OWN = "Bitbucket"  # the provider of the vendors' own link
Properties = dict[str, str]


@dataclass(slots=True)
class Entity:
    """One stored thing; `issues` are ids of the issues it belongs to, `order` when it came."""

    body: Json
    sequence: int
    issues: list[str]
    order: int
    properties: Properties = field(default_factory=dict)

    def has(self, wanted: Properties) -> bool:
        return all(self.properties.get(name) == value for name, value in wanted.items())


@dataclass(slots=True)
class Repository:
    body: Json
    sequence: int
    properties: Properties = field(default_factory=dict)
    entities: dict[str, dict[str, Entity]] = field(
        default_factory=lambda: {kind: {} for kind in KINDS}
    )

    def has(self, wanted: Properties) -> bool:
        return all(self.properties.get(name) == value for name, value in wanted.items())

    def all(self) -> list[Entity]:
        return [entity for kind in KINDS for entity in self.entities[kind].values()]


@dataclass(slots=True)
class Provider:
    """One provider's data: repositories by id, builds and deployments by their keys."""

    repositories: dict[str, Repository] = field(default_factory=dict)
    builds: dict[tuple[Any, ...], Entity] = field(default_factory=dict)
    deployments: dict[tuple[Any, ...], Entity] = field(default_factory=dict)


class Development:
    """All providers' data at one site, with what waits to be stored."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.providers: dict[str, Provider] = {}
        self.order = 0
        self.fired: list[Json] = []
        self.received: list[Json] = []
        self.own: Callable[[], Provider | None] = lambda: None
        self._now = now
        self._waiting: deque[tuple[float, Callable[[], None]]] = deque()

    def provider(self, name: str) -> Provider:
        return self.providers.setdefault(name, Provider())

    def later(self, seconds: float, deed: Callable[[], None]) -> None:
        """Do it once so many seconds have passed; at once where there are none."""
        if seconds <= 0 and not self._waiting:
            deed()
        else:
            self._waiting.append((self._now() + seconds, deed))

    def settle(self) -> None:
        """Let everything take effect whose time has come, and Bitbucket's own link be as it is."""
        while self._waiting and self._waiting[0][0] <= self._now():
            self._waiting.popleft()[1]()
        self.providers.pop(OWN, None)
        if (own := self.own()) is not None:
            self.providers[OWN] = own

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def next_order(self) -> int:
        self.order += 1
        return self.order


def replaces(old: Entity | Repository | None, sequence: int) -> bool:
    return old is None or old.sequence < sequence
