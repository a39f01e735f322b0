"""What was decided of dead letters: how far it is, what it was about, what can be taken back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from connections.flows import deciding
from connections.flows.dead_letters import span
from connections.models import Connection, DeedKind, InboxDeed
from connections.queries.deliveries import reason_of, titles_of

DEEDS_SHOWN: Final = 10
ENDED: Final[Mapping[str, str]] = {
    "": "",
    "stopped": "Somebody stopped it.",
    "not_allowed": "Who asked for it may not do this any more.",
}


@dataclass(frozen=True, slots=True)
class DeedPage:
    """What was asked for, how far it is, and whether it can be taken back."""

    deed: InboxDeed
    title: str
    about: str
    word: str
    icon: str
    tone: str
    because: str
    seconds_left: int
    undoable: int

    @property
    def line(self) -> str:
        """What it is about, as a sentence under its title."""
        if self.deed.delivery_id or self.deed.undoes_id:
            return f"{self.about[0].upper()}{self.about[1:]}."
        return f"Failed deliveries {self.about}."


STATES: Final = {
    "running": ("Under way", "refresh", "plain"),
    "finished": ("Finished", "circle-check", "good"),
    "stopped": ("Stopped", "ban", "warning"),
}
TITLES: Final = {
    DeedKind.REPLAY: "Apply again",
    DeedKind.DISCARD: "Discard",
    DeedKind.RESTORE: "Take back",
}


def deeds(connection: Connection | None) -> list[DeedPage]:
    """The latest, of one connection or of all."""
    rows = InboxDeed.objects.select_related("connection").order_by("-created_at")
    rows = rows.filter(connection_id=connection.id) if connection else rows
    return [deed_page(row) for row in rows[:DEEDS_SHOWN]]


def deed_page(deed: InboxDeed) -> DeedPage:
    word, icon, tone = STATES[deed.state]
    is_slow = deed.is_running and deed.kind == DeedKind.REPLAY
    discarded = deed.kind == DeedKind.DISCARD and not deed.is_running
    return DeedPage(
        deed=deed,
        title=TITLES[DeedKind(deed.kind)],
        about=_about(deed),
        word=word,
        icon=icon,
        tone=tone,
        because=ENDED.get(deed.ended_because, "It could not go on. What was done stays done."),
        seconds_left=span(max(0, deed.total - deed.done)) if is_slow else 0,
        undoable=deciding.undoable(deed.id).count() if discarded else 0,
    )


def _about(deed: InboxDeed) -> str:
    """Which dead letters were meant."""
    if deed.delivery_id:
        return f"one delivery of {deed.connection}"
    if deed.undoes_id:
        return "what was discarded"
    of = f"of {deed.connection}" if deed.connection else "of all connections"
    titles = titles_of(deed.connection.connector) if deed.connection else {}
    event = titles.get(deed.event_key, deed.event_key)
    said = [event and f"“{event}”", deed.error and reason_of(deed.error).lower()]
    more = ", ".join(filter(None, said))
    return f"{of}: {more}" if more else of
