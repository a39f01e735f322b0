"""Webhooks that are slow, forged in numbers, or cut off by a crash: W26, W28 and W32.

W06 and W11 are about Standard Webhooks, whose header carries several signatures and a time. No
vendor here signs that way, so nothing reads such a header: the one form there is has W03 to W05.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from uuid import uuid4

import pytest

from connections.receiving.slots import OF_NOBODY, OF_ONE
from portal.policy import Role
from tests import ingesting
from tests.conftest import installed
from tests.ingesting import IngestProcess, Sender, head, raw
from tests.prove.stage import until
from tests.servers import Servers
from tests.works import Works


@pytest.fixture(scope="module")
def cast(module_database: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Works]:
    with installed(tmp_path_factory.mktemp("keys")) as works:
        yield works


@pytest.fixture(scope="module")
def at(cast: Works) -> Iterator[IngestProcess]:
    with ingesting.process(cast, HOOKS_PER_SECOND="12") as running:
        yield running


@pytest.fixture
def vendor(cast: Works, servers: Servers) -> Sender:
    servers.empty_valkey()  # where a person's pace is counted
    return ingesting.sender(cast, f"hook {uuid4().hex[:8]}")


def test_w28_what_is_not_signed_uses_nothing_up(vendor: Sender, at: IngestProcess) -> None:
    client, forged = at.connect(), vendor.headers(b"{}", x_hub_signature="sha256=" + "0" * 64)
    for _ in range(80):  # more than may come at once
        client.request("POST", vendor.path, b"{}", forged)
        answer = client.getresponse()
        assert (answer.status, answer.read()) == (401, b'{"status": "not signed as agreed"}\n')

    assert vendor.send(at).status == 202


def test_w26_slow_bodies_hold_up_nobody_else(vendor: Sender, at: IngestProcess) -> None:
    """As many as an attacker likes, to nobody's address or to those of its own organization."""
    globex = vendor.works.organization("globex")
    greta = vendor.works.person("greta@globex.example", "Greta", Role.MANAGER, globex)
    known = ingesting.sender(vendor.works, organization=globex, actor=greta)
    unknown = head(known, b"", "content-length: 1000").replace(
        known.path.encode(), b"/hooks/v1/" + b"x" * 43
    )
    with ExitStack() as lines:
        for request in [unknown] * OF_NOBODY + [head(known, b"", "content-length: 9")] * OF_ONE:
            line = lines.enter_context(socket.create_connection(("127.0.0.1", at.port)))
            line.sendall(request + b"{")
        time.sleep(0.5)  # until each has its thread

        # Whoever had to wait for one of these would wait until the line's own time is over.
        assert vendor.send(at).status == 202
        assert b" 401 " in raw(at, unknown)
        assert b" 503 " in raw(at, head(known, b"", "content-length: 9"))
        assert b" 404 " in raw(at, b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\n")
    # What was cut off is noticed a moment later; until then the vendor is told to try again.
    until(lambda: known.send(at).status == 202, 10)


def test_w32_a_kill_between_commit_and_answer_leaves_one_row(
    vendor: Sender, at: IngestProcess
) -> None:
    name = str(uuid4())
    dies = ingesting.process(vendor.works, DIE_AT_STEP="delivery.stored")
    with dies as dying, pytest.raises(OSError):  # no answer: the vendor sends it again
        vendor.send(dying, b'{"n": 1}', x_request_uuid=name)
    assert len(vendor.deliveries()) == 1

    assert vendor.send(at, b'{"n": 1}', x_request_uuid=name).status == 202
    assert len(vendor.deliveries()) == 1
