"""Finds the Chromium that the browser tests drive, or installs Debian's."""

from __future__ import annotations

import os
import shutil
import subprocess

from launcher.packages import SetupFailed, say

NAMES = ("chromium", "chromium-browser", "google-chrome")
PACKAGES = ("chromium", "fonts-dejavu-core")
MISSING = (
    "The browser tests need Chromium: run `apt-get install chromium` as root,"
    " or set PORTAL_CHROMIUM to the path of one."
)


def find() -> str:
    """Chromium's path: $PORTAL_CHROMIUM, the PATH's, or one installed now; raises SetupFailed."""
    chosen = os.environ.get("PORTAL_CHROMIUM")
    found = chosen or next(filter(None, map(shutil.which, NAMES)), None)
    if not found and os.geteuid() == 0 and shutil.which("apt-get"):
        found = installed()
    if not found:
        raise SetupFailed(MISSING)
    return found


def installed() -> str | None:
    say("installing Chromium by apt-get")
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "install", "--yes", "--no-install-recommends", *PACKAGES]
    for command in (["apt-get", "update"], install):
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        if done.returncode:
            print(done.stderr.strip(), flush=True)
    return shutil.which("chromium")
