"""A calendar as iCalendar text (RFC 5545): whole-day and timed events, escaped and folded."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

LINE: Final = 75  # octets, without the line break (§3.1)
PRODUCT: Final = "-//Portal//Calendar 1//EN"


@dataclass(frozen=True, slots=True)
class Event:
    """`uid` stays the same while the event is about the same thing. A day has no hour."""

    uid: str
    at: datetime
    summary: str
    description: str
    url: str
    category: str
    is_day: bool = False


def calendar(name: str, events: Iterable[Event]) -> str:
    """The whole text. The same events give the same text, so that its hash is its version.

    An event is stamped with its own moment (DTSTAMP, §3.8.7.2), because when it was last changed
    is not known here and now would change the text at each reading.
    """
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        f"PRODID:{PRODUCT}",
        "CALSCALE:GREGORIAN",
        f"NAME:{escaped(name)}",  # RFC 7986 §5.1
        f"X-WR-CALNAME:{escaped(name)}",
        "REFRESH-INTERVAL;VALUE=DURATION:PT6H",  # RFC 7986 §5.7
    ]
    for event in events:
        lines += _event(event)
    lines.append("END:VCALENDAR")
    return "".join(f"{part}\r\n" for line in lines for part in folded(line))


def _event(event: Event) -> list[str]:
    at = event.at.astimezone(UTC)
    start = f"DTSTART;VALUE=DATE:{at:%Y%m%d}" if event.is_day else f"DTSTART:{at:%Y%m%dT%H%M%SZ}"
    return [
        "BEGIN:VEVENT",
        f"UID:{escaped(event.uid)}",
        f"DTSTAMP:{at:%Y%m%dT%H%M%SZ}",
        start,
        f"SUMMARY:{escaped(event.summary)}",
        f"DESCRIPTION:{escaped(event.description)}",
        f"URL:{event.url}",
        f"CATEGORIES:{escaped(event.category)}",
        "TRANSP:TRANSPARENT",
        "END:VEVENT",
    ]


def escaped(text: str) -> str:
    """TEXT as §3.3.11 wants it; no control character can begin a line of its own."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    for letter in ("\\", ";", ","):
        text = text.replace(letter, f"\\{letter}")
    return "".join(
        "\\n" if letter == "\n" else letter
        for letter in text
        if letter == "\n" or unicodedata.category(letter) not in ("Cc", "Zl", "Zp", "Cs")
    )


def folded(line: str) -> Iterator[str]:
    """The line in parts of at most 75 octets, none of which cuts a character (§3.1)."""
    room, part = LINE, ""
    for letter in line:
        size = len(letter.encode())
        if size > room:
            yield part
            room, part = LINE, " "
            room -= 1
        part += letter
        room -= size
    yield part
