"""Hours that pass at once, for the vendor, for this process and for the workers of a stage."""

from __future__ import annotations

import time
from datetime import timedelta

from portal import clock
from tests.prove.simulated import LOOK_SECONDS, VARIABLE
from tests.prove.stage import Stage


class Hours:
    """The clocks of the vendor, of this process and of workers with our environment go together."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._file = stage.folder / "clock"
        self.passed = 0.0
        self.environment = {VARIABLE: str(self._file)}

    def go_on(self, seconds: float) -> None:
        """So much has passed for everybody, for the vendor first: nobody asks it too early."""
        self.passed += seconds
        self._stage.vendor.order("/clock", advance=seconds)
        clock.shift(timedelta(seconds=seconds))
        fresh = self._file.with_suffix(".new")
        fresh.write_text(str(self.passed))
        fresh.rename(self._file)
        time.sleep(3 * LOOK_SECONDS)
