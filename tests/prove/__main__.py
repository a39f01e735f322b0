"""`bin/prove [--short] [name …]`: try to lose something, count what was lost, keep the raw results.

A proof is a module of this folder with `prove(stage, *, short) -> Told`; its docstring's first line
is its description. It is registered in PROOFS and then runs here and, short, in the tests.
"""

from __future__ import annotations

import ast
import importlib
import logging
import sys
import time
import traceback
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "bin")]

from tests.bench import rounds  # noqa: E402  (bin/ had to be named first)
from tests.bench.stage import servers  # noqa: E402
from tests.prove.proofs import PROOFS  # noqa: E402

FOLDER = ROOT / "var" / "prove"


def main(words: list[str]) -> int:
    names = [word for word in words if not word.startswith("-")]
    if {*words} - {"--short"} - PROOFS.keys():
        print(usage())
        return 0 if {*words} <= {"--help", "-h"} else 2
    print(rounds.machine())
    held = run(names or list(PROOFS), short="--short" in words)
    print("\nEverything holds." if all(held) else "\nSomething was lost.")
    return 0 if all(held) else 1


def run(names: list[str], *, short: bool) -> list[bool]:
    """Each proof on a stage of its own; whether its claims held."""
    held = []
    with servers() as running:
        importlib.import_module("django").setup()
        logging.disable(logging.ERROR)  # what the portal logs would hide what the proof says
        running.start_database()
        stage = importlib.import_module("tests.prove.stage")
        told = importlib.import_module("tests.prove.told")
        for name in names:
            begun = time.monotonic()
            try:
                with stage.on(running, "portal_prove") as at:
                    outcome = importlib.import_module(PROOFS[name]).prove(at, short=short)
            except Exception:  # the others are worth running all the same
                print(f"\n{name} broke off:\n{traceback.format_exc()}", flush=True)
                held.append(False)
            else:
                held.append(told.report(name, outcome, FOLDER, time.monotonic() - begun))
    return held


def usage() -> str:
    lines = "\n".join(f"  {name:<12}{about(name)}" for name in PROOFS)
    return f"""usage: bin/prove [--short] [name …]

{lines}

Without a name all of them run, one after the other; --short takes less than half a minute each and
proves less. Raw results are kept in var/prove/. The exit code is 1 when something was lost.
"""


def about(name: str) -> str:
    """The first line of the module's docstring; nothing is imported for it."""
    path = ROOT.joinpath(*PROOFS[name].split(".")).with_suffix(".py")
    return (ast.get_docstring(ast.parse(path.read_text())) or "").partition("\n")[0]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
