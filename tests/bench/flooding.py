"""B15: what a steady organization's deliveries wait while another organization floods.

Fifty a second come from the one, and from a process of its own the other sends ten times what its
address may take. Both are served by one ingest process with its usual rates.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from django.conf import settings

from portal.policy import Role
from tests import ingesting
from tests.bench import rounds
from tests.bench.rounds import Line
from tests.bench.stage import ROOT
from tests.conftest import installed
from tests.ingesting import IngestProcess, Sender
from tests.servers import Servers

PER_SECOND = 50.0
SECONDS = 6.0
TIMES = 10
BOUND = 1.5


@dataclass(slots=True)
class Scene:
    """One ingest process and two organizations that send to it; what the flood was answered."""

    process: IngestProcess
    steady: Sender
    flooding: Sender
    answers: dict[str, int] = field(default_factory=dict)


def run(servers: Servers, folder: Path, *, count: int = 7) -> bool:
    """Measure, print and keep; whether the bound holds."""
    with scene() as at:
        found = rounds.interleaved(
            {
                "alone": lambda: p99(steady(at, SECONDS)),
                "beside": lambda: p99(beside(at, SECONDS)),
            },
            rounds=count,
        )
        refused, sent = at.answers.get("503", 0), sum(at.answers.values())
    lines = [
        Line("p99 beside a flood ÷ alone", rounds.ratios(found["beside"], found["alone"]), BOUND),
        Line("p99 alone", found["alone"], unit=" ms"),
        Line("p99 beside a flood", found["beside"], unit=" ms"),
        Line("refused of the flood", [refused / sent]),
        Line("the flood, a second", [sent / (SECONDS * (count + 1))]),
    ]
    about = f"{PER_SECOND:g} a second of one, {flood_rate():g} of another organization"
    return rounds.report("neighbours", about, lines, found | {"answers": at.answers}, folder)


def flood_rate() -> float:
    return float(TIMES * settings.HOOKS_PER_SECOND)


@contextmanager
def scene() -> Iterator[Scene]:
    with TemporaryDirectory() as folder, installed(Path(folder)) as works:
        globex = works.organization("globex")
        greta = works.person("greta@globex.example", "Greta", Role.MANAGER, globex)
        flooding = ingesting.sender(works, "flood", organization=globex, actor=greta)
        with ingesting.process(works) as running:
            yield Scene(running, ingesting.sender(works, "steady"), flooding)


def steady(at: Scene, seconds: float) -> list[float]:
    """Milliseconds that each waited, from the moment when it was due."""
    client, times, began = at.process.connect(), [], time.monotonic()
    while (due := began + len(times) / PER_SECOND) < began + seconds:
        time.sleep(max(0.0, due - time.monotonic()))
        body = b'{"n": %d}' % time.monotonic_ns()
        client.request("POST", at.steady.path, body, at.steady.headers(body))
        answer = client.getresponse()
        answer.read()
        assert answer.status == 202
        times.append((time.monotonic() - due) * 1000)
    client.close()
    return times


def beside(at: Scene, seconds: float) -> list[float]:
    """The same while the other one floods."""
    headers = json.dumps(at.flooding.headers(b"{}"))
    words = [str(at.process.port), at.flooding.path, headers, str(seconds + 1), str(flood_rate())]
    flood: subprocess.Popen[Any] = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.flooder", *words], cwd=ROOT, stdout=subprocess.PIPE
    )
    time.sleep(0.5)
    times = steady(at, seconds)
    said, _ = flood.communicate(timeout=60)
    for status, many in json.loads(said).items():
        at.answers[status] = at.answers.get(status, 0) + many
    return times


def p99(times: list[float]) -> float:
    return sorted(times)[int(len(times) * 0.99)]
