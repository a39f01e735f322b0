"""Bitbucket's error answers, as they were observed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from integrations.sandbox import lies
from integrations.sandbox.faults import RATE_LIMITED
from integrations.sandbox.http import ApiError, json_response, text_response

CHALLENGE = {"WWW-Authenticate": 'Basic realm="Bitbucket.org HTTP"'}


def failure(
    status: int, message: str, *, headers: Mapping[str, str] | None = None, **more: object
) -> ApiError:
    """`more` stands beside the message: detail, fields, data."""
    inner: dict[str, Any] = {"message": message, **more}
    return ApiError(json_response({"type": "error", "error": inner}, status, headers))


def unauthenticated(message: str) -> ApiError:
    return failure(401, message, headers=CHALLENGE)


def scope_missing(required: Iterable[str], granted: Iterable[str]) -> ApiError:
    """Both lists stand in `detail`, where the schema promises a string."""
    return failure(
        403,
        "Your credentials lack one or more required privilege scopes.",
        detail={"required": sorted(required), "granted": sorted(granted)},
    )


def forbidden(message: str = "Forbidden") -> ApiError:
    return failure(403, message)


def not_found(message: str) -> ApiError:
    return failure(404, message)


def not_found_text() -> ApiError:
    """Some resources answer 404 in plain text."""
    return ApiError(text_response("Not Found", 404))


def no_such_address() -> ApiError:
    return not_found("There is no API hosted at this URL.\n\nFor information about our API's, "
                     "please refer to the documentation at: "
                     "https://developer.atlassian.com/cloud/bitbucket/rest/")  # fmt: skip


def gone(change: str) -> ApiError:
    return ApiError(lies.gone(change))


def too_many(style: str, retry_after_seconds: int) -> ApiError:
    """Observed: text/plain, 46 bytes, no Retry-After. The JSON variant is a switch."""
    if style == "json":
        body = {"type": "error", "error": {"message": RATE_LIMITED}}
        return ApiError(json_response(body, 429, {"Retry-After": str(retry_after_seconds)}))
    return ApiError(text_response(RATE_LIMITED, 429, {"Cache-Control": "no-cache, no-store"}))
