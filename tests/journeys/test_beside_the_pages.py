"""The api process beside the pages: each has its own address, and names the other's."""

from __future__ import annotations

import json
import os
import signal
import time
import urllib.error
import urllib.request

import pytest

from tests.live import LivePortal


def ask(url: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, object]]:
    request = urllib.request.Request(url, method=method, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_it_answers_at_its_own_address(live_portal: LivePortal) -> None:
    status, index = ask(live_portal.api_url + "/api/v1/")

    assert (status, index["name"]) == (200, "Portal API")
    assert live_portal.api_url in live_portal.output.read_text()


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
@pytest.mark.parametrize("path", ["/api/v1", "/api/v1/", "/api/v1/connections/x/token"])
def test_the_pages_address_names_it_and_reads_nothing(
    live_portal: LivePortal, method: str, path: str
) -> None:
    status, problem = ask(live_portal.url + path, method, Authorization="Bearer ptl_canary")

    assert status == 421
    assert problem["api_url"] == live_portal.api_url
    assert str(problem["type"]).startswith(live_portal.url + "/api/#")
    assert "ptl_canary" not in live_portal.log("web")


def test_it_comes_back_after_its_end(live_portal: LivePortal) -> None:
    former = live_portal.pid("api")
    os.kill(former, signal.SIGTERM)
    live_portal.wait_restarted("api", former)

    deadline = time.monotonic() + 30
    while True:
        try:
            assert ask(live_portal.api_url + "/api/v1/")[0] == 200
            return
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.2)
