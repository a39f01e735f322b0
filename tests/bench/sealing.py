"""B9: what encryption adds to the way of a secret, from a service's question to its token.

The baseline is an api process that does all the same, over HTTP with the same statement, record and
commit, and takes the stored token as it is. Processor time is counted, the process's and that of
its PostgreSQL backends, while clients ask without pause.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from tests.api_process import ApiProcess
from tests.bench import leasing, rounds
from tests.bench.leasing import Round
from tests.bench.rounds import Line
from tests.servers import Servers

SECONDS = 1.0
BOUND = 1.03
PLAIN = "tests.bench.plain_site:application"


@dataclass(frozen=True, slots=True)
class Scene:
    """Two api processes over one database: as it is, and without ciphers."""

    sealed: leasing.Scene
    plain: leasing.Scene


def run(servers: Servers, folder: Path, *, count: int = 15) -> bool:
    """Measure, print and keep; whether the bound holds."""
    kept: dict[str, list[Round]] = {"sealed": [], "plain": []}
    with scene(servers) as at:
        sides: dict[str, Callable[[], float]] = {
            "sealed": lambda: measured(at.sealed, kept["sealed"]),
            "plain": lambda: measured(at.plain, kept["plain"]),
        }
        rounds.interleaved(sides, rounds=count)
    sealed, plain = kept["sealed"][-count:], kept["plain"][-count:]
    lines = [
        Line(
            "processor time ÷ the same of a plain token", leasing.over(sealed, plain, "cost"), BOUND
        ),
        Line("p50 ÷ the same of a plain token", leasing.over(sealed, plain, "p50")),
        Line("processor time of a lease", [one.cost for one in sealed], unit=" ms"),
    ]
    raw = {name: [vars(one) for one in found] for name, found in kept.items()}
    return rounds.report("secret", f"{leasing.CLIENTS} clients over HTTP", lines, raw, folder)


def measured(at: leasing.Scene, kept: list[Round], *, seconds: float = SECONDS) -> float:
    return leasing.measured(at, at.lease, kept, seconds=seconds)


@contextmanager
def scene(servers: Servers) -> Iterator[Scene]:
    with leasing.scene(servers) as sealed:
        wide = {"API_PER_MINUTE": "100000000", "API_THREADS": str(leasing.CLIENTS)}
        process = ApiProcess(sealed.service.works, application=PLAIN, **wide)
        try:
            yield Scene(sealed, replace(sealed, process=process))
        finally:
            process.stop()
