"""bin/prove: runs the proofs of tests/prove inside the virtual environment."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def main(root: Path, arguments: list[str]) -> int:
    command = [sys.executable, "-m", "tests.prove", *arguments]
    return subprocess.call(command, cwd=root, env=os.environ | {"PYTHONWARNINGS": "ignore"})
