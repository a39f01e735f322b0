"""Which versions of Bitbucket Data Center still get security fixes, by https://endoflife.date/bitbucket."""

from __future__ import annotations

import re
from datetime import date

from connections.contracts import Remark

# Long-term lines and the first of each major one; in November 2026 no line of 10 had an end.
ENDS = (
    ((8, 19), date(2026, 3, 12)),
    ((9, 0), date(2026, 7, 23)),
    ((9, 4), date(2026, 12, 3)),
)
NEWEST_THAT_ENDS = ENDS[-1][0]


def end_of_life(version: str) -> date | None:
    """The last day on which this version's line can have been mended; None when none is known.

    A line between two of the table ends no later than the later of them: see `is_exact`.
    """
    line = _line(version)
    return next((ends for known, ends in ENDS if line <= known), None) if line else None


def is_exact(version: str) -> bool:
    """Whether the end of just this line is known."""
    return _line(version) in dict(ENDS)


def _line(version: str) -> tuple[int, int] | None:
    found = re.match(r"(\d{1,4})\.(\d{1,4})", version, re.ASCII)
    return (int(found.group(1)), int(found.group(2))) if found else None


def remark(version: str, today: date) -> Remark:
    """The version as a line of a verification."""
    return Remark(
        "version", "Version of the server", version or "not said", _meaning(version, today)
    )


def _meaning(version: str, today: date) -> str:
    if not version:
        return "The server does not say its version."
    ends = end_of_life(version)
    if ends is None:
        return "No end of life of this line has been announced."
    day = f"{'on' if is_exact(version) else 'no later than'} {ends.day} {ends:%B %Y}"
    if ends < today:
        return f"Its line ended {day}: there are no more security fixes. Upgrade the server."
    return f"Atlassian ends this line {day}. Plan the upgrade of the server."
