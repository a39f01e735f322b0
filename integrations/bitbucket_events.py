"""What deliveries of Bitbucket Cloud and Data Center share: their body, their key, what they touch.

A delivery is only a reason to look. Whatever of it cannot be read is left out; none ever raises.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from connections.contracts import HookEvent, PushedRef, Target
from connections.errors import BadPayload, cleaned
from integrations.bitbucket import Json
from integrations.bitbucket_code import FULL_HASH, named_ref, ref_id

MOST_TOLD = 20  # things of one stream; where more are named the whole of it is looked at
MOST_NAMED = 3
MOST_REFS, MOST_COMMITS = 50, 100  # of one push, kept as who pushed them
_EVENT_KEY = re.compile(r"[a-z0-9_:.-]{1,100}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Told:
    """What one delivery comes to: the things to look at, and in a few words what happened."""

    says: str
    touches: tuple[Target, ...] = ()
    pushed: tuple[PushedRef, ...] = ()


@dataclass(frozen=True, slots=True)
class Moved:
    """A branch or tag of a push, and whether it is there now; hashes as far as they are whole."""

    kind: str
    name: str
    is_there: bool
    head: str = ""
    former: str = ""
    commits: tuple[str, ...] = ()

    @property
    def ref(self) -> PushedRef:
        return PushedRef(
            self.kind,
            self.name,
            head=self.head if self.is_there else "",
            former=self.former,
            commits=self.commits if self.is_there else (),
        )


Tell = Callable[[Json], Told]


def payload(body: bytes) -> Json:
    """The delivery's JSON object; raises BadPayload for anything else."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        raise BadPayload("The message is not JSON.") from None
    if not isinstance(found, dict):
        raise BadPayload("The message is not a JSON object.")
    return found


def event_key(headers: Mapping[str, str], name: str, otherwise: object = "") -> str:
    """The vendor's word for what happened, from the header or else the body; empty without one."""
    said = next((value for key, value in headers.items() if key.lower() == name), "")
    for word in (said.strip().lower(), otherwise):
        if isinstance(word, str) and _EVENT_KEY.fullmatch(word):
            return word
    return ""


def objects(value: object) -> list[Json]:
    """The objects of a list; none where it is no list."""
    listed = value if isinstance(value, list) else []
    return [item for item in listed if isinstance(item, dict)]


def pushed(moved: Iterable[Moved]) -> Told:
    """The refs that moved, and the commits of branches; all of them where none is named."""
    refs = list(moved)
    if not refs:
        return Told("Pushed", (Target("branches"), Target("commits")))
    there = [ref.name for ref in refs if ref.is_there]
    gone = [ref.name for ref in refs if not ref.is_there]
    said = [f"Pushed {enumerated(there)}"] if there else []
    said += [f"{'deleted' if said else 'Deleted'} {enumerated(gone)}"] if gone else []
    keys = (ref_id(ref.kind, ref.name) for ref in refs)
    touches = [Target("branches", key if named_ref(key) else "") for key in keys]
    if any(ref.is_there and ref.kind == "branch" for ref in refs):
        touches.append(Target("commits"))
    return Told(", ".join(said), tuple(touches), tuple(ref.ref for ref in refs[:MOST_REFS]))


def whole_hash(value: object) -> str:
    """A commit's whole hash; empty for anything else, and for the zeros that mean none."""
    if not isinstance(value, str) or not FULL_HASH.fullmatch(value) or not value.strip("0"):
        return ""
    return value


def hashes(found: Iterable[object]) -> tuple[str, ...]:
    """The whole hashes among these, each once, as many as are kept of one push."""
    whole = dict.fromkeys(one for one in map(whole_hash, found) if one)
    return tuple(whole)[:MOST_COMMITS]


def gathered(found: Iterable[Target]) -> tuple[Target, ...]:
    """Each target once; the whole stream in place of more of its things than are worth naming."""
    once = dict.fromkeys(found)
    counts: dict[str, int] = {}
    for target in once:
        counts[target.stream] = counts.get(target.stream, 0) + 1
    whole = {stream for stream, count in counts.items() if count > MOST_TOLD}
    whole |= {target.stream for target in once if not target.key}
    return tuple(dict.fromkeys(Target(one.stream) if one.stream in whole else one for one in once))


def enumerated(names: Iterable[str]) -> str:
    """A few names, and how many there are beside them."""
    known = list(dict.fromkeys(cleaned(name)[:60] for name in names))
    shown, more = ", ".join(known[:MOST_NAMED]), len(known) - MOST_NAMED
    return f"{shown} and {more} more" if more > 0 else shown


def title_of(key: str, events: Iterable[HookEvent]) -> str:
    """What an event is called where people choose it."""
    return next((event.title for event in events if event.key == key), "")
