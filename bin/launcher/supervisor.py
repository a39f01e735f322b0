"""Keeps a set of programs running: starts them, restarts what dies, stops all, leaves no orphan."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from launcher import children
from launcher.layout import Layout

LONGEST_PAUSE_SECONDS = 30.0
STEADY_AFTER_SECONDS = 60.0
PATIENCE_SECONDS = 50.0  # a worker that has asked a vendor waits 45 for its answer
LARGEST_LOG = 10_000_000


class Service(Protocol):
    """A program that can be kept running."""

    @property
    def name(self) -> str: ...

    @property
    def stop_signal(self) -> signal.Signals: ...

    @property
    def is_ready(self) -> Callable[[], bool]: ...

    def prepare(self) -> None: ...

    def spawn(self, log: Path) -> children.Child: ...


class StartFailed(Exception):
    """A program did not come up; the text has the last lines of its log."""


@dataclass
class Kept:
    """One service while it is kept running."""

    service: Service
    child: children.Child
    since: float
    pause_seconds: float = 1.0
    restart_at: float | None = None


@dataclass
class Supervisor:
    """Everything that runs, in the order in which it was started."""

    layout: Layout
    say: Callable[[str], None]
    kept: list[Kept] = field(default_factory=list)
    hurry: bool = False
    deaths: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.logs = self.layout.folder("log")
        self.pids = self.layout.folder("pids", mode=0o755)

    def start(self, service: Service) -> None:
        service.prepare()
        child = service.spawn(self.log(service))
        self.kept.append(Kept(service, child, time.monotonic()))
        children.remember(self.pids, service.name, child.pid)

    def log(self, service: Service) -> Path:
        """The service's log; a long one is put aside first."""
        path = self.logs / f"{service.name}.log"
        if path.exists() and path.stat().st_size > LARGEST_LOG:
            path.replace(path.with_suffix(".log.old"))
        return path

    def wait(self, service: Service, seconds: float) -> None:
        """Return once the service is up; raises StartFailed when it is not in time."""
        kept = next(kept for kept in self.kept if kept.service is service)
        if not children.wait_until(service.is_ready, kept.child, seconds):
            last = self.log(service).read_text(errors="replace").splitlines()[-15:]
            raise StartFailed(f"{service.name} did not start.\n  " + "\n  ".join(last))

    # ── While it runs ─────────────────────────────────────────────────────────────────────────

    def watch(self) -> None:
        """Restart what dies, until an exception (Ctrl-C) ends this."""
        while True:
            self.look()
            time.sleep(0.25)

    def look(self) -> None:
        """One round: note what died, start again what has waited long enough."""
        now = time.monotonic()
        for kept in self.kept:
            if kept.restart_at is None and kept.child.poll() is not None:
                self._note_death(kept, now)
            elif kept.restart_at is not None and now >= kept.restart_at:
                self._restart(kept, now)

    def _note_death(self, kept: Kept, now: float) -> None:
        children.kill_session(kept.child.pid)
        if now - kept.since > STEADY_AFTER_SECONDS:
            kept.pause_seconds = 1.0
        kept.restart_at = now + kept.pause_seconds
        how = outcome(kept.child.returncode)
        self.deaths.append(f"{kept.service.name} {how}")
        self.say(f"{kept.service.name} {how}; starting it again in {kept.pause_seconds:.0f} s")
        kept.pause_seconds = min(kept.pause_seconds * 2, LONGEST_PAUSE_SECONDS)

    def _restart(self, kept: Kept, now: float) -> None:
        kept.service.prepare()
        kept.child = kept.service.spawn(self.log(kept.service))
        kept.since, kept.restart_at = now, None
        children.remember(self.pids, kept.service.name, kept.child.pid)
        self.say(f"{kept.service.name} is started again (process {kept.child.pid})")

    # ── The end ───────────────────────────────────────────────────────────────────────────────

    def stop(self) -> None:
        """Everything is gone: the portal's programs together, then the servers they need.

        A second Ctrl-C waits for nothing.
        """
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._hurry)
        servers = [kept for kept in self.kept if kept.service.name in ("postgres", "valkey")]
        programs = [kept for kept in self.kept if kept not in servers]
        for group in (programs, *([server] for server in reversed(servers))):
            self._stop_together(group)
        self.kept.clear()

    def _stop_together(self, group: list[Kept]) -> None:
        for kept in group:
            if kept.child.poll() is None:
                kept.child.send_signal(kept.service.stop_signal)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while any(kept.child.poll() is None for kept in group):
            if self.hurry or time.monotonic() > deadline:
                break
            time.sleep(0.02)
        for kept in group:
            if kept.child.poll() is None:
                self.say(f"{kept.service.name} did not stop by itself; it is ended now")
            children.kill_session(kept.child.pid)
            kept.child.wait()
            children.forget(self.pids, kept.service.name)

    def _hurry(self, number: int, frame: object) -> None:
        self.hurry = True


def outcome(returncode: int) -> str:
    """How a program ended, in words."""
    if returncode < 0:
        return f"was ended by {signal.Signals(-returncode).name}"
    return f"stopped with status {returncode}"
