"""Smart commits: commands in commits' messages, and which transition a command means.

The rules are those of Atlassian's own connector for Git servers (DefaultCommitMessageParser,
WorkLogHandler, TransitionHandler), save for decimals of time, which Jira's documentation allows.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from connections.contracts import Command, CommandKind

LONGEST_TEXT: Final = 30_000  # Jira keeps 32,767 characters of a comment
MOST_COMMANDS: Final = 100

_LINE = re.compile(r"\r?\n")
_KEY = re.compile(r"(?<![&=?>^!~/\-])\b([^\W_]+)-([0-9]+)\b")
_BETWEEN = re.compile(r",?\s*", re.ASCII)
_COMMAND = re.compile(r"(?:^|\s)#([A-Za-z][A-Za-z\-]*)", re.ASCII)
_TIME = re.compile(r"(?<![0-9])(?:(?:[0-9]+(?:[.,][0-9]+)?|(?<!\S)\.[0-9]+)[wdhm]\s*)+", re.ASCII)
_CONTROLS = "".join(map(chr, range(33)))
_KINDS = {"comment": CommandKind.COMMENT, "time": CommandKind.WORKLOG}


@dataclass(frozen=True, slots=True)
class TimeSpent:
    """What a command logs: how long, as it was written, and on what."""

    spent: str
    comment: str = ""


def commands(message: str) -> tuple[Command, ...]:
    """The commands of a message: for each line, block of keys, command and key, in that order."""
    said = (
        (key, word, argument)
        for line in _LINE.split(message)
        for keys, text in _blocks(line)
        for word, argument in _in_block(text)
        for key in keys
    )
    return tuple(
        Command(
            at, key, _KINDS.get(word.lower(), CommandKind.TRANSITION), word, argument[:LONGEST_TEXT]
        )
        for at, (key, word, argument) in enumerate(islice(said, MOST_COMMANDS))
    )


def time_spent(text: str) -> TimeSpent | None:
    """The first run of durations, and all that is written around the durations; None without.

    Atlassian's connector would take 1.5h for five hours.
    """
    found = _TIME.search(text)
    if found is None:
        return None
    return TimeSpent(found[0].strip().replace(",", "."), _TIME.sub("", text).strip())


def matching(command: str, names: Sequence[str]) -> tuple[str, ...]:
    """The names of transitions that a command may mean: exactly one is carried out.

    The same name wins; else those that begin with the command, and only when there are none those
    that begin with it when its dashes are spaces.
    """
    word = command.strip().lower()
    for name in names:
        if name.lower() == word:
            return (name,)
    begun = tuple(name for name in names if name.lower().startswith(word))
    spaced = word.replace("-", " ")
    return begun or tuple(name for name in names if name.lower().startswith(spaced))


def _blocks(line: str) -> Iterator[tuple[list[str], str]]:
    """Adjacent keys with the text up to the next key."""
    found = [match for match in _KEY.finditer(line) if _is_project(match[1])]
    at = 0
    while at < len(found):
        keys, end = [found[at][0]], found[at].end()
        at += 1
        while at < len(found) and _BETWEEN.fullmatch(line, end, found[at].start()):
            keys.append(found[at][0])
            end = found[at].end()
            at += 1
        yield keys, line[end : found[at].start() if at < len(found) else len(line)]


def _in_block(text: str) -> Iterator[tuple[str, str]]:
    """Each command's word with its argument, which ends where the next command begins."""
    found = list(_COMMAND.finditer(text))
    for at, match in enumerate(found):
        end = found[at + 1].start() if at + 1 < len(found) else len(text)
        yield match[1], text[match.end() : end].strip(_CONTROLS)


def _is_project(text: str) -> bool:
    """Capital letters of any script, digits after the first, at least two characters."""
    first, rest = text[:1], text[1:]
    return bool(rest) and _is_capital(first) and all(map(_may_follow, rest))


def _is_capital(character: str) -> bool:
    return unicodedata.category(character) == "Lu"


def _may_follow(character: str) -> bool:
    return _is_capital(character) or (character.isascii() and character.isdigit())
