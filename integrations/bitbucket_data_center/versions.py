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
    """The last day of this version's line; None when none is known.

    A line between two of the table ends no later than the later of them.
    """
    found = re.match(r"(\d{1,4})\.(\d{1,4})", version, re.ASCII)
    if found is None:
        return None
    line = int(found.group(1)), int(found.group(2))
    return next((ends for known, ends in ENDS if line <= known), None)


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
    day = f"{ends.day} {ends:%B %Y}"
    if ends < today:
        return f"Its line ended on {day}: there are no more security fixes. Upgrade the server."
    return f"Atlassian ends this line on {day}. Plan the upgrade of the server."
