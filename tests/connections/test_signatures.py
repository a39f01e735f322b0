"""What the ingest process knows by itself: signatures, buckets, which headers are kept."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from connections import registry
from connections.receiving import headers, signature, storing
from connections.receiving.rate import Buckets
from connections.receiving.signature import Verdict
from tests.ingesting import CLOUD
from tests.vendor import ROOT

SAMPLES = ROOT.parent / "shared/samples"
DATA_CENTER = "bitbucket-data-center"
JENKINS = b"Gkvl$k$wyNpQAF42"


def rules(connector: str = CLOUD) -> Any:
    return registry.get(connector).manifest.hooks


class TestSignatures:
    """facts: the digests were made by the vendors' own code, or with openssl."""

    @pytest.mark.parametrize(
        ("secret", "body", "digest"),
        [
            (
                b"It's a Secret to Everybody",
                b"Hello World!",
                "a4771c39fbe90f317c7824e83ddef3caae9cb3d976c214ace1f2937e133263c9",
            ),
        ],
    )
    def test_a_known_digest_is_right(self, secret: bytes, body: bytes, digest: str) -> None:
        given = f"sha256={digest}"

        assert signature.signed(rules(), secret, body) == given
        assert signature.judge(rules(), given, body, secret, None) is Verdict.RIGHT
        assert signature.judge(rules(), given, body, b"x", secret) is Verdict.RIGHT_BEFORE
        assert signature.judge(rules(), given, body + b" ", secret, None) is Verdict.WRONG
        assert signature.judge(rules(), given, body, None, None) is Verdict.WRONG
        assert not signature.judge(None, given, body, secret, secret).is_right

    @pytest.mark.skipif(not SAMPLES.exists(), reason="the recorded payloads are not here")
    @pytest.mark.parametrize(
        ("product", "digest"),
        [
            (CLOUD, "2f4f8f833a1b27c1d4f375e09e040976763a705e4ef2d42e6e844b0df03402fc"),
            (DATA_CENTER, "4ffba9e7b58ea3d7e1a230446e8c92baea0aeec89b73f598932387254f0de13e"),
        ],
    )
    def test_a_recorded_delivery_is_signed_as_recorded(self, product: str, digest: str) -> None:
        body = (SAMPLES / product / "webhooks/jenkins_signed_payload.json").read_bytes()
        given = f"sha256={digest}"

        assert signature.judge(rules(product), given, body, JENKINS, None) is Verdict.RIGHT

    def test_nothing_given_makes_it_raise(self) -> None:
        for given in (None, "", "\udcff", "sha256=" + "\ud800", "=", "sha256", "🔑" * 64):
            assert not signature.judge(rules(), given, b"{}", b"secret", None).is_right


class TestBuckets:
    def test_so_many_at_once_and_so_many_a_second(self) -> None:
        now = [0.0]
        buckets, one, other = Buckets(100, 500, lambda: now[0]), uuid4(), uuid4()

        assert sum(buckets.take(one) for _ in range(600)) == 500
        assert buckets.take(other)
        now[0] = 1.0
        assert sum(buckets.take(one) for _ in range(600)) == 100
        now[0] = 100.0
        assert sum(buckets.take(one) for _ in range(600)) == 500


class TestWhatIsKept:
    def test_no_header_that_opens_something_is_kept(self) -> None:
        environ = {
            "CONTENT_TYPE": "application/json",
            "HTTP_USER_AGENT": "Bitbucket-Webhooks/2.0",
            "HTTP_X_EVENT_KEY": "repo:push",
            "HTTP_X_REQUEST_UUID": "1",
            "HTTP_X_HUB_SIGNATURE": "sha256=0",
            "HTTP_X_HUB_SIGNATURE_256": "sha256=0",
            "HTTP_X_API_KEY": "k",
            "HTTP_X_AUTH_TOKEN": "t",
            "HTTP_X_FORWARDED_FOR": "10.0.0.1",
            "HTTP_X_REAL_IP": "10.0.0.1",
            "HTTP_AUTHORIZATION": "Basic c2VjcmV0",
            "HTTP_COOKIE": "session=1",
            "HTTP_HOST": "hooks.test",
            "PATH": "/bin",
            "HTTP_X_LONG": "x" * 5000 + "\x00",
            "HTTP_X_ORIGINAL_URI": "/hooks/v1/the-token",
            "HTTP_X_REWRITE_URL": "https://hooks.test/%2Fhooks%2Fv1%2Fthe-token?x=1",
            "HTTP_X_TRACE": "x" * 490 + "the-token",
        }
        kept = headers.kept(environ, "x-hub-signature", "the-token")

        assert {name: value for name, value in kept.items() if name != "x-long"} == {
            "content-type": "application/json",
            "user-agent": "Bitbucket-Webhooks/2.0",
            "x-event-key": "repo:push",
            "x-request-uuid": "1",
        }
        assert kept["x-long"] == "x" * headers.LONGEST

    def test_only_a_uuid_is_an_id(self) -> None:
        name = "7F1C0C65-1A2B-4C3D-8E9F-0123456789AB"

        assert storing.well_formed(name) == storing.well_formed(f"{{{name}}}") == name.lower()
        for other in ("", "1", name[:-1], name + "0", name + "\n", "g" * 36, "٣" * 36):
            assert storing.well_formed(other) == ""
