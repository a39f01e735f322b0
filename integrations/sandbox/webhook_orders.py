"""What the control port ordered about webhooks: pace, patience, and what goes wrong on the way."""

from __future__ import annotations

import random
from dataclasses import asdict, dataclass, field, fields
from typing import Any

Json = dict[str, Any]
ORDERS = ("queued", "reversed", "shuffled")
FAULTS = {"hold", "drop", "drop_chance", "duplicate", "duplicate_chance", "tamper", "delay_ms",
          "jitter_ms", "only_hook", "only_event"}  # fmt: skip


@dataclass(slots=True)
class WebhookOrders:
    """`drop`, `duplicate` and `tamper` count down with each message that they strike; the chances
    stay. `routes` lead hooks at one origin to another: {"https://hooks.example": "http://127.0.0.1:9"}.
    """

    hold: bool = False
    drop: int = 0
    drop_chance: float = 0.0
    duplicate: int = 0
    duplicate_chance: float = 0.0
    tamper: int = 0
    delay_ms: int = 0
    jitter_ms: int = 0
    only_hook: str = ""  # what goes wrong goes wrong for this hook alone
    only_event: str = ""
    attempts: int = 0  # 0: as many as the vendor makes
    timeout_seconds: float = 10.0
    retry_seconds: float = 1.0
    most_at_once: int = 64
    routes: dict[str, str] = field(default_factory=dict)
    seed: int = 1

    def change(self, wish: Json) -> None:
        """Set what is named. Raises ValueError for an unknown name or a value it cannot take."""
        kinds = {item.name: item.type for item in fields(self)}
        for name, value in wish.items():
            if name not in kinds:
                raise ValueError(f"unknown order {name!r}; known are {', '.join(kinds)}")
            now = getattr(self, name)
            fits = isinstance(value, type(now)) or (
                isinstance(now, float) and isinstance(value, int)
            )
            if not fits or (isinstance(value, bool) and not isinstance(now, bool)):
                raise ValueError(f"{name} takes a value like {now!r}")
            setattr(self, name, value)

    def concern(self, hook: str, event: str) -> bool:
        """Say whether what was ordered is about messages of this hook and event."""
        return self.only_hook.strip("{}") in {"", hook} and self.only_event in {"", event}

    def mend(self) -> None:
        """Withdraw everything that goes wrong on the way."""
        for item in fields(self):
            if item.name in FAULTS:
                setattr(self, item.name, item.default)

    def strikes(self, name: str, chance: random.Random) -> bool:
        """Say whether `drop`, `duplicate` or `tamper` meets this message, and count it down."""
        left = int(getattr(self, name))
        if left > 0:
            setattr(self, name, left - 1)
            return True
        return chance.random() < float(getattr(self, f"{name}_chance", 0.0))

    def describe(self) -> Json:
        return asdict(self)


def reordered(items: list[Any], order: str, seed: int) -> list[Any]:
    """Return what was held in the order to let it go. Raises ValueError for an unknown order."""
    if order not in ORDERS:
        raise ValueError(f"order is one of {', '.join(ORDERS)}")
    found = list(items)
    if order == "reversed":
        found.reverse()
    elif order == "shuffled":
        random.Random(seed).shuffle(found)
    return found
