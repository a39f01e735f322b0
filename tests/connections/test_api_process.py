"""Real api processes: the front answers as Django would, and all of them forget a key at once."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from http.client import HTTPResponse

import pytest

from connections.flows import service_keys
from connections.models import Connection
from tests.api_process import ApiProcess
from tests.leasing import Service, service, with_token
from tests.works import Works


@pytest.fixture
def code(works: Works) -> Connection:
    return with_token(works)


@pytest.fixture
def reports(works: Works) -> Service:
    return service(works)


@pytest.fixture
def processes(works: Works) -> Iterator[list[ApiProcess]]:
    found = [ApiProcess(works) for _ in range(2)]
    yield found
    for process in found:
        process.stop()


def ask(
    process: ApiProcess, reports: Service, code: Connection, *, chunked: bool = False
) -> tuple[HTTPResponse, dict[str, object]]:
    """Over a socket; a chunked body is one that the front leaves to Django."""
    connection = process.connect()
    body = json.dumps({"reason": "a report"}).encode()
    headers = {"Authorization": f"Bearer {reports.whole}", "Content-Type": "application/json"}
    path = f"/api/v1/connections/{code.id}/token"
    if chunked:
        connection.request("POST", path, iter([body]), headers, encode_chunked=True)
    else:
        connection.request("POST", path, body, headers)
    answer = connection.getresponse()
    return answer, json.loads(answer.read())


def test_revoked_keys_and_headers(
    processes: list[ApiProcess], works: Works, reports: Service, code: Connection
) -> None:
    """A03: refused within a second by every process; and the front forgets no header."""
    for process in processes:
        answer, body = ask(process, reports, code)
        assert (answer.status, body["token_type"]) == (200, "Bearer")
    connection = processes[0].connect()
    connection.request("GET", "/api/v1/connections", headers={
        "Authorization": f"Bearer {reports.whole}"})  # fmt: skip
    django = connection.getresponse()
    django.read()
    ours, theirs = dict(answer.getheaders()), dict(django.getheaders())
    same = theirs.keys() - {"x-request-id", "content-length", "date", "ratelimit", "server"}
    assert {name: ours.get(name) for name in same} == {name: theirs[name] for name in same}
    assert ours["x-request-id"] and ours["cache-control"] == "no-store"

    with works.inside():
        service_keys.revoke(actor=works.admin, key=reports.reloaded(), typed_name=reports.key.name)
    begun = time.monotonic()
    for process in processes:
        answer, body = ask(process, reports, code)
        assert (answer.status, body["code"]) == (401, "key_revoked")
        assert answer.getheader("Content-Type") == "application/problem+json"
    assert time.monotonic() - begun < 5
    outcomes = [lease.outcome for lease in reports.leases()]
    assert outcomes == ["granted", "granted", "key_revoked", "key_revoked"], "each once"
