"""What a connector says of itself as a target, and what it does to take events there.

`contracts` hands these words on: rooms import them from there. No Django here. The core knows
events, keys and outcomes; the vendor's limits, ids and bodies are the connector's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, runtime_checkable

from connections.calls import Api
from connections.methods import Method
from connections.records import WorkspaceRecord
from connections.relay_events import RelayEvent, RelayKind
from connections.relay_panels import SubjectPanel

# ── What a target's manifest says ─────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class RelayWay:
    """One way of writing to the target; the first whose capability a connection has is taken.

    `loses` says in a sentence what a person does not get by this way. Where `obeys`, the target
    itself runs the commands that it finds in commits, so that we must not. `by_mark` ways erase
    all of a link at once.
    """

    key: str
    title: str
    capability: str
    kinds: tuple[RelayKind, ...]
    loses: str = ""
    obeys: bool = False
    by_mark: bool = True


@dataclass(frozen=True, slots=True)
class RelayOption:
    """A switch of a link; the core leaves `kinds` out when it is off."""

    key: str
    title: str
    help: str = ""
    default: bool = True
    kinds: tuple[RelayKind, ...] = ()


@dataclass(frozen=True, slots=True)
class RelayRules:
    """That a connector is a target, and of what. `batch` events at once give the fewest requests,
    where no more than `share` of them are of one kind and repository.

    `subject` is what an event hangs on over there, such as an issue, and `container` where it
    lives. `pattern` finds a subject's name in a text, for pages only. `commands` is the key of the
    capability that commands in commits need, empty where the target takes none, and
    `commands_option` the option that turns them on.
    """

    ways: tuple[RelayWay, ...]
    options: tuple[RelayOption, ...] = ()
    subject: str = "issue"
    subjects: str = "issues"
    pattern: str = ""
    batch: int = 100
    share: int = 100
    commands: str = ""
    commands_option: str = ""

    def way(self, key: str) -> RelayWay:
        """The way with this key; KeyError when there is none."""
        for way in self.ways:
            if way.key == key:
                return way
        raise KeyError(key)


# ── What a connector makes of it ──────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Reach:
    """A target as it is reached: an authorised client, and where in it."""

    api: Api
    destination: WorkspaceRecord
    fields: Mapping[str, str]
    method: Method


@dataclass(frozen=True, slots=True)
class Parcel:
    """Events that travel in one request; `name` says in words what it asks of the target.

    `verb`, `path` and `body` are the request as it would be sent, for a dry run and for tests.
    """

    name: str
    events: tuple[RelayEvent, ...]
    verb: str
    path: str
    body: object = field(default=None, repr=False)
    withdraws: bool = False


@dataclass(frozen=True, slots=True)
class Packing:
    """All that is to be sent, in its order, and the events of which nothing has to be.

    Requests to different paths may be made at the same time; those to one path keep the order.
    """

    parcels: tuple[Parcel, ...]
    idle: tuple[RelayEvent, ...] = ()

    @property
    def requests(self) -> int:
        return len(self.parcels)


class Outcomes(StrEnum):
    """What became of one event at the target."""

    ACCEPTED = "accepted"
    WITHDRAWN = "withdrawn"
    UNKNOWN_SUBJECT = "unknown_subject"  # none of its subjects is known there
    REFUSED = "refused"  # for good; `detail` says why


@dataclass(frozen=True, slots=True)
class Told:
    """The target's word on one event: `subjects` it now hangs on, `unknown` ones it named."""

    event: RelayEvent
    outcome: Outcomes
    detail: str = ""
    subjects: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sent:
    """What came of a parcel: one word for each of its events, and what it cost.

    It may have taken more `requests` than one, where the target refused it for its size or for
    one of its events. `request` is the last one, without query.
    """

    told: tuple[Told, ...]
    status: int
    request: str
    latency_seconds: float = 0.0
    requests: int = 1


@runtime_checkable
class Relays(Protocol):
    """A connector that things travel to. `subjects` and `pack` are pure.

    `mark` is the link's own and goes with all that is written, so that `erase` finds it. `options`
    are the keys of options that are on. `back_fill` keeps the target from acting on what is long
    past. `send`, `erase` and `remains` raise what `judge` names, when nothing at all was taken.
    """

    def subjects(self, event: RelayEvent) -> tuple[str, ...]:
        """What the event hangs on at the target; none when it names none or is gone."""
        ...

    def pack(
        self,
        events: Sequence[RelayEvent],
        *,
        way: str,
        mark: str,
        options: frozenset[str] = frozenset(),
        back_fill: bool = False,
    ) -> Packing:
        """The fewest requests that bring these; of two with one kind and key, the later counts.

        An event without subjects that was sent `former`ly is taken back.
        """
        ...

    def send(self, reach: Reach, parcel: Parcel) -> Sent: ...

    def erase(self, reach: Reach, *, way: str, mark: str, known: Sequence[RelayEvent] = ()) -> int:
        """The target is told to forget all that bears the mark, or with `known` these alone.

        `known` are sent events, whose `former` subjects tell where they hang: a way that is not
        `by_mark` forgets nothing without them. How many could not be taken back.
        """
        ...

    def remains(
        self, reach: Reach, *, way: str, mark: str, known: Sequence[RelayEvent] = ()
    ) -> bool:
        """Whether anything of that is still there; the target may take a while to forget."""
        ...

    def preview(
        self, events: Sequence[RelayEvent], *, destination: WorkspaceRecord
    ) -> tuple[SubjectPanel, ...]:
        """What people will see at each subject of these events, newest first."""
        ...
