"""Which schema this code was made for: it is in the name of each of its database sessions."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

SERVING: Final = ("web", "api", "ingest", "worker", "tick")
ROOT: Final = Path(__file__).resolve().parent.parent
_NUMBERED: Final = re.compile(r"(\d{4})_\w+\.py")


def schema(root: Path = ROOT) -> str:
    """The newest migration of each floor, such as `connections 0009 portal 0007`."""
    newest: dict[str, str] = {}
    for path in root.glob("*/migrations/*.py"):
        if found := _NUMBERED.fullmatch(path.name):
            floor = path.parent.parent.name
            newest[floor] = max(newest.get(floor, ""), found[1])
    return spelled(newest)


def spelled(newest: dict[str, str]) -> str:
    return " ".join(f"{floor} {number}" for floor, number in sorted(newest.items()))
