"""How late the vendors answer: everything alike, or some requests by method and path."""

from __future__ import annotations

from fnmatch import fnmatchcase

from integrations.sandbox.faults import escaped
from integrations.sandbox.http import Request


class Latency:
    """`seconds` for every answer; a match ordered later goes before an earlier one and before it.

    The vendor acts when the request arrives; only its answer is late.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self._by_match: dict[str, float] = {}

    def set(self, seconds: float, match: str = "") -> None:
        """Raises ValueError for a match that is not "METHOD /path" with * anywhere."""
        if not match:
            self.seconds = seconds
            return
        if " " not in match:
            raise ValueError('match is "METHOD /path", with * anywhere')
        self._by_match.pop(match, None)
        self._by_match[match] = seconds

    def of(self, request: Request) -> float:
        line = f"{request.method} {request.path}"
        for match, seconds in reversed(self._by_match.items()):
            if fnmatchcase(line, escaped(match)):
                return seconds
        return self.seconds

    def forget(self) -> None:
        self.seconds = 0.0
        self._by_match.clear()

    def describe(self) -> dict[str, float]:
        return {match: seconds * 1000 for match, seconds in self._by_match.items()}
