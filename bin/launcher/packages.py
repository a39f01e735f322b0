"""The virtual environment: made once, filled from a hashed lock, left alone while nothing changes.

Packages are added, never removed, so that bin/run and bin/test do not undo each other.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

UV_LOCK = Path(__file__).with_name("uv.txt")


class SetupFailed(SystemExit):
    """Set-up cannot go on; the text says what is wrong and what to do."""


def enter(root: Path, lock: str, command: str, arguments: list[str]) -> None:
    """Run on inside the virtual environment, with everything of the lock installed."""
    keep_bytecode(root)
    python = root / ".venv" / "bin" / "python"
    if not is_whole(python):
        create(root / ".venv")
    install(root, python, lock)
    if Path(sys.prefix).resolve() != (root / ".venv").resolve():
        here = str(root / "bin" / "launcher")
        os.execv(python, [str(python), here, command, *arguments])


def keep_bytecode(root: Path) -> None:
    """Whoever wants no bytecode beside the sources has it in var/: many processes start here, and
    each would compile everything anew."""
    if os.environ.pop("PYTHONDONTWRITEBYTECODE", ""):
        os.environ.setdefault("PYTHONPYCACHEPREFIX", str(root / "var" / "bytecode"))


def is_whole(python: Path) -> bool:
    """Whether an earlier set-up got as far as a working interpreter with pip."""
    check = [str(python), "-c", "import sys, pip; sys.exit(sys.version_info < (3, 11))"]
    return python.exists() and subprocess.run(check, capture_output=True).returncode == 0


def create(venv: Path) -> None:
    """Make the virtual environment anew; SetupFailed when Python lacks its venv module."""
    say("making a virtual environment in .venv")
    shutil.rmtree(venv, ignore_errors=True)
    made = subprocess.run([sys.executable, "-m", "venv", str(venv)], capture_output=True, text=True)
    if made.returncode:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        raise SetupFailed(
            f"Python cannot make a virtual environment: {(made.stdout + made.stderr).strip()}\n"
            f"On Debian: apt-get install python3-venv (for Python {version}), then run this again."
        )


def install(root: Path, python: Path, lock: str) -> None:
    """Install what the lock pins, checked by hash, unless that was done already."""
    wanted = hashlib.sha256((root / lock).read_bytes()).hexdigest()
    stamp = root / ".venv" / f"{lock}.sha256"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    say(f"installing the packages of {lock}")
    if not (has_uv(python) and by_uv(python, root / lock)):
        by_pip(python, root / lock)
    stamp.write_text(wanted)


def has_uv(python: Path) -> bool:
    """Whether uv is there, after trying to install it."""
    wanted = hashlib.sha256(UV_LOCK.read_bytes()).hexdigest()
    stamp = python.parent.parent / "uv.txt.sha256"
    if stamp.exists() and stamp.read_text() == wanted:
        return True
    if pip(python, UV_LOCK).returncode:
        return False
    stamp.write_text(wanted)
    return True


def by_uv(python: Path, lock: Path) -> bool:
    """Whether uv, which is ten times faster than pip, could install the lock."""
    command = [str(python), "-m", "uv", "pip", "install", "--quiet", "--require-hashes"]
    command.append("--system-certs")  # as pip does; companies inspect traffic with their own
    if not os.access(Path.home(), os.W_OK):
        command.append("--no-cache")
    command += ["--python", str(python), "--requirement", str(lock)]
    return subprocess.run(command).returncode == 0


def by_pip(python: Path, lock: Path) -> None:
    say("uv is not to be had; pip does it, which takes longer")
    done = pip(python, lock)
    if done.returncode:
        raise SetupFailed(f"{done.stderr.strip()}\nThe packages of {lock.name} did not install.")


def pip(python: Path, lock: Path) -> subprocess.CompletedProcess[str]:
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    command += ["--require-hashes", "--only-binary", ":all:", "--requirement", str(lock)]
    return subprocess.run(command, capture_output=True, text=True)


def say(text: str) -> None:
    print(f"· {text}", flush=True)
