"""What a page shows of a message: no secret, no person's address, and an end."""

from __future__ import annotations

import json

import pytest

from connections import redaction

BODY = {
    "actor": {"email": "dana@acme.example", "display_name": "Dana <d.levi+x@corp.acme.example>"},
    "push": {"hash": "9f" * 20, "token": "abcdef123456"},
    "url": "https://user:hunter2@ci.example/job?access_token=s3cr3t&x=1",
    "message": "use ATBBabcdefghijk1234 or eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.x please",
    "secrets": [{"client_secret": "topsecret"}, {"api_key": 12345}],
    "size": 3,
}


def test_secrets_and_addresses_are_hidden_and_the_rest_is_as_it_came() -> None:
    shown = redaction.body(json.dumps(BODY).encode())

    for hidden in ("dana@", "levi", "hunter2", "s3cr3t", "ATBBabc", "eyJhbG", "topsecret", "12345"):
        assert hidden not in shown.text, hidden
    assert '"hash": "' + "9f" * 20 in shown.text and '"size": 3' in shown.text
    assert shown.is_json and shown.hidden >= 7 and not shown.is_cut


@pytest.mark.parametrize(
    ("raw", "part"),
    [
        (b"not json, mail dana@acme.example", "[e-mail address]"),
        (b"\xff\xfe\x00", "\ufffd"),
        (b"[" * 100_000, "["),
        (b'{"a":' * 200 + b"1" + b"}" * 200, "\u2026"),
        (b"1" + b"0" * 5000, "1"),
        (b"", ""),
    ],
)
def test_whatever_came_can_be_shown(raw: bytes, part: str) -> None:
    assert part in redaction.body(raw).text


def test_a_long_body_is_cut() -> None:
    shown = redaction.body(json.dumps({"text": "a" * 1_000_000}).encode())

    assert shown.is_cut and len(shown.text) == redaction.MOST_SHOWN


def test_headers_that_carry_secrets_are_hidden() -> None:
    shown = dict(redaction.headers({"x-api-key": "k", "user-agent": "Bitbucket (x@y.example)"}))

    assert shown == {"x-api-key": "[hidden]", "user-agent": "Bitbucket ([e-mail address])"}
