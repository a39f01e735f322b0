"""What stands in front of Django in the api process: it serves fresh tokens without it.

Half of what a small Django view costs is the framework's request cycle, so the one address that is
asked all day is answered here. Whatever is not a plain success goes on to Django: with the answer,
when there is one, so that nothing is asked or recorded twice.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable
from functools import cache, lru_cache
from io import BytesIO
from typing import Any, Final
from uuid import uuid4

from django.conf import settings
from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpRequest, HttpResponse
from django.http.request import split_domain_port, validate_host
from django.utils.module_loading import import_string

from connections.api import lending
from connections.api.asking import LONGEST_BODY, exposed_keys
from connections.api.lending import Asked, Lent
from portal import context_vars
from portal.middleware import GIVEN_ID, client_address

log = logging.getLogger(__name__)

LENT: Final = "connections.lent"  # in a WSGI environment: the answer that Django is to give
TOKEN: Final = re.compile(r"/api/v1/connections/([^/]{1,100})/token", re.ASCII)

Environ = dict[str, Any]
Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]


class Front:
    """A WSGI application (PEP 3333) around Django's."""

    def __init__(self, application: Application) -> None:
        self.application = application

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        found = TOKEN.fullmatch(environ["PATH_INFO"])
        if found is None or not _is_plain(environ):
            return self.application(environ, start_response)
        body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        environ[GIVEN_ID] = uuid4().hex[:16]
        lent = _lent(environ, body, found[1])
        if lent is None or lent.refusal is not None:
            environ["wsgi.input"], environ[LENT] = BytesIO(body), lent
            return self.application(environ, start_response)
        payload = lent.body.encode()
        headers = [
            *usual_headers("https" if _is_secure(environ) else "http"),
            *lent.headers.items(),
            ("X-Request-Id", environ[GIVEN_ID]),
            ("Content-Length", str(len(payload))),
        ]
        start_response("200 OK", headers)
        return [payload]


def _is_plain(environ: Environ) -> bool:
    """Whether nothing about it is for Django to judge: host, transport, size, a key in it."""
    length = environ.get("CONTENT_LENGTH") or ""
    return (
        environ["REQUEST_METHOD"] == "POST"
        and length.isascii()
        and length.isdigit()
        and len(length) <= 5
        and int(length) <= LONGEST_BODY
        and "HTTP_TRANSFER_ENCODING" not in environ
        and "HTTP_X_FORWARDED_HOST" not in environ
        and not exposed_keys(environ["PATH_INFO"], environ.get("QUERY_STRING", ""))
        and _is_ours(environ.get("HTTP_HOST", ""))
        and (not settings.TLS_ONLY or _is_secure(environ))
    )


@lru_cache(maxsize=64)
def _is_ours(given: str) -> bool:
    """Whether this Host header names us."""
    host, _ = split_domain_port(given)
    return bool(host) and validate_host(host, settings.ALLOWED_HOSTS)


def _is_secure(environ: Environ) -> bool:
    """As `HttpRequest.is_secure` judges it."""
    if settings.SECURE_PROXY_SSL_HEADER:
        name, value = settings.SECURE_PROXY_SSL_HEADER
        return bool(environ.get(name, "").split(",")[0].strip() == value)
    return bool(environ["wsgi.url_scheme"] == "https")


def _lent(environ: Environ, body: bytes, connection_id: str) -> Lent | None:
    """The answer; None when it failed in a way that Django shall try again, and tell."""
    asked = Asked(
        authorization=environ.get("HTTP_AUTHORIZATION", ""),
        content_type=environ.get("CONTENT_TYPE", ""),
        prefer=environ.get("HTTP_PREFER", ""),
        body=body,
    )
    request_id = context_vars.request_id.set(environ[GIVEN_ID])
    address = context_vars.address.set(client_address(environ))
    try:
        return lending.lend(asked, connection_id)
    except Exception as error:  # a lost database connection, most often: Django opens a new one
        log.warning("lease.tried_again", extra={"error": type(error).__name__})
        return None
    finally:
        context_vars.request_id.reset(request_id)
        context_vars.address.reset(address)


@cache
def usual_headers(scheme: str) -> tuple[tuple[str, str], ...]:
    """What the middleware adds to every answer of this scheme, asked of it once.

    Behind a proxy that ends TLS the scheme is the one that the proxy tells of.
    """

    def nothing(request: HttpRequest) -> HttpResponse:
        answer = HttpResponse(content_type="application/json")
        answer["Cache-Control"] = "no-store"
        return answer

    handler: Any = nothing
    for name in reversed(settings.MIDDLEWARE):
        handler = import_string(name)(handler)
    environ: Environ = {
        "REQUEST_METHOD": "POST",
        "SERVER_NAME": settings.ALLOWED_HOSTS[0].lstrip("."),
    }
    environ |= {"SERVER_PORT": "80", "wsgi.url_scheme": scheme, "wsgi.input": BytesIO()}
    if scheme == "https" and settings.SECURE_PROXY_SSL_HEADER:
        environ |= [settings.SECURE_PROXY_SSL_HEADER]
    found = handler(WSGIRequest(environ | {"PATH_INFO": "/api/v1/"}))
    assert found.status_code == 200, "a refusal's headers belong to no token"
    own = {"X-Request-Id", "Content-Length"}
    return tuple((name, value) for name, value in found.items() if name not in own)
