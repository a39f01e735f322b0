"""Bitbucket's filter language (`q=`) and `sort=`, for the fields that a list knows.

https://developer.atlassian.com/cloud/bitbucket/rest/intro/#filtering
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

Lookup = Callable[[str], Any]
Test = Callable[[Lookup], bool]

WORD = re.compile(
    r"""\s*(?:(?P<string>"(?:[^"\\]|\\.)*")
    |(?P<mark>!=|!~|>=|<=|[()=~<>,])
    |(?P<word>[A-Za-z0-9_.:+{}-]+))""",
    re.VERBOSE,
)
DATE = re.compile(r"\d{4}-\d\d-\d\d")


class QueryRefused(Exception):
    """The filter or sort key cannot be read."""


def split(text: str) -> list[str]:
    """Return the words of a filter, strings with their opening quote."""
    words, position = [], 0
    while text[position:].strip():
        found = WORD.match(text, position)
        if found is None:
            raise QueryRefused(f"Unexpected character at {position}")
        words.append(found.group().strip())
        position = found.end()
    return words


class Parser:
    """Recursive descent: OR over AND over comparisons and parentheses."""

    def __init__(self, words: list[str], is_known: Callable[[str], bool]) -> None:
        self._words = words
        self._is_known = is_known

    def parse(self) -> Test:
        test = self._either()
        if self._words:
            raise QueryRefused(f"Unexpected {self._words[0]}")
        return test

    def _either(self) -> Test:
        tests = [self._both()]
        while self._words and self._words[0].upper() == "OR":
            self._words.pop(0)
            tests.append(self._both())
        return lambda item: any(test(item) for test in tests)

    def _both(self) -> Test:
        tests = [self._one()]
        while self._words and self._words[0].upper() == "AND":
            self._words.pop(0)
            tests.append(self._one())
        return lambda item: all(test(item) for test in tests)

    def _one(self) -> Test:
        if self._next() == "(":
            self._next(take=True)
            test = self._either()
            self._expect(")")
            return test
        name = self._next(take=True)
        if not self._is_known(name):
            raise QueryRefused(f"Unknown field {name}")
        operator = self._next(take=True).upper()
        if operator == "NOT":
            self._expect("IN")
            return negated(among(name, self._choices()))
        if operator == "IN":
            return among(name, self._choices())
        if operator not in OPERATORS:
            raise QueryRefused(f"Unknown operator {operator}")
        return compared(name, operator, literal(self._next(take=True)))

    def _choices(self) -> list[Any]:
        self._expect("(")
        found = [literal(self._next(take=True))]
        while self._next() == ",":
            self._next(take=True)
            found.append(literal(self._next(take=True)))
        self._expect(")")
        return found

    def _expect(self, word: str) -> None:
        if self._next(take=True).upper() != word:
            raise QueryRefused(f"Expected {word}")

    def _next(self, *, take: bool = False) -> str:
        if not self._words:
            raise QueryRefused("Unexpected end of query")
        return self._words.pop(0) if take else self._words[0]


def contains(value: Any, wanted: Any) -> bool:
    return str(wanted).lower() in str(value or "").lower()


def same(value: Any, wanted: Any) -> bool:
    if isinstance(value, str) and isinstance(wanted, str):
        return value.lower() == wanted.lower()
    return bool(value == wanted)


OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "=": same,
    "!=": lambda value, wanted: not same(value, wanted),
    "~": contains,
    "!~": lambda value, wanted: not contains(value, wanted),
    ">": lambda value, wanted: value > wanted,
    ">=": lambda value, wanted: value >= wanted,
    "<": lambda value, wanted: value < wanted,
    "<=": lambda value, wanted: value <= wanted,
}


def compared(name: str, operator: str, wanted: Any) -> Test:
    compare = OPERATORS[operator]

    def test(item: Lookup) -> bool:
        value = item(name)
        ordered = operator[0] in "<>"
        if ordered and type(value) is not type(wanted):
            return False
        return compare(value, wanted)

    return test


def among(name: str, wanted: list[Any]) -> Test:
    return lambda item: any(same(item(name), choice) for choice in wanted)


def negated(test: Test) -> Test:
    return lambda item: not test(item)


def literal(word: str) -> Any:
    """Read a string, number, boolean, null or moment; moments become text in one fixed form."""
    if word.startswith('"'):
        return re.sub(r"\\(.)", r"\1", word[1:-1])
    named = {"true": True, "false": False, "null": None}
    if word.lower() in named:
        return named[word.lower()]
    if DATE.match(word):
        return moment(word)
    try:
        return int(word)
    except ValueError as error:
        raise QueryRefused(f"Unexpected value {word}") from error


def moment(word: str) -> str:
    """Write an ISO-8601 moment (time and zone optional, UTC assumed) as the records hold it."""
    try:
        value = datetime.fromisoformat(word)
    except ValueError as error:
        raise QueryRefused(f"Unexpected date {word}") from error
    if value.tzinfo is None:
        value = value.replace(tzinfo=UTC)
    return value.astimezone(UTC).isoformat(timespec="microseconds")


def filtered(
    items: Sequence[Any], text: str, value: Callable[[Any, str], Any], known: Callable[[str], bool]
) -> list[Any]:
    """Return the items that pass the filter. Raises QueryRefused."""
    test = Parser(split(text), known).parse()
    return [item for item in items if test(lambda name, item=item: value(item, name))]  # type: ignore[misc]


def ordered(
    items: Sequence[Any], key: str, value: Callable[[Any, str], Any], known: Callable[[str], bool]
) -> list[Any]:
    """Return the items sorted by one field, descending with a leading minus; nulls come first."""
    name = key.removeprefix("-")
    if not known(name):
        raise QueryRefused(f"Invalid sort field {name}")

    def place(item: Any) -> tuple[bool, Any]:
        found = value(item, name)
        return (found is not None, found if found is not None else 0)

    return sorted(items, key=place, reverse=key.startswith("-"))
