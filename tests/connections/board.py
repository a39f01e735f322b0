"""An imaginary target: a board of cards where events of linked repositories are pinned.

A connector as any other, in one module of the tests, and the server it speaks to on loopback. A
subject is a card such as CARD-7; only cards that exist take anything.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from connections import access, registry
from connections.contracts import (
    Account,
    Answer,
    Api,
    Capability,
    Command,
    CommitRecord,
    Deed,
    Field,
    Identity,
    Manifest,
    Method,
    MethodKind,
    Order,
    Packing,
    Page,
    Parcel,
    RateBudget,
    Reach,
    RelayEvent,
    RelayKind,
    RelayOption,
    RelayRules,
    RelayWay,
    Sent,
    Told,
    WorkspaceRecord,
)
from connections.errors import (
    RateLimited,
    ReauthorizationRequired,
    Refused,
    Unavailable,
    VendorError,
    retry_after_seconds,
)
from connections.relay_commands import CommandKind
from connections.relay_words import Outcomes
from tests.loopback import Reply, Scripted, Seen, serving

ORIGIN = "https://board.example"
CARD = re.compile(r"\bCARD-\d+\b")
ORDER = re.compile(r"(CARD-\d+) #(\w+) ?(.*)")
MOST = 20  # events of one request


# ── The connector ─────────────────────────────────────────────────────────────────────────────

FIELD = Field("token", "Token", secret=True)
PIN = Capability(
    key="pin",
    title="Pin events to cards",
    why="To show what happened.",
    scopes={"board": ("pin",)},
    labels={"board": ("Pin",)},
    probe="pins",
    minimal=True,
    writes=True,
)


class Board:
    """A connector to a board; a way that erases by mark, and one that does not."""

    streams = ()
    manifest = Manifest(
        contract_version=1,
        slug="board",
        name="Board",
        vendor="Nobody",
        summary="Cards on a wall.",
        gives=("Cards",),
        takes="A minute",
        api_url=f"{ORIGIN}/",
        docs_url=f"{ORIGIN}/docs",
        methods=(Method("token", MethodKind.SECRET, "Token", "One.", "board", "kind", (FIELD,)),),
        capabilities=(PIN,),
        relay=RelayRules(
            ways=(
                RelayWay("pins", "Pins", "pin", tuple(RelayKind)),
                RelayWay("tape", "Tape", "pin", tuple(RelayKind), by_mark=False),
            ),
            options=(
                RelayOption("builds", "Builds", kinds=(RelayKind.BUILD,)),
                RelayOption("commands", "Commands", default=True),
            ),
            subject="card",
            subjects="cards",
            batch=2 * MOST,
            commands="pin",
            commands_option="commands",
        ),
    )

    def identify(self, api: Api, fields: Mapping[str, str], method: Method) -> Identity:
        api.get("me")
        return Identity(Account("1", "Wall", "user"), "board_token", frozenset({"pin"}), "board")

    def workspaces(
        self, api: Api, fields: Mapping[str, str], method: Method, checkpoint: str | None
    ) -> Page:
        api.get("walls")
        return Page((WorkspaceRecord("wall", "wall", "Wall"),), None)

    def judge(self, answer: Answer) -> VendorError | None:
        kinds = {401: ReauthorizationRequired, 429: RateLimited, 400: Refused}
        kind = kinds.get(answer.status) or (Unavailable if answer.status >= 500 else None)
        if kind is None:
            return None
        wait = retry_after_seconds(answer.headers)
        return kind(status=answer.status, request=answer.request, retry_after_seconds=wait)

    def rate(self, answer: Answer) -> RateBudget:
        return RateBudget()

    # ── Relays ────────────────────────────────────────────────────────────────────────────────

    def subjects(self, event: RelayEvent) -> tuple[str, ...]:
        record = event.record
        if record is None:
            return ()
        texts = [*event.mentions, *(each.message for each in event.commits)]
        texts += [getattr(record, name, "") for name in ("message", "title", "name")]
        texts += [event.head.message] if event.head else []
        return tuple(dict.fromkeys(CARD.findall(" ".join(texts))))

    def pack(
        self,
        events: Sequence[RelayEvent],
        *,
        way: str,
        mark: str,
        options: frozenset[str] = frozenset(),
        back_fill: bool = False,
    ) -> Packing:
        going = [event for event in events if self.subjects(event) or event.former]
        idle = tuple(event for event in events if event not in going)
        parts = [going[i : i + MOST] for i in range(0, len(going), MOST)]
        parcels = [
            Parcel(
                "pin",
                tuple(part),
                "POST",
                "pins",
                {"mark": mark, "fill": back_fill, "pins": [_pin(self, each) for each in part]},
            )
            for part in parts
        ]
        return Packing(tuple(parcels), idle)

    def send(self, reach: Reach, parcel: Parcel) -> Sent:
        answer = reach.api.send("POST", "pins", parcel.body)
        told = tuple(
            Told(event, Outcomes(said["outcome"]), said.get("why", ""), tuple(said["cards"]))
            for event, said in zip(parcel.events, answer.body, strict=True)
        )
        return Sent(told, answer.status, answer.request, answer.latency_seconds)

    def erase(self, reach: Reach, *, way: str, mark: str, known: Sequence[RelayEvent] = ()) -> int:
        keys = [_name(event) for event in known]
        reach.api.send("POST", "erase", {"mark": mark, "keys": keys})
        return 0

    def remains(
        self, reach: Reach, *, way: str, mark: str, known: Sequence[RelayEvent] = ()
    ) -> bool:
        return bool(reach.api.get(f"remains?mark={mark}").body)

    def preview(self, events: Sequence[RelayEvent], *, destination: WorkspaceRecord) -> tuple[()]:
        return ()

    # ── RunsCommands ──────────────────────────────────────────────────────────────────────────

    def commands(self, message: str) -> tuple[Command, ...]:
        return tuple(
            Command(index, card, CommandKind.COMMENT, word, text)
            for index, (card, word, text) in enumerate(ORDER.findall(message))
        )

    def run(self, reach: Reach, order: Order) -> Deed:
        command = order.command
        said = {"card": command.subject, "word": command.word, "text": command.text}
        who = {"by": order.author.email, "commit": order.commit.remote_id, "again": order.again}
        answer = reach.api.send("POST", "orders", said | who)
        return Deed(answer.body["done"], answer.body.get("why", ""))


def _name(event: RelayEvent) -> str:
    return f"{event.repository.full_name} {event.kind} {event.key}"


def _pin(board: Board, event: RelayEvent) -> dict[str, Any]:
    record: Any = event.record
    person = getattr(record, "author", None) or getattr(record, "creator", None)
    who = event.carried(person).email if person else ""
    return {
        "name": _name(event),
        "sequence": event.sequence,
        "cards": board.subjects(event),
        "state": str(getattr(record, "state", "") or getattr(record, "target", "")),
        "head": event.head.remote_id if isinstance(event.head, CommitRecord) else "",
        "who": who,
    }


CONNECTOR = Board()


# ── The other side ────────────────────────────────────────────────────────────────────────────


@dataclass
class Wall(Scripted):
    """What is pinned, by name; `faults` are statuses of the next requests that write.

    With `meeting` the next two that write are answered together, or not at all.
    """

    pins: dict[str, dict[str, Any]] = field(default_factory=dict)
    came: list[dict[str, Any]] = field(default_factory=list)
    moments: list[float] = field(default_factory=list)
    writes: int = 0
    orders: list[dict[str, Any]] = field(default_factory=list)
    faults: list[int] = field(default_factory=list)
    is_down: bool = False
    poison: str = ""
    token: str = "board-token"
    seconds: float = 0.0
    meeting: threading.Barrier | None = None
    url: str = ""
    seen: list[Seen] = field(default_factory=list)
    lock: Any = field(default_factory=threading.Lock, repr=False)

    def answer(self, seen: Seen) -> Reply:
        time.sleep(self.seconds if seen.method == "POST" else 0)
        if self.meeting is not None and seen.method == "POST":
            self.meeting.wait(15)
            self.meeting = None
        with self.lock:
            self.seen.append(seen)
            return self._answer(seen)

    def _answer(self, seen: Seen) -> Reply:
        path = seen.path.partition("?")[0]
        if self.is_down:
            return Reply(503)
        if seen.headers.get("authorization") != f"Bearer {self.token}":
            return Reply(401)
        if seen.method == "GET":
            mark = seen.path.partition("mark=")[2]
            left = [name for name, pin in self.pins.items() if pin["mark"] == mark]
            return _reply(left if path == "/remains" else {})
        if self.faults and (status := self.faults.pop(0)) != 200:
            return Reply(status, headers={"retry-after": "7"} if status == 429 else {})
        body = json.loads(seen.body)
        if path == "/erase":
            return self._erase(body)
        if path == "/orders":
            if not (body["again"] and body | {"again": False} in self.orders):
                self.orders.append(body)
            known = body["word"] != "fly"
            return _reply({"done": known, "why": "" if known else "No card can fly."})
        if self.poison and any(self.poison in pin["name"] for pin in body["pins"]):
            return Reply(400)
        self.writes += 1
        return _reply([self._pin(body, pin) for pin in body["pins"]])

    def _pin(self, body: dict[str, Any], pin: dict[str, Any]) -> dict[str, Any]:
        self.came.append(pin)
        self.moments.append(time.time())
        held = self.pins.get(pin["name"])
        if not pin["cards"]:
            self.pins.pop(pin["name"], None)
            return {"outcome": "withdrawn", "cards": []}
        if "CARD-404" in pin["cards"]:
            return {"outcome": "unknown_subject", "cards": []}
        if held is None or held["sequence"] < pin["sequence"]:
            self.pins[pin["name"]] = pin | {"mark": body["mark"], "fill": body["fill"]}
        return {"outcome": "accepted", "cards": pin["cards"]}

    def _erase(self, body: dict[str, Any]) -> Reply:
        keys = body["keys"]
        self.pins = {
            name: pin
            for name, pin in self.pins.items()
            if pin["mark"] != body["mark"] or (keys and name not in keys)
        }
        return _reply({})

    def names(self, kind: str = "") -> set[str]:
        """What hangs there, of one kind or all."""
        return {name.split(" ", 1)[1] for name in self.pins if not kind or f" {kind} " in name}


def _reply(body: object) -> Reply:
    return Reply(200, json.dumps(body).encode(), {"content-type": "application/json"})


@contextmanager
def wall(settings: Any) -> Iterator[Wall]:
    """A wall that the portal reaches, its connector on the list."""
    with serving(Wall()) as here:
        assert isinstance(here, Wall)
        settings.CONNECTORS = [*settings.CONNECTORS, __name__]
        settings.SANDBOX_ORIGINS = [*settings.SANDBOX_ORIGINS, here.url]
        settings.CONNECTOR_ORIGINS = {**settings.CONNECTOR_ORIGINS, ORIGIN: here.url}
        registry.connectors.cache_clear()
        access.door.cache_clear()
        try:
            yield here
        finally:
            registry.connectors.cache_clear()
            access.door.cache_clear()
