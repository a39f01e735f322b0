"""Finds the Chromium that the browser tests drive, or installs Debian's."""

from __future__ import annotations

import os
import shutil
import subprocess

from launcher.packages import SetupFailed, say

# The first is the same without windows, tool bars and their processes: an eighth less to do.
NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
PACKAGES = ("chromium-headless-shell", "chromium")  # the second where there is no first
FONTS = "fonts-dejavu-core"
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
    apt_get("update")
    for package in PACKAGES:
        apt_get("install", "--yes", "--no-install-recommends", package, FONTS)
        if found := shutil.which(package):
            return found
    return None


def apt_get(*arguments: str) -> None:
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(["apt-get", *arguments], env=environment, capture_output=True, text=True)
    if done.returncode:
        print(done.stderr.strip(), flush=True)
