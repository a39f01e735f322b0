"""bin/run from nothing and again, and a person's way from a click to the first repositories.

A copy of the last commit in an empty home: no virtual environment, no package cache, no data.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from launcher import check, children, layout, programs
from launcher.browser import Browser, StepFailed

from tests.bench import rounds
from tests.bench.rounds import Line
from tests.bench.stage import ROOT

FIRST_SECONDS, SECOND_SECONDS, CLICKING_SECONDS = 180.0, 15.0, 90.0
GIVE_UP_SECONDS = 600
PERSON = {"login": "alice@acme.example", "password": "tractor-lantern-2026"}


def run(folder: Path) -> bool:
    """Measure, print and keep; whether all three bounds hold."""
    place = layout.temporary()
    try:
        copy(place / "portal")
        first = Started(place)
        clicking = click_through(first)
        raw = {"first": first.stop()}
        second = Started(place)
        raw["second"] = second.stop()
    finally:
        shutil.rmtree(place, ignore_errors=True)
    lines = [
        Line("from nothing to a signed-in page", [first.seconds], FIRST_SECONDS, unit=" s"),
        Line("started again, to a signed-in page", [second.seconds], SECOND_SECONDS, unit=" s"),
        Line("clicking, to repositories on screen", [clicking], CLICKING_SECONDS, unit=" s"),
    ]
    return rounds.report("start", "bin/run of the last commit, empty home", lines, raw, folder)


def copy(target: Path) -> None:
    """The last commit, as a clone would have it."""
    target.mkdir()
    archive = subprocess.run(
        ["git", "archive", "HEAD"], cwd=ROOT, stdout=subprocess.PIPE, check=True
    )
    subprocess.run(["tar", "-x"], cwd=target, input=archive.stdout, check=True)


class Started:
    """A portal that bin/run brought up, with the seconds until a person was signed in."""

    def __init__(self, place: Path) -> None:
        home = place / "home"
        home.mkdir(exist_ok=True)
        root = place / "portal"
        self.output = place / "output"
        self.output.unlink(missing_ok=True)
        self.url = f"http://localhost:{(port := programs.free_port())}"
        self.mail = root / "var" / "mail"
        begun = time.monotonic()
        self.child = children.spawn(
            ["/bin/sh", "bin/run", "--port", str(port)],
            log=self.output,
            account=layout.account_of(os.geteuid()),
            environment=bare(home),
            cwd=root,
        )
        self.browser = until(self._signed_in, self.child)
        self.seconds = time.monotonic() - begun

    def _signed_in(self) -> Browser | None:
        browser = Browser(self.url)
        with suppress(StepFailed, OSError):
            page = browser.open("/accounts/login/")
            browser.send(page.form(having="login"), PERSON).expect("Acme")
            return browser
        return None

    def stop(self) -> str:
        """Stop it as Ctrl-C does; what it said."""
        children.stop(self.child, signal.SIGINT, 30)
        return self.output.read_text(errors="replace")


def bare(home: Path) -> dict[str, str]:
    """An empty home and no virtual environment of anybody's."""
    path = [
        p for p in os.environ["PATH"].split(":") if not (Path(p).parent / "pyvenv.cfg").exists()
    ]
    kept = {name: os.environ[name] for name in ("PYTHON", "SSL_CERT_FILE") if name in os.environ}
    indexes = {n: v for n, v in os.environ.items() if n.startswith(("PIP_", "UV_"))}
    return {"PATH": ":".join(path), "HOME": str(home), "LC_ALL": "C.UTF-8"} | kept | indexes


def until(done: Callable[[], Browser | None], child: children.Child) -> Browser:
    deadline = time.monotonic() + GIVE_UP_SECONDS
    while time.monotonic() < deadline and child.poll() is None:
        if (found := done()) is not None:
            return found
        time.sleep(0.1)
    raise SystemExit("bin/run did not come up in time.")


def click_through(portal: Started) -> float:
    """Seconds of a new person's way from their organization to repositories on the screen."""
    state = check.Journey(Browser(portal.url), portal.mail, "bench@example.org")
    steps = dict(check.STEPS)
    check.sign_up(state)
    check.confirm_address(state)
    begun = time.monotonic()
    for title, step in steps.items():
        if step not in (check.sign_up, check.confirm_address):
            try:
                step(state)
            except StepFailed as failure:
                raise SystemExit(f"{title}: {failure}") from None
    return time.monotonic() - begun
