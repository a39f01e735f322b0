"""bin/run --check: walks the main journey over HTTP, as a person would, and times each step."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from launcher.browser import Browser, StepFailed
from launcher.programs import Addresses
from launcher.supervisor import Supervisor


@dataclass
class Journey:
    """What the steps share."""

    browser: Browser
    at: Addresses
    mail: Path


def journey(at: Addresses, environment: dict[str, str], supervisor: Supervisor) -> int:
    """0 when every step succeeds and nothing died; the first that does not ends it with 1."""
    state = Journey(Browser(environment["PORTAL_URL"]), at, Path(environment["MAIL_DIR"]))
    for title, step in STEPS:
        begun = time.monotonic()
        try:
            step(state)
        except StepFailed as failure:
            supervisor.say(f"FAILED  {title}: {failure}")
            return 1
        supervisor.say(f"ok  {title} ({time.monotonic() - begun:.2f} s)")
    supervisor.look()
    if supervisor.deaths:
        supervisor.say(f"FAILED  to keep running: {', '.join(supervisor.deaths)}")
        return 1
    supervisor.say(f"{len(STEPS)} steps passed")
    return 0


def pages_are_up(state: Journey) -> None:
    state.browser.open("/accounts/login/")
    state.browser.open("/accounts/signup/")


STEPS: list[tuple[str, Callable[[Journey], None]]] = [
    ("the sign-in and sign-up pages answer", pages_are_up),
]
