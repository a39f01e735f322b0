"""Webhooks that are wrong, forged, doubled or too much: the W rows, over real sockets.

The process under test reaches no Valkey at all, so W31 holds wherever a delivery is accepted here.
"""

from __future__ import annotations

import gzip
import hashlib
import hmac
import socket
import threading
from collections.abc import Iterator
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connections

from portal import clock
from portal.models import Job
from tests import ingesting
from tests.conftest import installed
from tests.ingesting import IngestProcess, Sender, head, raw, sent
from tests.servers import Servers
from tests.works import Works

UNSIGNED = b'{"status": "not signed as agreed"}\n'


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


def refused(vendor: Sender, at: IngestProcess, **changed: str | None) -> None:
    """It is 401 like every other one, and nothing is stored."""
    reply = vendor.send(at, b'{"a": 1}', **changed)
    assert (reply.status, reply.body) == (401, UNSIGNED)
    assert vendor.deliveries() == []


# ── Who may ───────────────────────────────────────────────────────────────────────────────────


def test_a_signed_delivery_is_on_disk_with_its_work(vendor: Sender, at: IngestProcess) -> None:
    """And W31: nothing of this asks Valkey."""
    reply = vendor.send(at, b'{"push": {}}', x_attempt_number="1", authorization="Basic c2VjcmV0")

    assert (reply.status, reply.body) == (202, b'{"status": "accepted"}\n')
    (kept,) = vendor.deliveries()
    assert bytes(kept.body) == b'{"push": {}}'
    assert (kept.event_key, kept.attempt, kept.size) == ("repo:push", 1, 12)
    assert kept.connection_id == vendor.connection.id
    assert not {"authorization", "x-hub-signature"} & kept.headers.keys()
    assert kept.headers["x-event-key"] == "repo:push"
    with vendor.works.inside():
        assert Job.objects.filter(kind="apply_deliveries", done_at=None).count() == 1


def test_w01_an_unknown_address_answers_like_a_wrong_signature(
    vendor: Sender, at: IngestProcess
) -> None:
    known = vendor.send(at, x_hub_signature="sha256=" + "0" * 64)
    unknown = vendor.send(at, path="/hooks/v1/" + "x" * 43)

    assert (known.status, known.body) == (unknown.status, unknown.body) == (401, UNSIGNED)
    for reply in (known, unknown):
        for name in ("x-request-id", "date"):
            reply.headers.pop(name, None)
    assert known.headers == unknown.headers


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_w02_only_post_is_there(method: str, vendor: Sender, at: IngestProcess) -> None:
    reply = vendor.send(at, method=method)

    assert (reply.status, reply.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize("path", ["/", "/hooks/v1/", "/hooks/v1/short", "/accounts/login/", "//"])
def test_nothing_else_is_on_this_host(path: str, vendor: Sender, at: IngestProcess) -> None:
    assert vendor.send(at, path=path).status == 404


def test_w03_one_signature_is_wanted(vendor: Sender, at: IngestProcess) -> None:
    body = b'{"a": 1}'
    right = vendor.headers(body)["x-hub-signature"]

    refused(vendor, at, x_hub_signature=None)
    refused(vendor, at, x_hub_signature="")
    refused(vendor, at, x_hub_signature=f"{right}, {right}")
    refused(vendor, at, x_hub_signature=f"{right},sha256={'0' * 64}")
    twice = head(vendor, body, f"x-hub-signature: {right}", f"content-length: {len(body)}")
    assert b" 401 " in raw(at, twice + body)
    assert vendor.deliveries() == []


def test_w04_and_w05_only_the_one_form_is_right(vendor: Sender, at: IngestProcess) -> None:
    """Upper-case digits are refused: no sender we know writes them."""
    digest = hmac.new(vendor.secret, b'{"a": 1}', hashlib.sha256).hexdigest()
    sha1 = hmac.new(vendor.secret, b'{"a": 1}', hashlib.sha1).hexdigest()
    for wrong in (
        f"sha1={sha1}",
        f"sha1={digest}",
        f"sha512={digest}",
        f"SHA256={digest}",
        digest,
        f"sha256={digest.upper()}",
        f"sha256={digest[:-1]}",
        f"sha256={digest}0",
        f"sha256={'z' * 64}",
        "sha256=" + "é" * 64,
        "sha256=" + "\xff" * 32,
        "sha256=",
        f"sha256= {digest}",
        "sha256=" + "0" * 20_000,
    ):
        refused(vendor, at, x_hub_signature=wrong)
    assert vendor.send(at, b'{"a": 1}', x_hub_signature=f"sha256={digest}").status == 202


def test_w07_and_w35_both_secrets_hold_until_the_former_ends(
    vendor: Sender, at: IngestProcess
) -> None:
    """The process has the first secret in memory, and takes the new one up at once all the same."""
    assert vendor.send(at, b'{"n": 1}').status == 202
    former = vendor.secret
    ingesting.rotate(vendor)
    assert vendor.secret != former

    assert vendor.send(at, b'{"n": 2}').status == 202
    by_former = vendor.signed_by(former, b'{"n": 3}')
    assert vendor.send(at, b'{"n": 3}', x_hub_signature=by_former).status == 202

    other = ingesting.sender(vendor.works, f"ended {uuid4().hex[:8]}")
    former = other.secret
    ingesting.rotate(other)
    other.change(previous_until=clock.now() - timedelta(seconds=1))
    refused(other, at, x_hub_signature=other.signed_by(former, b'{"a": 1}'))
    assert other.send(at).status == 202


def test_w35_a_former_secret_may_be_ended_at_once(vendor: Sender, at: IngestProcess) -> None:
    former = vendor.secret
    ingesting.rotate(vendor, ends_former=True)

    refused(vendor, at, x_hub_signature=vendor.signed_by(former, b'{"a": 1}'))


def test_w10_a_body_that_a_proxy_packed_is_not_unpacked_to_fit(
    vendor: Sender, at: IngestProcess
) -> None:
    body = b'{"a": 1}'
    right = vendor.headers(body)["x-hub-signature"]
    packed = gzip.compress(body)

    assert vendor.send(at, packed, x_hub_signature=right).status == 401
    declared = vendor.send(at, packed, x_hub_signature=right, content_encoding="gzip")
    assert declared.status == 401
    assert vendor.deliveries() == []


def test_w34_a_switched_off_address_stores_nothing(vendor: Sender, at: IngestProcess) -> None:
    """Also in the seconds in which the process still believes that it is on."""
    assert vendor.send(at, b'{"n": 1}').status == 202
    vendor.change(disabled_at=clock.now())

    assert vendor.send(at, b'{"n": 2}').status == 410
    assert len(vendor.deliveries()) == 1
    never_used = ingesting.sender(vendor.works, f"off {uuid4().hex[:8]}")
    never_used.change(disabled_at=clock.now())
    assert never_used.send(at).status == 410


# ── Once ──────────────────────────────────────────────────────────────────────────────────────


def test_w13_the_same_body_under_another_id_is_kept_and_flagged(
    vendor: Sender, at: IngestProcess
) -> None:
    for _ in range(2):
        assert vendor.send(at, b'{"n": 1}').status == 202

    assert [one.possible_replay for one in vendor.deliveries()] == [False, True]


def test_w14_a_hundred_of_one_delivery_are_one_row(vendor: Sender, at: IngestProcess) -> None:
    name, statuses = str(uuid4()), []

    def send() -> None:
        statuses.extend(vendor.send(at, x_request_uuid=name).status for _ in range(5))

    threads = [threading.Thread(target=send) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    statuses += [vendor.send(at, x_request_uuid=name).status for _ in range(50)]

    assert set(statuses) <= {202, 503} and statuses.count(202) >= 50
    assert len(vendor.deliveries()) == 1


def test_w15_the_same_id_with_another_body_is_a_conflict(vendor: Sender, at: IngestProcess) -> None:
    name = str(uuid4())
    for body in (b'{"n": 1}', b'{"n": 2}', b'{"n": 2}', b'{"n": 1}'):
        assert vendor.send(at, body, x_request_uuid=name).status == 202

    kept = [(bytes(one.body), one.conflict) for one in vendor.deliveries()]
    assert kept == [(b'{"n": 1}', False), (b'{"n": 2}', True)]


@pytest.mark.parametrize("name", [None, "", "x" * 10_000, "not a uuid", "\xe9" * 36])
def test_w16_without_a_good_id_the_body_tells_deliveries_apart(
    name: str | None, vendor: Sender, at: IngestProcess
) -> None:
    for body in (b'{"n": 1}', b'{"n": 1}', b'{"n": 2}'):
        assert vendor.send(at, body, x_request_uuid=name).status == 202

    kept = vendor.deliveries()
    assert [bytes(one.body) for one in kept] == [b'{"n": 1}', b'{"n": 2}']
    assert {one.sender_id for one in kept} == {""}


# ── How large, how fast ───────────────────────────────────────────────────────────────────────

MEBIBYTE = 1024 * 1024


def test_w25_a_mebibyte_is_the_most(vendor: Sender, at: IngestProcess) -> None:
    assert vendor.send(at, b"x" * MEBIBYTE).status == 202
    over = head(vendor, b"", f"content-length: {MEBIBYTE + 1}")
    assert b" 413 " in raw(at, over)

    assert [one.size for one in vendor.deliveries()] == [MEBIBYTE]


def test_w25_a_body_in_chunks_is_capped_while_it_is_read(vendor: Sender, at: IngestProcess) -> None:
    def chunk(part: bytes) -> bytes:
        return f"{len(part):x}\r\n".encode() + part + b"\r\n"

    body = b'{"n": 1}'
    small = head(vendor, body, "transfer-encoding: chunked") + chunk(body) + chunk(b"")
    assert b" 202 " in raw(at, small)

    large = head(vendor, body, "transfer-encoding: chunked")
    large += chunk(b"x" * (MEBIBYTE // 2)) * 3 + chunk(b"")
    assert b" 413 " in raw(at, large)
    assert len(vendor.deliveries()) == 1


def test_w25_a_length_that_is_not_so_is_refused(vendor: Sender, at: IngestProcess) -> None:
    body = b'{"n": 1}'
    without = head(vendor, body)
    assert b" 411 " in raw(at, without)
    for said in ("-1", "8x", "", "8, 9"):
        found = raw(at, head(vendor, body, f"content-length: {said}") + body, ends=True)
        assert b" 400 " in found or found == b"", said
    short = raw(at, head(vendor, body, "content-length: 20") + body, ends=True)
    assert b" 400 " in short or short == b""
    cut = raw(at, head(vendor, body, "content-length: 4", "connection: close") + body)
    assert b" 401 " in cut or b" 400 " in cut
    assert vendor.deliveries() == []


@pytest.mark.parametrize("kind", ["", "text/plain", "application/x-www-form-urlencoded", "json"])
def test_another_kind_of_content_is_refused(kind: str, vendor: Sender, at: IngestProcess) -> None:
    assert vendor.send(at, content_type=kind).status == 415
    assert vendor.send(at, content_type="Application/JSON; charset=utf-8").status == 202


def test_w27_a_bad_address_is_refused_before_the_body_is_sent(
    vendor: Sender, at: IngestProcess
) -> None:
    asking = ("expect: 100-continue", "content-length: 8")
    unknown = head(vendor, b"", *asking).replace(vendor.path.encode(), b"/hooks/v1/" + b"x" * 43)
    assert raw(at, unknown).startswith(b"HTTP/1.1 401 ")
    formless = head(vendor, b"", *asking, x_hub_signature="sha1=0")
    assert raw(at, formless).startswith(b"HTTP/1.1 401 ")

    body = b'{"n": 1}'
    with socket.create_connection(("127.0.0.1", at.port), timeout=10) as line:
        line.sendall(head(vendor, body, *asking))
        assert line.recv(1024).startswith(b"HTTP/1.1 100 ")
        line.sendall(body)
        assert line.recv(1024).startswith(b"HTTP/1.1 202 ")


def test_w28_a_flood_at_one_address_leaves_the_others_alone(
    vendor: Sender, at: IngestProcess
) -> None:
    other = ingesting.sender(vendor.works, f"calm {uuid4().hex[:8]}")
    found = []

    def flood() -> None:
        client = at.connect()
        for _ in range(60):
            client.request("POST", vendor.path, b"{}", vendor.headers(b"{}"))
            answer = client.getresponse()
            found.append((answer.status, answer.headers.get("retry-after"), answer.read()))

    threads = [threading.Thread(target=flood) for _ in range(4)]
    for thread in threads:
        thread.start()
    calm = [other.send(at).status for _ in range(10)]
    for thread in threads:
        thread.join()

    assert set(calm) == {202}
    assert {status for status, _, _ in found} == {202, 503}
    assert {wait for status, wait, _ in found if status == 503} == {"1"}
    assert len(vendor.deliveries()) == sum(status == 202 for status, _, _ in found)


# ── What breaks ───────────────────────────────────────────────────────────────────────────────


def test_w29_without_the_database_nothing_is_accepted(
    vendor: Sender, at: IngestProcess, servers: Servers
) -> None:
    assert vendor.send(at, b'{"n": 1}').status == 202
    with servers.database_away():
        away = vendor.send(at, b'{"n": 2}')

    assert (away.status, away.headers["retry-after"]) == (503, "5")
    assert vendor.send(at, b'{"n": 3}').status == 202
    assert [bytes(one.body) for one in vendor.deliveries()] == [b'{"n": 1}', b'{"n": 3}']


def test_w30_a_full_disk_is_answered_503_and_mends_by_itself(
    vendor: Sender, at: IngestProcess, servers: Servers
) -> None:
    name = connections["default"].settings_dict["NAME"]
    with servers.postgres.connect(name) as admin:
        admin.execute(
            "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE EXCEPTION 'no space' USING ERRCODE = '53100'; END $$"
        )
        admin.execute(
            "CREATE TRIGGER full_disk BEFORE INSERT ON connections_delivery"
            " FOR EACH ROW EXECUTE FUNCTION full_disk()"
        )
        assert vendor.send(at).status == 503
        admin.execute("DROP TRIGGER full_disk ON connections_delivery")

    assert vendor.send(at).status == 202
    assert len(vendor.deliveries()) == 1


def test_no_answer_and_no_row_ever_shows_the_secret(vendor: Sender, at: IngestProcess) -> None:
    replies = [vendor.send(at), vendor.send(at, x_hub_signature="sha256=0")]
    replies.append(sent(at, "GET", vendor.path, None, {}))

    told = repr([(one.headers, one.body) for one in replies])
    told += repr([(one.headers, bytes(one.body)) for one in vendor.deliveries()])
    assert vendor.secret.decode() not in told
    assert vendor.path.rpartition("/")[2] not in told
