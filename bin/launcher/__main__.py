"""`python3 bin/launcher run|test|bench|prove …`: works inside a virtual environment it makes."""

import importlib
import sys
from pathlib import Path

COMMANDS = {
    "run": "launcher.run",
    "test": "launcher.suite",
    "bench": "launcher.bench",
    "prove": "launcher.prove",
    "manage": "launcher.manage",
}
LOCKS = dict.fromkeys(("test", "bench", "prove"), "requirements-dev.txt")


def main() -> int | str:
    if sys.version_info < (3, 11):  # noqa: UP036  (an older one gets this far and no further)
        found = ".".join(map(str, sys.version_info[:3]))
        return f"This needs Python 3.11 or newer, not {found}: PYTHON=python3.11 bin/run"
    root = Path(__file__).resolve().parent.parent.parent
    sys.path[0] = str(root / "bin")
    command, *arguments = sys.argv[1:]
    packages = importlib.import_module("launcher.packages")
    packages.enter(root, LOCKS.get(command, "requirements.txt"), command, arguments)
    status: int = importlib.import_module(COMMANDS[command]).main(root, arguments)
    return status


if __name__ == "__main__":
    sys.exit(main())
