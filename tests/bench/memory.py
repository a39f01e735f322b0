"""Everything that bin/run starts, at rest: proportional memory of all its processes together.

PSS counts a page that several processes share once in all, so the sum is what the machine has less.
"""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from pathlib import Path

from launcher import check

from tests.bench import rounds
from tests.bench.rounds import Line
from tests.bench.stage import ROOT
from tests.live import LivePortal

BOUND_MIB = 700.0
REST_SECONDS = 20
LOOKS = 5


def run(folder: Path, *, rest: float = REST_SECONDS, looks: int = LOOKS) -> bool:
    """Start, let a person link a workspace, rest, look; whether the bound holds."""
    portal = LivePortal(ROOT)
    try:
        walked = check.walk(portal.url, portal.mail, lambda text: None)
        samples: list[dict[str, float]] = []
        for _ in range(looks):
            time.sleep(rest / looks)
            samples.append(mebibytes(portal))
    finally:
        portal.stop()
    parts = sorted(samples[-1].items(), key=lambda part: -part[1])
    lines = [
        Line("everything together", [sum(s.values()) for s in samples], BOUND_MIB, unit=" MiB"),
        *(Line(f"  of which {name}", [s.get(name, 0) for s in samples]) for name, _ in parts),
    ]
    about = "all processes of bin/run, after a first link" if walked else "all of bin/run, new"
    return rounds.report("memory", about, lines, samples, folder)


def mebibytes(portal: LivePortal) -> dict[str, float]:
    """PSS by program, the launcher included."""
    found: Counter[str] = Counter()
    for pid in family(portal.child.pid):
        with contextlib.suppress(OSError):
            found[name_of(pid)] += pss(pid)
    return {name: round(kib / 1024, 1) for name, kib in found.items()}


def family(eldest: int) -> set[int]:
    """This process and all that descend from it; PostgreSQL's hide what they were started with."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(entry.name))
    found, waiting = set(), [eldest]
    while waiting:
        found.add(one := waiting.pop())
        waiting += children.get(one, [])
    return found


def pss(pid: int) -> int:
    """KiB; a shared page counts by its share."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    return 0


def serves(pid: int) -> str:
    """`web`, `api` or `ingest`: all run the same program."""
    words = Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace").split("\0")
    named = (name for name in ("api", "ingest") if f"PORTAL_PROCESS={name}" in words)
    return next(named, "web")


def name_of(pid: int) -> str:
    words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    marks = {
        "granian": serves(pid),
        "worker": "worker",
        "beat": "tick",
        "integrations.sandbox": "sandbox",
        "bin/launcher": "bin/run",
    }
    for word, name in marks.items():
        if word in words:
            return name
    return "PostgreSQL" if "postgres" in words[0] else Path(words[0]).name
