"""The items of a file of JSON, one after the other: a long list is never a tree in memory.

They stand in a list, in a list below a key of an object, one a line, or one alone; where a line
ends does not matter, because a text may hold U+2028 as it is (RFC 8259 §7). No Django here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from connections.imports.findings import FileRefused

# What is matched is not given back (`*+`): a file of sixteen megabytes of blanks takes one pass.
_BLANK: Final = re.compile(r"[ \t\r\n]*+")
_LISTS: Final = frozenset({"connections", "data"})
NOT_JSON: Final = (
    "This file is not JSON from its {place} item on. Check its commas and brackets, and that no"
    " key stands twice in an item."
)


def items(text: str) -> Iterator[Any]:
    """Each item as JSON has it; raises FileRefused where the text cannot be read on."""
    yield from _Reader(text).items()


class _Reader:
    """Where in the text the next thing begins, and how many items came before it."""

    def __init__(self, text: str) -> None:
        self._text, self._place, self._count = text, 0, 0
        self._decoder = json.JSONDecoder(object_pairs_hook=_once, parse_constant=_refuse)

    def items(self) -> Iterator[Any]:
        if self._next() == "[":
            yield from self._list()
            if self._next():
                raise self._refusal()
        while self._next():
            yield from self._one()

    def _one(self) -> Iterator[Any]:
        """An item alone, or those of the list that it wraps."""
        if self._text[self._place] != "{":
            yield self._item()
            return
        about: dict[str, Any] = {}
        wraps = False
        for key in self._keys(about):
            if key in _LISTS and self._next() == "[":
                wraps, about[key] = True, None
                yield from self._list()
            else:
                about[key] = self._value()
        if not wraps:
            self._count += 1
            yield about

    def _keys(self, before: dict[str, Any]) -> Iterator[str]:
        """Each key of the object that begins here, its value next; none stands twice."""
        for _ in self._parts("{", "}"):
            key = self._value() if self._next() == '"' else None
            if not isinstance(key, str) or key in before:
                raise self._refusal()
            self._take(":")
            yield key

    def _list(self) -> Iterator[Any]:
        for _ in self._parts("[", "]"):
            yield self._item()

    def _parts(self, begin: str, end: str) -> Iterator[None]:
        """Once for each part between two marks, with commas between them."""
        self._take(begin)
        if self._next() == end:
            return self._take(end)
        while True:
            yield None
            if self._next() != ",":
                return self._take(end)
            self._take(",")

    def _item(self) -> Any:
        found = self._value()
        self._count += 1
        return found

    def _value(self) -> Any:
        self._next()
        try:
            found, self._place = self._decoder.raw_decode(self._text, self._place)
        except (ValueError, RecursionError):  # their texts may quote the file
            raise self._refusal() from None
        return found

    def _next(self) -> str:
        """The next letter that is no blank; "" at the end."""
        blank = _BLANK.match(self._text, self._place)
        self._place = blank.end() if blank else self._place
        return self._text[self._place : self._place + 1]

    def _take(self, mark: str) -> None:
        if self._next() != mark:
            raise self._refusal()
        self._place += 1

    def _refusal(self) -> FileRefused:
        return FileRefused(NOT_JSON.format(place=f"{self._count + 1}."))


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _refuse(constant: str) -> Any:
    raise ValueError("not a finite number")
