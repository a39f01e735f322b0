"""What a proof has to say: what was tried, a table of what was counted, and the claims it bears."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from tests.bench.rounds import machine


@dataclass(frozen=True, slots=True)
class Claim:
    """One promise and whether it held; `found` says what was counted."""

    promise: str
    holds: bool
    found: object = ""

    def text(self) -> str:
        found = f": {self.found}" if self.found != "" else ""
        return f"  {'holds' if self.holds else 'LOST ':<6} {self.promise}{found}"


@dataclass(frozen=True, slots=True)
class Told:
    """The outcome of one proof. `raw` is kept beside it, for whoever wants to count again."""

    tried: str
    columns: Sequence[str]
    rows: Sequence[Sequence[object]]
    claims: Sequence[Claim]
    raw: object = field(default=None)

    @property
    def holds(self) -> bool:
        return bool(self.claims) and all(claim.holds for claim in self.claims)

    def text(self) -> str:
        return "\n".join([self.tried, *table(self.columns, self.rows), *self.judged()])

    def judged(self) -> list[str]:
        return [claim.text() for claim in self.claims]


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """Lines with columns as wide as their widest cell; numbers stand to the right."""
    cells = [[written(cell) for cell in row] for row in rows]
    widths = [
        max(len(name), *(len(row[number]) for row in cells)) if cells else len(name)
        for number, name in enumerate(columns)
    ]
    right = [all(is_number(row[number]) for row in rows) for number in range(len(columns))]
    return [
        "  " + "  ".join(
            text.rjust(width) if to_the_right else text.ljust(width)
            for text, width, to_the_right in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in ([*columns], *cells)
    ]  # fmt: skip


def written(cell: object) -> str:
    return f"{cell:.2f}" if isinstance(cell, float) else str(cell)


def is_number(cell: object) -> bool:
    return isinstance(cell, int | float)


def report(name: str, told: Told, folder: Path, seconds: float) -> bool:
    """Print it and keep the raw results; whether every claim holds."""
    print(f"\n{name} ({seconds:.0f} s): {told.text()}")
    folder.mkdir(parents=True, exist_ok=True)
    moment = datetime.now(UTC)
    kept = folder / f"{name}-{moment:%Y%m%dT%H%M%SZ}.json"
    said = {
        "at": moment.isoformat(),
        "machine": machine(),
        "seconds": seconds,
        "tried": told.tried,
        "holds": told.holds,
        "claims": [[claim.promise, claim.holds, claim.found] for claim in told.claims],
        "columns": told.columns,
        "rows": told.rows,
        "raw": told.raw,
    }
    kept.write_text(json.dumps(said, indent=1, default=str))
    print(f"  raw: {kept}", flush=True)
    return told.holds
