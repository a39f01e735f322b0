"""Makes the database, the keys and the static files ready before the portal starts."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping

from launcher import programs
from launcher.layout import Layout
from launcher.supervisor import StartFailed


def run(layout: Layout, environment: Mapping[str, str], *, seed: bool) -> list[str]:
    """The database has every migration, each process its keys, the pages their files.

    Gives what there is to tell: to back new keys up, and whom to sign in as. Raises StartFailed.
    """
    commands = [
        ["migrate", "--database", "owner", "--no-input", "--verbosity", "0"],
        ["collectstatic", "--no-input", "--verbosity", "0"],
        ["init_keys", "--directory", str(programs.keyrings(layout)), "--if-missing"],
        ["prepare", *(["--seed"] if seed else [])],
    ]
    done = subprocess.run(
        [layout.python, "bin/launcher/commands.py", json.dumps(commands)],
        env=programs.for_process("manage", layout, environment),
        cwd=layout.root,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        **layout.portal.identity(),
    )
    with (layout.folder("log") / "prepare.log").open("a") as log:
        log.write(done.stdout + done.stderr)
    if done.returncode:
        last = (done.stdout + done.stderr).splitlines()[-15:]
        raise StartFailed("The start was not prepared:\n  " + "\n  ".join(last))
    return str(done.stdout).splitlines()


def differences(environment: Mapping[str, str]) -> dict[str, str]:
    """What our environment says beyond the person's own."""
    return {key: value for key, value in environment.items() if os.environ.get(key) != value}
