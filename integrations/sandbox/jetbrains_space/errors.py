"""Space's refusals: `error` is a code of its own, `error_description` a sentence."""

from __future__ import annotations

from integrations.sandbox.http import ApiError, Response, json_response
from integrations.sandbox.jetbrains_space.rights import RIGHTS

STATUS = {
    "validation-error": 400,
    "request-error": 400,
    "authentication-required": 401,
    "permission-denied": 403,
    "not-found": 404,
    "duplicated-entity": 409,
    "payload-too-large": 413,
    "rate-limited": 429,
    "internal-server-error": 500,
}
SAID = {
    400: ("request-error", "The request cannot be read"),
    401: ("authentication-required", "Authentication is required"),
    403: ("permission-denied", "Permission denied"),
    404: ("not-found", "Not found"),
    413: ("payload-too-large", "Payload is too large"),
    429: ("rate-limited", "Too many requests"),
    500: ("internal-server-error", "Internal server error"),
}


def body(code: str, description: str) -> dict[str, str]:
    return {"error": code, "error_description": description}


def refused(code: str, description: str, headers: dict[str, str] | None = None) -> ApiError:
    return ApiError(json_response(body(code, description), STATUS[code], headers))


def words(status: int) -> Response:
    """What Space says with this status; of one it has no code for, no more than the status."""
    if status not in SAID:
        return json_response({}, status)
    return json_response(body(*SAID[status]), status)


def stranger(why: str) -> ApiError:
    """The credential is missing, unknown, or has ended."""
    return refused("authentication-required", why, {"WWW-Authenticate": "Bearer"})


def denied(code: str) -> ApiError:
    return refused("permission-denied", f"The right “{RIGHTS[code][0]}” is missing")


def no(kind: str, identifier: str) -> ApiError:
    return refused("not-found", f"{kind} '{identifier}' not found")


def invalid(description: str) -> ApiError:
    return refused("validation-error", description)


def too_many(seconds: int | None) -> ApiError:
    headers = {} if seconds is None else {"Retry-After": str(seconds)}
    return refused("rate-limited", "Too many requests", headers)
