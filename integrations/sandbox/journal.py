"""What was asked of the sandbox: enough to count calls, nothing that could be replayed."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections import Counter, deque
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

from integrations.sandbox.faults import escaped
from integrations.sandbox.http import Request

KEPT = 10_000
SECRET_PARAMETERS = {"code", "access_token", "refresh_token", "client_secret", "state"}


class Journal:
    """The last requests, oldest first, with running totals."""

    def __init__(self) -> None:
        self._rows: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self.totals: Counter[str] = Counter()
        self.total = 0

    def note(self, request: Request, *, at: float, status: int, fault: str) -> None:
        self.total += 1
        self.totals[str(status)] += 1
        row = {
            "number": self.total,
            "at": at,
            "method": request.method,
            "path": request.path,
            "query": redacted(request),
            "status": status,
            "credential": fingerprint(request),
            "fault": fault,
            **request.notes,
        }
        self._rows.append(row)

    def matching(self, wanted: Mapping[str, list[str]]) -> list[dict[str, Any]]:
        """Return the rows whose path matches `path` (with *), after number `since`, by `method`."""
        path = escaped(wanted.get("path", ["*"])[0])
        method = wanted.get("method", [""])[0].upper()
        since = int(wanted.get("since", ["0"])[0])
        return [
            row
            for row in self._rows
            if row["number"] > since
            and fnmatchcase(row["path"], path)
            and method in {"", row["method"]}
        ]

    def forget(self) -> None:
        self._rows.clear()
        self.totals.clear()
        self.total = 0


def redacted(request: Request) -> str:
    """Return the query with the values of secret parameters left out."""
    return "&".join(
        f"{name}={'…' if name in SECRET_PARAMETERS else value}"
        for name, values in request.parameters.items()
        for value in values
    )


def fingerprint(request: Request) -> str:
    """Return the first digits of the SHA-256 of the credential's secret part, empty for none."""
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            value = base64.b64decode(value, validate=True).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            value = "unreadable"
    return hashlib.sha256(value.strip().encode()).hexdigest()[:12] if value else ""
