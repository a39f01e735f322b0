"""Named durable steps: in a test, a process can be made to die at exactly one of them.

`step("link.exchanged")` does nothing in production. The names are gathered from the source by the
test that kills at each, so a new step without a test fails (trust.md §5.7).
"""

from __future__ import annotations

import os
import signal

from django.conf import settings


def step(name: str) -> None:
    """Die here, as by `kill -9`, when the setting DIE_AT_STEP names this step."""
    if name == settings.DIE_AT_STEP:
        os.kill(os.getpid(), signal.SIGKILL)
