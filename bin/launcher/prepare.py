"""Makes the database, the keys and the static files ready before the portal starts."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from launcher import programs
from launcher.layout import Layout
from launcher.programs import Addresses
from launcher.supervisor import StartFailed

DEMO_CONSUMER = "acme-portal"  # the one of the sandbox's that grants what capabilities ask for


def run(
    layout: Layout, environment: Mapping[str, str], *, seed: bool, consumers: Mapping[str, str]
) -> list[str]:
    """The database has every migration, each process its keys, the pages their files.

    `consumers` are the sandbox's for each connector, for the demo. Gives what there is to tell: to
    back new keys up, and whom to sign in as. Raises StartFailed.
    """
    files, stamp = static_files(layout.root), layout.var / "static.sha256"
    is_collected = stamp.exists() and stamp.read_text() == files
    commands = [
        ["migrate", "--database", "owner", "--no-input", "--verbosity", "0"],
        *([] if is_collected else [["collectstatic", "--no-input", "--verbosity", "0"]]),
        ["init_keys", "--directory", str(programs.keyrings(layout)), "--if-missing"],
        ["prepare", *(["--seed"] if seed else [])],
        *([["seed_consumers"]] if consumers else []),
    ]
    done = subprocess.run(
        [layout.python, "bin/launcher/commands.py", json.dumps(commands)],
        # As the web process: its static files have their manifest, and what the demo hands in is
        # sealed as a person's would be.
        env=programs.for_process("web", layout, environment)
        | {"SEED_CONSUMERS": json.dumps(dict(consumers))},
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
    stamp.write_text(files)
    return str(done.stdout).splitlines()


def static_files(root: Path) -> str:
    """Changes whenever a static file does; collecting them takes longer than all the rest."""
    digest = hashlib.sha256((root / "requirements.txt").read_bytes())
    for path in sorted((root / "static").rglob("*")):
        found = path.stat()
        digest.update(f"{path} {found.st_size} {found.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def demo_consumers(at: Addresses) -> dict[str, str]:
    """The OAuth consumers that the sandbox knows, as "key:secret" by connector.

    Behind that of a product which customers run stands the base URL that it belongs to.
    """
    with urllib.request.urlopen(f"{at.control_url}/state", timeout=10) as answer:
        known = json.load(answer)
    found = next(each for each in known["consumers"] if each["name"] == DEMO_CONSUMER)
    server = known["data_center"]
    client, place = server["clients"][0], at.sandbox_url + server["context_path"]
    made = known["vendors"]["atlassian"]["apps"]
    apps = {app["name"]: f"{app['key']}:{app['secret']}" for app in made}
    space = known["vendors"]["jetbrains-space"]["apps"][0]
    return {
        "bitbucket-cloud": f"{found['key']}:{found['secret']}",
        "bitbucket-data-center": f"{client['client_id']}:{client['secret']} {place}",
        "jira": apps["jira-portal"],
        "confluence": apps["confluence-portal"],
        "jetbrains-space": f"{space['client_id']}:{space['secret']} {space['origin']}",
    }


def differences(environment: Mapping[str, str]) -> dict[str, str]:
    """What our environment says beyond the person's own."""
    return {key: value for key, value in environment.items() if os.environ.get(key) != value}
