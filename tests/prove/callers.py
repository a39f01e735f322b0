"""Real processes that call at the same moment, and what became of their calls."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.vendor import ROOT

AHEAD_SECONDS = 0.3  # so that every process knows the moment before it comes
Outcomes = list[tuple[float, str]]


class Callers:
    """`count` processes of one module (see calling.py), until the block ends."""

    def __init__(self, module: str, count: int, environment: Mapping[str, str], log: Path) -> None:
        with log.open("ab") as output:
            self._processes = [
                subprocess.Popen(
                    [sys.executable, "-m", module],
                    cwd=ROOT,
                    env=dict(environment),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=output,
                    text=True,
                )
                for _ in range(count)
            ]
        self._log = log

    def __enter__(self) -> Callers:
        for process in self._processes:
            assert self._answer(process) == "ready"
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for process in self._processes:
            process.kill()
            process.wait()

    def begin(self, **order: Any) -> None:
        """Every process calls at one moment soon."""
        moment = time.time() + AHEAD_SECONDS
        for process in self._processes:
            self._tell(process, {**order, "at": moment})

    def outcomes(self) -> Outcomes:
        """What became of the calls that began: one entry for each caller of every process."""
        return [(*each,) for process in self._processes for each in self._answer(process)]

    def do(self, name: str, **order: Any) -> Any:
        """The first process does this once; its answer."""
        self._tell(self._processes[0], {**order, "do": name})
        return self._answer(self._processes[0])

    def _tell(self, process: subprocess.Popen[str], order: dict[str, Any]) -> None:
        assert process.stdin is not None
        process.stdin.write(json.dumps(order) + "\n")
        process.stdin.flush()

    def _answer(self, process: subprocess.Popen[str]) -> Any:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(f"a process of callers has ended: {self._log.read_text()[-2000:]}")
        return json.loads(line)
