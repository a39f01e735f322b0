"""What is wrong and what to do about it, in one line: for start-up checks and the doctor."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """`what` is wrong and `remedy` mends it; neither ever holds a secret."""

    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.what} {self.remedy}"
