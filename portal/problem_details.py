"""What a service reads when its request is refused: problem details (RFC 9457), never a page."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from django.conf import settings
from django.core.exceptions import BadRequest
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse

from portal.keys import KeysUnavailable

CONTENT_TYPE: Final = "application/problem+json"

GetResponse = Callable[[HttpRequest], HttpResponse]


@dataclass(frozen=True, slots=True)
class ProblemType:
    """One kind of refusal. `code` is its heading on the reference page; without one the status
    says all there is to say."""

    status: int
    code: str = ""
    title: str = ""

    @property
    def uri(self) -> str:
        return f"{settings.PORTAL_URL}/api/#{self.code}" if self.code else "about:blank"


MISDIRECTED: Final = ProblemType(421, "misdirected", "The API has an address of its own")
PLAIN_HTTP: Final = ProblemType(403, "plain-http", "The API is served over TLS only")
UNAVAILABLE: Final = ProblemType(503, "unavailable", "The portal cannot answer now")


def respond(
    request: HttpRequest,
    kind: ProblemType,
    detail: str = "",
    *,
    headers: Mapping[str, str] | None = None,
    **members: object,
) -> HttpResponse:
    """The refusal; `members` are added to it. None of it ever holds a secret."""
    body = {
        "type": kind.uri,
        "title": kind.title or HTTPStatus(kind.status).phrase,
        "status": kind.status,
        **({"detail": detail} if detail else {}),
        "request_id": getattr(request, "request_id", ""),
        **members,
    }
    response = JsonResponse(body, status=kind.status, headers=headers, content_type=CONTENT_TYPE)
    response["Content-Length"] = str(len(response.content))
    return response


class ProblemMiddleware:
    """Every refusal of the API process is problem details, Django's own included.

    Plain HTTP is refused where TLS is demanded. A redirect would hide that the key has already
    travelled in clear.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if settings.TLS_ONLY and not request.is_secure():
            return respond(request, PLAIN_HTTP, "Replace the key you sent, and use https.")
        response = self.get_response(request)
        if response.status_code < 400 or response["Content-Type"] == CONTENT_TYPE:
            return response
        refusal = respond(request, ProblemType(response.status_code))
        for name in {"Allow", "Retry-After", "WWW-Authenticate"} & response.headers.keys():
            refusal[name] = response[name]
        return refusal


# ── Django's own refusals, named in portal/api_urls.py ────────────────────────────────────────


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Our own sentence when a view gave one; what a library says is for the log."""
    reason = str(exception)[:200] if isinstance(exception, BadRequest) else ""
    return respond(request, ProblemType(400), reason)


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return respond(request, ProblemType(403))


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Another organization's object and none at all look the same."""
    return respond(request, ProblemType(404))


def server_error(request: HttpRequest) -> HttpResponse:
    """A database that is away or too busy comes back; the rest is ours to mend."""
    if isinstance(sys.exc_info()[1], OperationalError | InterfaceError):
        return respond(request, UNAVAILABLE, headers={"Retry-After": "5"})
    if isinstance(sys.exc_info()[1], KeysUnavailable):
        seconds = {"Retry-After": str(KeysUnavailable.seconds)}
        return respond(request, UNAVAILABLE, "The keys cannot be asked for.", headers=seconds)
    return respond(request, ProblemType(500))
