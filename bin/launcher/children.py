"""Starting and stopping other programs so that none outlives us, however we end.

Each child leads its own session, so Ctrl-C in a terminal reaches only us. On Linux the kernel
signals a child when we die (prctl PR_SET_PDEATHSIG); a pid file finds what survived even that.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from launcher.layout import Account

PR_SET_PDEATHSIG = 1
MARK = "PORTAL_STARTED_IN"  # in each child's environment: the var/ it belongs to

Child = subprocess.Popen[bytes]


def spawn(
    argv: Sequence[str | Path],
    *,
    log: Path,
    account: Account,
    environment: Mapping[str, str],
    cwd: Path,
    when_we_die: signal.Signals = signal.SIGTERM,
) -> Child:
    """Start a program as this account, writing to this log."""
    identity: dict[str, Any] = account.identity()
    with log.open("ab") as output:
        return subprocess.Popen(
            [str(part) for part in argv],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(environment),
            cwd=cwd,
            start_new_session=True,
            # Runs after the change of account, which would clear the death signal.
            preexec_fn=partial(die_with, os.getpid(), when_we_die),
            **identity,
        )


def die_with(parent: int, number: int) -> None:
    """In the child: ask the kernel for this signal when the parent's thread ends."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(number), 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def stop(child: Child, number: signal.Signals, patience_seconds: float) -> None:
    """The child and its whole session are gone; politely at first."""
    with contextlib.suppress(ProcessLookupError):
        child.send_signal(number)
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(patience_seconds)
    kill_session(child.pid)
    child.wait()


def kill_session(leader: int) -> None:
    """Kill what is left in the process group of this child."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def wait_until(ready: Any, child: Child, seconds: float) -> bool:
    """Whether `ready()` became true in time, with the child alive."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and child.poll() is None:
        if ready():
            return True
        time.sleep(0.02)
    return False


# ── What an earlier run left behind ───────────────────────────────────────────────────────────


def remember(pids: Path, name: str, pid: int) -> None:
    """Write down the child with its start time, because numbers are given again."""
    (pids / name).write_text(f"{pid} {started(pid)}")


def forget(pids: Path, name: str) -> None:
    (pids / name).unlink(missing_ok=True)


def started(pid: int) -> str:
    """The kernel's start time of a living process; empty for a dead one or a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] in "ZX" else fields[19]


def end_leftovers(pids: Path, var: Path) -> int:
    """End what an earlier run of the same var/ left running; how many there were."""
    found = {pid for path in pids.iterdir() if (pid := written_down(path))} | marked(var)
    for number in (signal.SIGTERM, signal.SIGKILL):
        for pid in found:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline and any(started(pid) for pid in found):
            time.sleep(0.05)
    for path in pids.iterdir():
        path.unlink()
    return len(found)


def written_down(path: Path) -> int:
    """The pid in this file, or 0 when another process has that number by now."""
    pid, _, start = path.read_text().partition(" ")
    return int(pid) if start and started(int(pid)) == start else 0


def marked(var: Path) -> set[int]:
    """The living processes whose environment carries our mark for this var/, ourselves excepted."""
    mark = f"{MARK}={var}".encode()
    found = set()
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if mark in (entry / "environ").read_bytes().split(b"\0") and started(int(entry.name)):
                found.add(int(entry.name))
    return found - {os.getpid()}
