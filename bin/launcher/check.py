"""bin/run --check: walks the main journey over HTTP, as a person would, and times each step."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from launcher.browser import Browser, StepFailed
from launcher.supervisor import Supervisor


@dataclass
class Journey:
    """What the steps share."""

    browser: Browser
    mail: Path


def journey(environment: dict[str, str], supervisor: Supervisor) -> int:
    """0 when every step succeeds and nothing died meanwhile, else 1."""
    passed = walk(environment["PORTAL_URL"], Path(environment["MAIL_DIR"]), supervisor.say)
    supervisor.look()
    if supervisor.deaths:
        supervisor.say(f"FAILED  to keep running: {', '.join(supervisor.deaths)}")
    return 0 if passed and not supervisor.deaths else 1


def walk(url: str, mail: Path, say: Callable[[str], None]) -> bool:
    """Whether every step succeeds; each is said with its time, and the first failure ends it."""
    state = Journey(Browser(url), mail)
    for title, step in STEPS:
        begun = time.monotonic()
        try:
            step(state)
        except StepFailed as failure:
            say(f"FAILED  {title}: {failure}")
            return False
        say(f"ok  {title} ({time.monotonic() - begun:.2f} s)")
    say(f"{len(STEPS)} steps passed")
    return True


def pages_are_up(state: Journey) -> None:
    state.browser.open("/accounts/login/")
    state.browser.open("/accounts/signup/")


STEPS: list[tuple[str, Callable[[Journey], None]]] = [
    ("the sign-in and sign-up pages answer", pages_are_up),
]
