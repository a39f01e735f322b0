"""When a row's credential ends, as a person or another program writes it. No Django here."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from connections.imports.findings import error, warning
from connections.imports.known import Judged, Known
from connections.moments import bounded

LONGEST_DAY: Final = 10  # of a day without a time, as in 2027-01-31
HOW: Final = (
    "Write the day as 2027-01-31, with a time as 2027-01-31T12:00:00Z. For never, leave it empty."
)
FAR: Final = "Write a year from 2000 to 2200. For never, leave it empty."


def judge(text: str, row: Judged, known: Known) -> None:
    """The row has its end, or a finding that says how to write it."""
    if not text:
        return
    try:
        row.expires_at = bounded(moment(text))
    except ValueError:
        row.findings.append(error("expires_at", HOW))
        return
    if row.expires_at is None:
        row.findings.append(error("expires_at", FAR))
    elif row.expires_at <= known.now and not row.refreshable:
        row.findings.append(warning("expires_at", "It has expired; the vendor will refuse it."))


def moment(text: str) -> datetime | None:
    """A day (its end, UTC), a time with or without zone (UTC), or a Unix time in s or ms.

    None for one that no calendar has; raises ValueError for what is no moment.
    """
    try:
        if re.fullmatch(r"[0-9]{9,13}", text):
            return datetime.fromtimestamp(int(text) / (1000 if len(text) > 11 else 1), UTC)
        found = datetime.fromisoformat(text)
        if len(text) <= LONGEST_DAY:
            found += timedelta(days=1, seconds=-1)
    except OverflowError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
