"""A whole portal beside the tests, brought up by bin/run itself: for browsers and for kill -9."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from urllib.request import Request, urlopen

from launcher import children, layout, programs

START_SECONDS = 150  # two cores may be busy with five workers, and it runs every migration
RESTART_SECONDS = 45


class LivePortal:
    """All processes, the sandbox, PostgreSQL and Valkey on free ports, with their own data.

    `settings` are variables of the environment that the portal is started with.
    """

    def __init__(self, root: Path, var: Path | None = None, **settings: str) -> None:
        self.root = root
        self.var = var or layout.temporary()
        (self.var / "environment.json").unlink(missing_ok=True)
        self.output = self.var / "output"
        self.output.touch()
        port = str(programs.free_port())
        command = [sys.executable, "bin/launcher", "run", "--port", port, "--var", str(self.var)]
        self.child = children.spawn(
            command,
            log=self.output,
            account=layout.account_of(os.geteuid()),
            environment=without_ours() | settings,
            cwd=root,
        )
        try:
            self._until((self.var / "environment.json").exists, START_SECONDS)
        except AssertionError:
            self.stop()
            raise
        self.environment: dict[str, str] = json.loads((self.var / "environment.json").read_text())

    @property
    def url(self) -> str:
        return self.environment["PORTAL_URL"]

    @property
    def api_url(self) -> str:
        return self.environment["API_URL"]

    @property
    def hooks_url(self) -> str:
        return self.environment["HOOKS_URL"]

    @property
    def sandbox_url(self) -> str:
        return self.environment["SANDBOX_ORIGINS"].partition(",")[0]

    @property
    def mail(self) -> Path:
        """Where each message is written as a file."""
        return Path(self.environment["MAIL_DIR"])

    def log(self, name: str) -> str:
        """What one of them wrote: `web`, `ingest`, `worker`, `sandbox`, `postgres` and so on."""
        return (self.var / "log" / f"{name}.log").read_text(errors="replace")

    def order(self, path: str, **body: object) -> object:
        """Tell the sandbox's control port; its answer."""
        request = Request(
            self.environment["SANDBOX_CONTROL"] + path,
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        with urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def ask(self, path: str) -> object:
        """What the sandbox's control port says at this path."""
        with urlopen(self.environment["SANDBOX_CONTROL"] + path, timeout=10) as answer:
            return json.load(answer)

    def manage(self, *command: str) -> str:
        """Run a management command on this portal; what it prints."""
        done = subprocess.run(
            [sys.executable, "bin/launcher", "manage", *command],
            cwd=self.root,
            env=without_ours() | {"PORTAL_VAR": str(self.var)},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    # ── Ending what runs ──────────────────────────────────────────────────────────────────────

    def pid(self, name: str) -> int:
        return children.written_down(self.var / "pids" / name)

    def kill(self, name: str) -> None:
        """`kill -9` of a process with all its children; returns before it is started again."""
        os.killpg(self.pid(name), signal.SIGKILL)

    def wait_restarted(self, name: str, former: int) -> None:
        """Return once the supervisor has started this process again."""
        self._until(lambda: self.pid(name) not in (0, former), RESTART_SECONDS)

    def stop(self, *, keep: bool = False) -> None:
        """Stop it as Ctrl-C does; its data goes too unless it is kept for another start."""
        children.stop(self.child, signal.SIGINT, 30)
        if not keep:
            shutil.rmtree(self.var, ignore_errors=True)

    def _until(self, true: Callable[[], bool], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < deadline, f"too late: {self.output.read_text()}"
            assert self.child.poll() is None, self.output.read_text()
            time.sleep(0.05)


def without_ours() -> dict[str, str]:
    """The environment as it was before the tests pointed it at their own servers."""
    ours = {"DATABASE_URL", "REDIS_URL", "SECRET_KEY", "MAIL_DIR", "STATIC_ROOT", "PORTAL_MODE"}
    ours |= {"PORTAL_PROCESS", "DJANGO_SETTINGS_MODULE", "SANDBOX_ORIGINS", "CONNECTOR_ORIGINS"}
    ours.add("HOOKS_URL")
    return {key: value for key, value in os.environ.items() if key not in ours}
