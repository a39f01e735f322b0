"""Abuse cases P at the token endpoint, for every way in which a connector asks one for tokens.

By the manifest's own manners, through the real door. What Spacelift exchanges is no OAuth: its own
tests have it. What an answer means for a connection is in `tests/abuse/test_provider_P_health.py`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.conf import settings as configured

from connections import access, base_urls, exchanging, registry
from connections.access import Way
from connections.base_urls import Place
from connections.contracts import BASE_URL, Manifest, Method, TokenAnswer
from connections.errors import (
    Misconfigured,
    RateLimited,
    ReauthorizationRequired,
    Unavailable,
    UnexpectedResponse,
    VendorError,
)
from connections.http import TOKEN
from connections.oauth_wire import Client, TokenEndpoint
from portal.secret import Secret
from tests.loopback import Reply, Scripted, serving

PARENT, SECRET = "the-parent-7Hq2", "the-secret-9Xk4"
GOOD = {"access_token": "at-1", "refresh_token": "rt-2", "expires_in": 7200, "token_type": "Bearer"}
CONFIGURED = ("invalid_scope", "unauthorized_client", "unsupported_grant_type")


@dataclass(frozen=True)
class Asking:
    """One way to get tokens: a refresh by this manifest, or the exchange of this method."""

    manifest: Manifest
    method: Method | None = None

    @property
    def place(self) -> Place:
        return Place(self.manifest, self._fields().get(BASE_URL, ""))

    @property
    def lifetime(self) -> int:
        """What is believed of a token that does not say."""
        oauth, exchange = self.manifest.oauth, self.method and self.method.exchange
        manners = exchange or oauth
        assert manners is not None
        return manners.default_lifetime_seconds

    @property
    def refused_client(self) -> type[VendorError]:
        """Our consumer serves many and is mended by who registered it; a pasted client is the
        connection's own."""
        return ReauthorizationRequired if self.method else Misconfigured

    def __call__(self) -> TokenAnswer:
        if self.method is None:
            return self._endpoint().refresh(refresh_token=PARENT, deadline_seconds=5)
        fields = self._fields() | {"client_id": "key", "site": "acme", "cloud_id": "1"}
        way = Way(
            registry.get(self.manifest.slug),
            self.method,
            fields,
            None,
            self.place,
            through=base_urls.door(),
        )
        return exchanging.exchanged(way, Secret(SECRET), deadline_seconds=5)

    def _endpoint(self) -> TokenEndpoint:
        oauth = self.place.oauth(access.oauth_of(self.manifest))
        origin = self.place.at(access.oauth_of(self.manifest).token_url).origin
        return TokenEndpoint(oauth, Client("key", SECRET), base_urls.door(), origin, TOKEN)

    def _fields(self) -> dict[str, str]:
        is_own = self.manifest.self_hosted is not None
        return {BASE_URL: configured.SANDBOX_ORIGINS[0]} if is_own else {}


def _all() -> Iterator[Any]:
    for slug, connector in registry.connectors().items():
        if connector.manifest.oauth is not None:
            yield pytest.param(Asking(connector.manifest), id=f"{slug}-refresh")
        for method in connector.manifest.methods:
            if method.exchange is not None:
                yield pytest.param(Asking(connector.manifest, method), id=f"{slug}-{method.key}")


@pytest.fixture(scope="module")
def server() -> Iterator[Scripted]:
    with serving(Scripted(Reply())) as running:
        yield running


@pytest.fixture(params=list(_all()))
def ask(request: pytest.FixtureRequest, server: Scripted, settings: Any) -> Iterator[Asking]:
    """This way to ask, led to the server; what it sends is looked at, too."""
    asking: Asking = request.param
    server.seen.clear()
    oauth, exchange = asking.manifest.oauth, asking.method and asking.method.exchange
    named = (exchange or oauth).token_url  # type: ignore[union-attr]
    settings.SANDBOX_ORIGINS = [server.url]
    settings.CONNECTOR_ORIGINS = {}
    if asking.manifest.self_hosted is None:
        settings.CONNECTOR_ORIGINS = {"/".join(named.split("/")[:3]): server.url}
    base_urls.door.cache_clear()
    yield asking
    base_urls.door.cache_clear()


Says = Callable[..., None]


@pytest.fixture
def says(server: Scripted) -> Says:
    def answer(body: object, status: int = 200, **headers: str) -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        server.replies[:] = [Reply(status, content, headers)]

    return answer


def named(asking: Asking) -> VendorError:
    """The error that comes of it, which repeats nothing of what was sent."""
    with pytest.raises(VendorError) as caught:
        asking()
    told = f"{caught.value!r} {caught.value.detail} {caught.value.request}"
    assert SECRET not in told and PARENT not in told
    return caught.value


def test_p12_p14_without_a_new_refresh_token_there_is_none(ask: Asking, says: Says) -> None:
    for missing in ({}, {"refresh_token": ""}, {"refresh_token": None}):
        says({k: v for k, v in GOOD.items() if k != "refresh_token"} | missing)
        answer = ask()
        assert (answer.access_token, answer.refresh_token) == ("at-1", None)


def test_what_is_sent_once_holds_no_secret_in_its_address(
    ask: Asking, says: Says, server: Scripted
) -> None:
    says(GOOD)

    answer = ask()

    (seen,) = server.seen
    assert seen.method == "POST" and "?" not in seen.path
    assert answer.refresh_token == (None if ask.method else "rt-2")
    assert (PARENT.encode() in seen.body) == (ask.method is None)


def test_p15_odd_lifetimes(ask: Asking, says: Says) -> None:
    unsaid = ask.lifetime
    rows = [(0, 0), (-1, 0), ("3600", 3600), (10**12, 86_400), (7200, 7200)]
    rows += [(odd, unsaid) for odd in (None, 3600.5, "abc", True, [])]
    for stated, seconds in rows:
        says(GOOD | {"expires_in": stated})
        assert ask().expires_in_seconds == seconds, stated


def test_p16_bearer_is_the_only_kind(ask: Asking, says: Says) -> None:
    says({k: v for k, v in GOOD.items() if k != "token_type"})
    assert ask().token_type == "bearer"
    for kind in ("mac", 17):
        says(GOOD | {"token_type": kind})
        assert type(named(ask)) is UnexpectedResponse


def test_p19_p22_a_dead_grant_is_dead_whatever_the_status(ask: Asking, says: Says) -> None:
    for status in (400, 401, 403):
        says({"error": "invalid_grant", "error_description": "Unknown or invalid."}, status)
        assert type(named(ask)) is ReauthorizationRequired, status


def test_p20_p21_a_wrong_client_is_its_owners_to_mend(ask: Asking, says: Says) -> None:
    for code in ("invalid_client", *CONFIGURED):
        for status in (400, 401):
            says({"error": code}, status)
            assert type(named(ask)) is ask.refused_client, (code, status)
    for code, words in access.oauth_of(ask.manifest).wrong_client:
        says({"error": code, "error_description": words.capitalize()}, 401)
        assert type(named(ask)) is ask.refused_client, (code, words)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        pytest.param(200, b"<html>Log in</html>", UnexpectedResponse, id="P01"),
        pytest.param(200, b"", UnexpectedResponse, id="P03"),
        pytest.param(200, b'{"access_token":"a', UnexpectedResponse, id="P04"),
        pytest.param(200, b"[]", UnexpectedResponse, id="P07"),
        pytest.param(200, b'{"access_token":"a","access_token":"b"}', UnexpectedResponse, id="P08"),
        pytest.param(200, b'{"access_token":"a","x":NaN}', UnexpectedResponse, id="P09"),
        pytest.param(200, b"[" * 99_000 + b"]" * 99_000, UnexpectedResponse, id="P10+P34"),
        pytest.param(403, b"<h1>Forbidden</h1>", Unavailable, id="P23"),
        pytest.param(429, b"Rate limit", RateLimited, id="P25"),
        pytest.param(503, b"", Unavailable, id="P26"),
    ],
)
def test_what_is_no_token_answer_is_named(
    ask: Asking, says: Says, status: int, body: bytes, kind: type[VendorError]
) -> None:
    says(body, status)

    error = named(ask)

    assert type(error) is kind and error.status in (status, None)


def test_p24_p27_a_wait_is_kept_and_another_place_is_not_gone_to(
    ask: Asking, says: Says, server: Scripted
) -> None:
    for said, seconds in (("7", 7), ("315360000", 3600), ("-5", None), ("soon", None)):
        says(b"", 429, **{"Retry-After": said})
        error = named(ask)
        assert isinstance(error, RateLimited) and error.retry_after_seconds == seconds, said
    server.seen.clear()
    for status in (301, 302, 307, 308):
        says(b"", status, Location="https://elsewhere.example/secret?x=1")
        error = named(ask)
        assert type(error) is UnexpectedResponse and "elsewhere.example" in error.detail
        assert "secret" not in error.detail
    assert len(server.seen) == 4
