"""Which of a container's hooks is ours, and what is wrong with it: the rules, without a database.

Ours is what carries the random part of our address, and what we made and still has our title. All
else belongs to somebody, who may not even know of us, and is counted but never touched.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from connections.contracts import HookEvent, HookRules, Level
from connections.records import HookRecord

OWN: Final = "Portal: "  # what our hooks are called begins like this
LONGEST_TITLE: Final = 100
_PATH: Final = re.compile(r"/hooks/v1/([A-Za-z0-9_-]{43})/?", re.ASCII)

PRESENT, MISSING, INACTIVE, EVENTS = "present", "missing", "inactive", "events"
ADDRESS, NO_SECRET, FORMER, FULL = "address", "no_secret", "former", "full"


@dataclass(frozen=True, slots=True)
class Expected:
    """A hook as it should be in one container; `known` is the id of the one we made there."""

    address: str = field(repr=False)
    title: str
    events: frozenset[str]
    most: int = 0
    known: str = ""
    has_newest_secret: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """What there is: the stand of ours, further ones of ours, and how many are not ours."""

    stand: str
    remote_id: str = ""
    extras: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    strangers: int = 0
    lookalikes: int = 0
    lookalike_host: str = ""


def matched(hooks: Sequence[HookRecord], wish: Expected) -> Found:
    """The container's hooks held against what should be there."""
    ours = sorted((h for h in hooks if is_ours(h, wish)), key=lambda h: _rank(h, wish))
    others = [hook for hook in hooks if not is_ours(hook, wish)]
    alike = [hook for hook in others if _looks_like_ours(hook)]
    counts = {
        "strangers": len(others),
        "lookalikes": len(alike),
        "lookalike_host": (urlsplit(alike[0].url).hostname or "")[:255] if alike else "",
    }
    if not ours:
        is_full = bool(wish.most) and len(hooks) >= wish.most
        return Found(FULL if is_full else MISSING, **counts)  # type: ignore[arg-type]
    first, *rest = ours
    return Found(
        stand=_stand(first, wish),
        remote_id=first.remote_id,
        extras=tuple(hook.remote_id for hook in rest),
        events=first.events,
        **counts,  # type: ignore[arg-type]
    )


def is_ours(hook: HookRecord, wish: Expected) -> bool:
    """Whether we may change or remove it."""
    token = _token(hook.url)
    if token and token == _token(wish.address):
        return True
    return bool(wish.known) and hook.remote_id == wish.known and hook.title.startswith(OWN)


def title_of(name: str) -> str:
    """What a connection's hooks are called at the vendor."""
    return f"{OWN}{name}"[:LONGEST_TITLE]


def events_at(rules: HookRules, chosen: Collection[str], level: Level) -> tuple[str, ...]:
    """The chosen triggers that a container of this level knows, as the vendor spells them."""
    return tuple(event.key for event in offered(rules, level) if event.key in chosen)


def offered(rules: HookRules, level: Level) -> list[HookEvent]:
    """The triggers of a hook at this level."""
    return [event for event in rules.events if level in event.levels]


def _rank(hook: HookRecord, wish: Expected) -> tuple[bool, bool, bool, str]:
    known, right = hook.remote_id == wish.known, hook.url == wish.address
    return not known, not right, not hook.active, hook.remote_id


def _stand(hook: HookRecord, wish: Expected) -> str:
    """The first thing that is wrong with it, by harm."""
    if hook.url != wish.address:
        return ADDRESS
    if not hook.active:
        return INACTIVE
    if hook.secret_set is False:
        return NO_SECRET
    if not wish.has_newest_secret:
        return FORMER
    return PRESENT if frozenset(hook.events) == wish.events else EVENTS


def _token(url: str) -> str:
    """The random part of an address of a portal, empty for any other address."""
    found = _PATH.fullmatch(urlsplit(url).path) if "://" in url else None
    return found[1] if found else ""


def _looks_like_ours(hook: HookRecord) -> bool:
    return bool(_token(hook.url)) or hook.title.startswith(OWN)
