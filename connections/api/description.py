"""The OpenAPI 3.1 document of the API: what its reference page shows, and what tests hold it to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, Final

from connections.api import kinds, schemas
from connections.api.facts import MOST, USUAL
from connections.api.kinds import Kind
from connections.models import KeyScope

ABOUT: Final = """\
Facts of an organization's connections, and leases of their access tokens.

A *lease* is a fresh access token with its expiry and scopes, on record with your reason before you
get it. Refresh tokens and secrets are never given out. Every answer is JSON, whatever `Accept`
says; a body on GET is not read. Refusals are problem details (RFC 9457) with a stable `code`.
Times are RFC 3339 in UTC. `X-Request-Id` is what to quote when you ask for help."""
LEASE_ABOUT: Final = """\
The token lives at least `min_ttl_seconds` from now. When the one at hand does not, a worker renews
it while you wait, however many of you ask; after `wait_seconds` you get 503 with Retry-After, whose
`code` and `because` say why. Do not cache a token beyond `expires_at`: asking again is cheap."""
PACED: Final = ("RateLimit", "RateLimit-Policy")
OF_KEY: Final = (kinds.NO_KEY, kinds.MALFORMED_KEY, kinds.INVALID_KEY, kinds.KEY_IN_ADDRESS)


def document(server: str) -> dict[str, Any]:
    """The whole document, for the API served at this address."""
    return {
        "openapi": "3.1.1",
        "info": {
            "title": "Portal API",
            "version": "1",
            "summary": "Fresh tokens for other services, on record.",
            "description": ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": f"{server}/api/v1"}],
        "security": [{"serviceKey": []}],
        "paths": {
            "/connections/{connection_id}/token": {
                "parameters": [_CONNECTION_ID],
                "post": _lease(),
            },
            "/connections": {"get": _connections()},
            "/connections/{connection_id}": {
                "parameters": [_CONNECTION_ID],
                "get": _connection(),
            },
            "/openapi.json": {"get": _openapi()},
        },
        "components": {
            "schemas": schemas.ALL,
            "securitySchemes": {"serviceKey": _SERVICE_KEY},
            "headers": _HEADERS,
        },
    }


_SERVICE_KEY: Final = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "ptl_<id>_<secret>_<checksum>",
    "description": "A service key. An admin of the organization makes it; it is shown once. A key"
    " in an address is revoked at once. Scopes: "
    + "; ".join(f"`{scope.value}`: {scope.label.lower()}" for scope in KeyScope)
    + ".",
}
_CONNECTION_ID: Final = {
    "name": "connection_id",
    "in": "path",
    "required": True,
    "description": "As it stands on the connection's page; in lower case.",
    "schema": schemas.ID,
}
_HEADERS: Final = {
    "RateLimit": {
        "description": "Requests left and the seconds they last.",
        "schema": {"type": "string"},
    },
    "RateLimit-Policy": {
        "description": "How many requests the key may make in how many seconds.",
        "schema": {"type": "string"},
    },
    "Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}},
}


def _lease() -> dict[str, Any]:
    of_outcome = [*(kind for code, kind in kinds.OF_OUTCOME.items() if code), *kinds.NO_RENEWAL]
    body = (kinds.BAD_REQUEST, kinds.WRONG_TYPE, kinds.TOO_LARGE, kinds.TOO_MANY)
    return {
        "operationId": "leaseToken",
        "summary": "Lease a token",
        "description": LEASE_ABOUT,
        "parameters": [
            {
                "name": "Prefer",
                "in": "header",
                "description": "`wait=10`: how many seconds you wait (RFC 7240).",
                "schema": {"type": "string"},
            }
        ],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": _ref("LeaseAsk"), "example": _ASK}},
        },
        "responses": {"200": _answer("A token.", "Lease"), **_refusals(OF_KEY, of_outcome, body)},
    }


_ASK: Final = {"reason": "Nightly report of open pull requests", "min_ttl_seconds": 300}


def _connections() -> dict[str, Any]:
    texts = ("connector", "Of this connector."), ("label", "With this label.")
    return {
        "operationId": "listConnections",
        "summary": "List connections",
        "description": "Those that the key is for, by name.",
        "parameters": [
            *(_query(name, {"type": "string"}, words) for name, words in texts),
            _query("state", schemas.STATE, "In this state."),
            _query("ids", {"type": "string"}, f"At most {MOST} ids, separated by commas."),
            _query(
                "limit",
                {"type": "integer", "minimum": 1, "maximum": MOST, "default": USUAL},
                "How many a page holds.",
            ),
            _query("cursor", {"type": "string"}, "`next_cursor` of the page before."),
        ],
        "responses": {
            "200": _answer("A page of connections.", "Connections"),
            **_refusals(OF_KEY, _OF_READING, (kinds.BAD_REQUEST, kinds.TOO_MANY)),
        },
    }


def _connection() -> dict[str, Any]:
    more = (kinds.NOT_FOUND, kinds.NOT_ENTITLED, kinds.TOO_MANY)
    return {
        "operationId": "getConnection",
        "summary": "See one connection",
        "responses": {
            "200": _answer("The connection.", "Connection"),
            **_refusals(OF_KEY, _OF_READING, more),
        },
    }


_OF_READING: Final = (
    *(kinds.OF_OUTCOME[code] for code in ("key_revoked", "key_expired", "key_frozen", "network")),
    kinds.SCOPE,
)


def _openapi() -> dict[str, Any]:
    schema = {"type": "object"}
    return {
        "operationId": "getDescription",
        "summary": "This document",
        "security": [],
        "responses": {
            "200": {
                "description": "OpenAPI 3.1.",
                "content": {"application/json": {"schema": schema}},
            }
        },
    }


# ── Parts ─────────────────────────────────────────────────────────────────────────────────────


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _query(name: str, schema: dict[str, Any], words: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": words, "schema": schema}


def _answer(words: str, schema: str) -> dict[str, Any]:
    return {
        "description": words,
        "headers": _headers(*PACED),
        "content": {"application/json": {"schema": _ref(schema)}},
    }


def _headers(*names: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _headers_of(status: int) -> dict[str, Any]:
    """Of a refusal; a key that is none is not counted by itself."""
    paced = () if status == 401 else PACED
    return _headers(*paced, *(("Retry-After",) if status in (429, 503) else ()))


def _refusals(*groups: Iterable[Kind]) -> dict[str, Any]:
    """One response for each status, naming the codes that come with it."""
    by_status: dict[int, dict[str, Kind]] = defaultdict(dict)
    for kind in (kind for group in groups for kind in group):
        by_status[kind.status][kind.code] = kind
    return {
        str(status): {
            "description": " ".join(f"`{code}`: {kind.title}." for code, kind in found.items()),
            "headers": _headers_of(status),
            "content": {"application/problem+json": {"schema": _ref("Problem")}},
        }
        for status, found in sorted(by_status.items())
    }
