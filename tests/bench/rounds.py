"""Interleaved rounds, medians and verdicts: what every benchmark of this folder is made of."""

from __future__ import annotations

import json
import platform
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

WARM_UPS = 1


@dataclass(frozen=True, slots=True)
class Line:
    """One promise: what was measured in each round, and the bound on its median."""

    title: str
    samples: Sequence[float]
    bound: float | None = None
    at_least: bool = False
    unit: str = ""

    @property
    def median(self) -> float:
        return statistics.median(self.samples)

    @property
    def holds(self) -> bool:
        if self.bound is None:
            return True
        return self.median >= self.bound if self.at_least else self.median <= self.bound

    def text(self) -> str:
        """Value, bound and verdict; the spread is told, not judged."""
        bound = verdict = ""
        if self.bound is not None:
            bound = f"{'≥' if self.at_least else '≤'} {self.bound:g}{self.unit}"
            verdict = "holds" if self.holds else "MISSED"
        spread = f"{min(self.samples):.3g} … {max(self.samples):.3g}"
        return (
            f"  {self.title:<46}{self.median:8.3g}{self.unit:<4}{bound:<12}{verdict:<8}({spread})"
        )


def interleaved(
    sides: dict[str, Callable[[], float]], *, rounds: int, warm_ups: int = WARM_UPS
) -> dict[str, list[float]]:
    """A B A B …: what each side measured in each round after the warm-up."""
    samples: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(warm_ups + rounds):
        for name, measure in sides.items():
            value = measure()
            if number >= warm_ups:
                samples[name].append(value)
    return samples


def ratios(over: Sequence[float], under: Sequence[float]) -> list[float]:
    """One side by the other, round by round: what slows both of a round cancels out."""
    return [a / b for a, b in zip(over, under, strict=True)]


def report(name: str, about: str, lines: Sequence[Line], raw: object, folder: Path) -> bool:
    """Print the lines and keep the raw samples; whether every bound holds."""
    print(f"\n{name}: {about}")
    for line in lines:
        print(line.text())
    folder.mkdir(parents=True, exist_ok=True)
    moment = datetime.now(UTC)
    kept = folder / f"{name}-{moment:%Y%m%dT%H%M%SZ}.json"
    said = {"at": moment.isoformat(), "machine": machine(), "lines": [asdict(x) for x in lines]}
    kept.write_text(json.dumps(said | {"raw": raw}, indent=1, default=str))
    print(f"  raw: {kept}", flush=True)
    return all(line.holds for line in lines)


def machine() -> str:
    """Processor, kernel and Python, with what else the machine was busy with."""
    text = Path("/proc/cpuinfo").read_text()
    models = [line.partition(":")[2].strip() for line in text.splitlines() if "model name" in line]
    load = Path("/proc/loadavg").read_text().split()[0]
    processor = f"{len(models)} × {models[0]}" if models else platform.machine()
    return (
        f"{processor}, Linux {platform.release()}, Python {platform.python_version()}, load {load}"
    )
