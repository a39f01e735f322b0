"""The browser that tests drive, without the parts of it that no test looks at."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Playwright

CHROMIUM = os.environ.get("PORTAL_CHROMIUM") or shutil.which("chromium")
# The address bar's list of suggestions is a page in two processes of its own, made anew for each
# window: a third of what a window costs.
SUGGESTIONS = ("WebUIOmniboxPopup", "WebUIOmniboxAimPopup", "WebUIOmniboxFullPopup")
# What Playwright turns off: our list takes the place of its own.
PLAYWRIGHTS = (
    *("AimEnabled", "AvoidCorsURLLoaderRestartOnRedirect", "AvoidUnnecessaryBeforeUnloadCheckSync"),
    *("DestroyProfileOnBrowserClose", "HttpsFirstBalancedModeAutoEnable", "HttpsUpgrades"),
    *("LensOverlay", "MediaRouter", "NetworkTimeServiceQuerying", "OptimizationHints"),
    *("PaintHolding", "PreconnectToSearch", "ThirdPartyStoragePartitioning"),
)
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    f"--disable-features={','.join((*PLAYWRIGHTS, *SUGGESTIONS, 'PreloadTopChromeWebUI'))}",
)


@contextmanager
def launched(playwright: Playwright) -> Iterator[Browser]:
    """Chromium runs."""
    found = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
    try:
        yield found
    finally:
        found.close()
