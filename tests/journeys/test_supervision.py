"""bin/run keeps everything running, and gives each process what is its own."""

from __future__ import annotations

import time
import urllib.request
from pathlib import Path

import pytest

NAMES = ["worker", "tick", "sandbox", "valkey", "postgres", "api", "ingest", "web"]


@pytest.mark.parametrize("name", NAMES)
def test_what_dies_is_started_again(live_portal, name):
    former = live_portal.pid(name)

    live_portal.kill(name)

    live_portal.wait_restarted(name, former)


def test_the_sign_in_page_is_there(live_portal):
    deadline = time.monotonic() + 30
    while True:  # the test above has just killed the web process
        try:
            with urllib.request.urlopen(live_portal.url + "/accounts/login/", timeout=10) as page:
                break
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.2)

    assert page.status == 200


def test_each_process_holds_only_its_own_keys(live_portal):
    def named(name: str, variable: str) -> str:
        environment = Path(f"/proc/{live_portal.pid(name)}/environ").read_text().split("\0")
        return next((e for e in environment if e.startswith(f"{variable}=")), "")

    def keyring(name: str) -> str:
        return named(name, "KEYRING_FILE")

    assert keyring("web").endswith("web.json")
    assert keyring("api").endswith("api.json")
    assert keyring("ingest").endswith("ingest.json")
    assert keyring("worker").endswith("worker.json")
    assert keyring("tick") == keyring("sandbox") == ""
    assert named("api", "SECRET_KEY_FILE") != named("web", "SECRET_KEY_FILE") != ""


def test_the_sandbox_is_told_no_address_of_ours(live_portal):
    environment = Path(f"/proc/{live_portal.pid('sandbox')}/environ").read_text()

    assert "DATABASE_URL" not in environment
    assert "REDIS_URL" not in environment
