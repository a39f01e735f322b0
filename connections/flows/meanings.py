"""What a delivery means here: which things it names, and where they are kept.

Reading a body never decides what is stored: it only names what is to be asked of the vendor.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID

from connections import registry
from connections.contracts import Connector, Event, Level, Receives, Target
from connections.errors import BadPayload
from connections.flows import plan
from connections.flows.pushes import Told
from connections.models import Connection, Delivery, Repository, Workspace
from portal import clock

log = logging.getLogger(__name__)

WAITS: Final = (5, 30, 120, 600, 3600)  # seconds before each further attempt
LONGEST_KEY: Final = 200
OWN_TEST: Final = "portal:test"  # what `hook_trial.py` sends

State = Delivery.State


class Row(NamedTuple):
    """A delivery as it was claimed; ids are words, as most of what is done with them."""

    id: str
    connection_id: str
    headers: dict[str, str]
    body: bytes | None
    attempts: int
    received_at: datetime


class Place(NamedTuple):
    """Where a told thing is kept here; `repository_id` is empty for a thing of the workspace."""

    workspace_id: str
    repository_id: str
    stream: str
    key: str


@dataclass(slots=True)
class Outcome:
    """What a delivery came to, as its row will say it.

    `effect` has what it `says` happened, what it `touches`, or `because` of what nothing is done.
    """

    state: str
    error: str = ""
    detail: str = ""
    effect: dict[str, Any] = field(default_factory=dict)
    next_at: datetime | None = None
    places: tuple[Place, ...] = ()
    pushed: Told | None = None
    repository_id: str | None = None


# ── Reading ───────────────────────────────────────────────────────────────────────────────────


def read(row: Row, connector: Receives | None) -> Event | Outcome:
    """What it says, or the outcome of one that says nothing we can use."""
    if connector is None:
        return Outcome(State.IGNORED, "connection_gone")
    if row.body is None:
        return Outcome(State.DEAD, "body_gone", "Its body is no longer kept.")
    if row.attempts > len(WAITS) + 1:
        return Outcome(State.DEAD, "never_finished", "Reading it ended the worker each time.")
    try:
        return connector.read_event(row.headers, row.body)
    except BadPayload as error:
        return Outcome(State.DEAD, "unreadable", error.detail)  # reading it again changes nothing
    except Exception as error:  # one message that we cannot read keeps no other from being read
        log.exception("delivery.raised", extra={"delivery": row.id})
        return again(row.attempts, "reading_failed", type(error).__name__)


def again(attempts: int, code: str, detail: str = "") -> Outcome:
    """It is tried again, later each time, and is a dead letter in the end."""
    if attempts > len(WAITS):
        return Outcome(State.DEAD, code, detail)
    return Outcome(State.NEW, code, detail, next_at=clock.now() + wait(attempts))


def wait(attempts: int) -> timedelta:
    """How long after so many attempts the next one is made, up to a fifth longer by chance."""
    return timedelta(seconds=WAITS[attempts - 1] * random.uniform(1, 1.2))


# ── What it is about ──────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Home:
    """A workspace or repository that is kept here, and whether its workspace is chosen."""

    workspace_id: str
    repository_id: str
    is_chosen: bool
    is_gone: bool = False


@dataclass(slots=True)
class Known:
    """What one sitting has looked up: which connector, which workspaces, which repositories."""

    _connectors: dict[str, Connector | None] = field(default_factory=dict)
    _readers: dict[str, Receives | None] = field(default_factory=dict)
    _levels: dict[str, dict[str, Level]] = field(default_factory=dict)
    _workspaces: dict[tuple[str, str], Home] = field(default_factory=dict)
    _repositories: dict[tuple[str, str], dict[str, Home]] = field(default_factory=dict)

    def meet(self, batch: Sequence[Row]) -> None:
        """The connections of these are known. Inside a transaction."""
        new = {row.connection_id for row in batch} - self._connectors.keys()
        if not new:
            return
        connectors = registry.connectors()
        rows = Connection.objects.filter(id__in=new).values_list("id", "connector")
        slugs = {str(id_): slug for id_, slug in rows}
        self._connectors |= {id_: connectors.get(slugs.get(id_, "")) for id_ in new}
        self._readers = {
            id_: connector if isinstance(connector, Receives) else None
            for id_, connector in self._connectors.items()
        }
        found = Workspace.objects.filter(connection_id__in=new, gone_at=None)
        for id_, connection_id, remote_id, selected in found.values_list(
            "id", "connection_id", "remote_id", "selected"
        ):
            self._workspaces[str(connection_id), remote_id] = Home(str(id_), "", selected)

    def read(self, row: Row) -> Event | Outcome:
        """What it says, see `read`. Asks no database."""
        return read(row, self._readers.get(row.connection_id))

    def outcomes(self, read: Sequence[tuple[Row, Event | Outcome]]) -> list[tuple[Row, Outcome]]:
        """What each came to. Call it inside the transaction that writes it."""
        self._find(
            {
                (row.connection_id, event.repository)
                for row, event in read
                if isinstance(event, Event) and event.repository
            }
        )
        return [
            (row, one if isinstance(one, Outcome) else self._outcome(row, one)) for row, one in read
        ]

    def _find(self, named: set[tuple[str, str]]) -> None:
        """Which of these repositories are here, and in which workspaces."""
        new = named - self._repositories.keys()
        if not new:
            return
        self._repositories |= {each: {} for each in new}
        rows = Repository.objects.filter(
            connection_id__in={one for one, _ in new}, remote_id__in={one for _, one in new}
        )
        for id_, connection_id, remote_id, workspace_id, gone_at, selected in rows.values_list(
            *("id", "connection_id", "remote_id", "workspace_id", "gone_at", "workspace__selected")
        ):
            homes = self._repositories.setdefault((str(connection_id), remote_id), {})
            home = Home(str(workspace_id), str(id_), selected, gone_at is not None)
            homes[home.workspace_id] = home

    def _outcome(self, row: Row, event: Event) -> Outcome:
        said = {"says": event.says} if event.says else {}
        is_test = event.ping or event.kind == OWN_TEST
        if is_test or not event.known or not event.touches:
            because = "ping" if is_test else "no_news" if event.known else "unknown_event"
            return Outcome(State.IGNORED, effect=said | {"because": because})
        named = self._workspaces.get((row.connection_id, event.workspace))
        home = self._home(row.connection_id, event, named)
        if home is None and named is None:
            # A workspace that this connection does not have: kept, never applied (abuse case W18).
            return Outcome(State.IGNORED, "foreign", effect=said | {"because": "foreign"})
        if not any(each.is_chosen for each in (home, named) if each is not None):
            return Outcome(State.IGNORED, effect=said | {"because": "not_chosen"})
        found = dict.fromkeys(self._places(row, event, home, named))
        repository_id = home.repository_id if home else ""
        touched = [[place.stream, place.key] for place in found]
        return Outcome(
            State.APPLIED,
            effect=said | {"touches": touched},
            places=tuple(found),
            repository_id=repository_id or None,
            pushed=_pushed(row, event, repository_id) if repository_id else None,
        )

    def _home(self, connection_id: str, event: Event, named: Home | None) -> Home | None:
        """The repository it is about: that of the named workspace, or else where it was last."""
        homes = self._repositories.get((connection_id, event.repository), {})
        if named is not None and named.workspace_id in homes:
            return homes[named.workspace_id]
        return min(homes.values(), key=lambda home: home.is_gone, default=None)

    def _places(
        self, row: Row, event: Event, home: Home | None, named: Home | None
    ) -> Iterator[Place]:
        """Where what it names is kept; one that is new or has moved is looked for by its name."""
        levels = self._levels_of(row.connection_id)

        def itself_in(one: Home) -> Place:
            return Place(one.workspace_id, "", plan.REPOSITORIES, event.repository)

        if home is not None and home.is_chosen:
            yield from placed(home, event.touches, levels)
            if home.is_gone:
                yield itself_in(home)
        if named is None or (home is not None and named.workspace_id == home.workspace_id):
            return
        if home is not None and home.is_chosen:
            yield itself_in(home)
        if named.is_chosen and event.repository:
            yield itself_in(named)
        elif named.is_chosen:
            yield from placed(named, event.touches, levels)

    def _levels_of(self, connection_id: str) -> dict[str, Level]:
        connector = self._connectors[connection_id]
        assert connector is not None, "it has read the event"
        slug = connector.manifest.slug
        if slug not in self._levels:
            self._levels[slug] = {stream.key: stream.level for stream in connector.streams}
        return self._levels[slug]


def placed(home: Home, targets: Iterable[Target], levels: dict[str, Level]) -> Iterator[Place]:
    """Each in its own container; what belongs to a repository that is not named is left out."""
    for target in targets:
        if levels.get(target.stream) is Level.WORKSPACE:
            yield Place(home.workspace_id, "", target.stream, storable(target.key))
        elif home.repository_id:
            yield Place(home.workspace_id, home.repository_id, target.stream, storable(target.key))


def storable(key: str) -> str:
    """The same, or the empty one, which is the whole stream, where no row could bear such a key."""
    return key if len(key) <= LONGEST_KEY and key.isprintable() else ""


def _pushed(row: Row, event: Event, repository_id: str) -> Told | None:
    """What was pushed to a repository that is here; nobody tells it again."""
    if not event.pushed:
        return None
    return Told(
        connection_id=UUID(row.connection_id),
        repository_id=UUID(repository_id),
        delivery_id=UUID(row.id),
        refs=event.pushed,
        by=event.actor,
        at=event.at,
        received_at=row.received_at,
    )
