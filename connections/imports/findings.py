"""What is wrong with a file or a row: where, and what mends it. Never what stands there.

A cell may hold a secret in the wrong column, so that no text here quotes one. No Django here.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad a finding is; a row with an `ERROR` is not imported."""

    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """`field` is the column as our documentation names it, "" for the whole row."""

    level: Level
    field: str
    text: str

    def stored(self) -> dict[str, str]:
        return {"level": self.level.value, "field": self.field, "text": self.text}


class FileRefused(Exception):
    """Nothing of the file was kept; `message` says why and what to do."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


def error(field: str, text: str) -> Finding:
    return Finding(Level.ERROR, field, text)


def warning(field: str, text: str) -> Finding:
    return Finding(Level.WARNING, field, text)
