"""What a vendor said of things that somebody told of, and what came of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from connections.contracts import Page, Record, Stream, Target

Known = tuple[type[Any], str]  # the kind of a record, and its id


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came of one target: ids of the rows it changed, or the code of what went wrong.

    `due` when the whole stream was made due instead.
    """

    target: Target
    changed: tuple[str, ...] = ()
    gone: bool = False
    due: bool = False
    error: str = ""

    @property
    def is_news(self) -> bool:
        """Whether it may call for more to be read."""
        return self.due or bool(self.changed)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the vendor said of a target of this stream, asked at that moment."""

    target: Target
    stream: Stream
    page: Page
    began: datetime

    @property
    def says_something(self) -> bool:
        """Whether it is there, readable or not; else it is gone."""
        return bool(self.page.records or self.page.rejected)


def known(record: Record) -> Known:
    return type(record), record.remote_id


def lists(answers: Iterable[Answer]) -> Iterator[tuple[str, list[Record]]]:
    """What was answered, stream by stream and kind by kind: each a page to be kept."""
    found: dict[tuple[str, str], list[Record]] = {}
    for one in answers:
        for record in one.page.records:
            found.setdefault((one.stream.key, type(record).__name__), []).append(record)
    for (key, _), records in sorted(found.items()):
        yield key, records
