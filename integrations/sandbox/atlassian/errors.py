"""Refusals in the words of Atlassian's gateway, of Jira, and of both of Confluence's APIs."""

from __future__ import annotations

from collections.abc import Mapping

from integrations.sandbox.http import ApiError, Response, json_response

SCOPE_MISSING = "Unauthorized; scope does not match"
MESSAGES = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    410: "Gone",
    413: "Payload Too Large",
    429: "Rate limit exceeded.",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


def said(status: int) -> Response:
    """Answer as the gateway does, with a code and a message."""
    return json_response({"code": status, "message": MESSAGES.get(status, "Error")}, status)


def gateway(status: int, message: str = "") -> ApiError:
    body = {"code": status, "message": message or MESSAGES.get(status, "Error")}
    return ApiError(json_response(body, status))


def jira(
    status: int,
    *messages: str,
    fields: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> ApiError:
    """A refusal of Jira's platform API: messages, and reasons by field."""
    body = {"errorMessages": list(messages), "errors": dict(fields or {})}
    return ApiError(json_response(body, status, headers))


def development(status: int, *messages: str) -> ApiError:
    """A refusal of a whole request with development information."""
    body = {"errorMessages": [{"message": message} for message in messages]}
    return ApiError(json_response(body, status))


def listed(status: int, *messages: str) -> ApiError:
    """A refusal of a whole request with builds or deployments: a bare list."""
    return ApiError(json_response([{"message": message} for message in messages], status))


def confluence(status: int, code: str, title: str) -> ApiError:
    """A refusal of Confluence's second API."""
    row = {"status": status, "code": code, "title": title, "detail": None}
    return ApiError(json_response({"errors": [row]}, status))


def confluence_v1(status: int, message: str) -> ApiError:
    known = status not in {401, 403}
    data = {"authorized": known, "valid": True, "errors": [], "successful": False}
    return ApiError(json_response({"statusCode": status, "data": data, "message": message}, status))


def at_site(message: str = "Client must be authenticated to access this resource.") -> ApiError:
    """What a site says to a credential that it does not take."""
    headers = {"X-Seraph-LoginReason": "AUTHENTICATED_FAILED"}
    return ApiError(json_response({"message": message, "status-code": 401}, 401, headers))
