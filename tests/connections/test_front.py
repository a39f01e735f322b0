"""What stands before Django in the api process: it answers as Django would."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from io import BytesIO
from typing import Any

import pytest
from django.core.handlers.wsgi import WSGIHandler

from connections.api import front
from connections.api.front import Front
from connections.models import Connection
from tests.leasing import Service, at_the_api, service, with_token
from tests.works import Works

Answer = tuple[str, dict[str, str], bytes]


@pytest.fixture(autouse=True)
def _anew() -> Iterator[None]:
    front.usual_headers.cache_clear()
    yield
    front.usual_headers.cache_clear()


def ask(reports: Service, code: Connection, *, by_django: bool = False, **more: Any) -> Answer:
    """Status, headers and body of an ask, as a WSGI server brings it."""
    body = json.dumps({"reason": "a report"}).encode()
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": f"/api/v1/connections/{code.id}/token",
        "QUERY_STRING": "",
        "SERVER_NAME": "testserver",
        "SERVER_PORT": "80",
        "HTTP_HOST": "testserver",
        "HTTP_AUTHORIZATION": f"Bearer {reports.whole}",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(body)),
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.url_scheme": "http",
        "wsgi.input": BytesIO(body),
    } | more
    found: list[Any] = []

    def start(status: str, headers: list[tuple[str, str]], *_: object) -> None:
        found.extend((status, dict(headers)))

    def refuse(*_: object) -> Iterable[bytes]:
        raise AssertionError("the front left it to Django")

    with at_the_api():
        application: Callable[..., Any] = WSGIHandler() if by_django else Front(refuse)
        body = b"".join(application(environ, start))
        return found[0], found[1], body


def test_behind_a_proxy_that_ends_tls_its_headers_are_those_of_an_answer(
    works: Works, settings: Any
) -> None:
    settings.TLS_ONLY, settings.SECURE_HSTS_SECONDS = True, 3600
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    reports, code = service(works), with_token(works)

    ours = ask(reports, code, HTTP_X_FORWARDED_PROTO="https")
    djangos = ask(reports, code, by_django=True, HTTP_X_FORWARDED_PROTO="https")

    assert ours[0] == djangos[0] == "200 OK"
    assert ours[1]["Content-Type"] == "application/json"
    assert ours[1]["Strict-Transport-Security"] == "max-age=3600; includeSubDomains"
    told = {"X-Request-Id", "Content-Length", "RateLimit"}
    assert {k: v for k, v in ours[1].items() if k not in told} == {
        k: v for k, v in djangos[1].items() if k not in told
    }


def test_a_key_in_the_address_is_left_to_django_which_revokes_it(works: Works) -> None:
    reports, code = service(works), with_token(works)

    query = {"QUERY_STRING": f"key={reports.whole}"}
    with pytest.raises(AssertionError, match="left it to Django"):
        ask(reports, code, **query)
    status, _, _ = ask(reports, code, by_django=True, **query)

    assert status == "401 Unauthorized"
    assert reports.reloaded().revoked_because == "exposed"
