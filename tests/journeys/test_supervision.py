"""bin/run keeps everything running and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest
from launcher import children

from tests.live import LivePortal

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", ["worker", "tick", "sandbox", "valkey", "postgres", "api", "web"])
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
    assert keyring("worker").endswith("worker.json")
    assert keyring("tick") == keyring("sandbox") == ""
    assert named("api", "SECRET_KEY_FILE") != named("web", "SECRET_KEY_FILE") != ""


def test_the_sandbox_is_told_no_address_of_ours(live_portal):
    environment = Path(f"/proc/{live_portal.pid('sandbox')}/environ").read_text()

    assert "DATABASE_URL" not in environment
    assert "REDIS_URL" not in environment


def test_it_stops_starts_again_and_dies_without_a_trace():
    portal = LivePortal(ROOT)
    running, keyring = pids(portal), (portal.var / "keys" / "web.json").read_bytes()
    assert len(running) == 7
    portal.stop(keep=True)
    assert not any(map(children.started, running))
    assert not children.marked(portal.var)

    again = LivePortal(ROOT, portal.var)
    # The database knows these keys, or it would not have started.
    assert (again.var / "keys" / "web.json").read_bytes() == keyring

    running = pids(again)
    os.kill(again.child.pid, signal.SIGKILL)
    deadline = time.monotonic() + 15
    while any(map(children.started, running)) or children.marked(again.var):
        assert time.monotonic() < deadline, subprocess.check_output(["ps", "axf"], text=True)
        time.sleep(0.1)
    again.stop()


def pids(portal: LivePortal) -> list[int]:
    return [portal.pid(path.name) for path in (portal.var / "pids").iterdir()]
