"""bin/run starts from nothing and leaves nothing behind: a portal of its own, for a minute."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

from launcher import children

from tests.live import LivePortal

ROOT = Path(__file__).resolve().parents[2]


def test_it_stops_starts_again_and_dies_without_a_trace():
    portal = LivePortal(ROOT)
    running, keyring = pids(portal), (portal.var / "keys" / "web.json").read_bytes()
    assert len(running) == 8
    portal.stop(keep=True)
    assert not any(map(children.started, running))
    assert not children.marked(portal.var)

    again = LivePortal(ROOT, portal.var)
    # The database knows these keys, or it would not have started.
    assert (again.var / "keys" / "web.json").read_bytes() == keyring

    running = pids(again)
    os.kill(again.child.pid, signal.SIGKILL)
    deadline = time.monotonic() + 15
    while any(map(children.started, running)) or children.marked(again.var):
        assert time.monotonic() < deadline, subprocess.check_output(["ps", "axf"], text=True)
        time.sleep(0.1)
    again.stop()


def pids(portal: LivePortal) -> list[int]:
    return [portal.pid(path.name) for path in (portal.var / "pids").iterdir()]
