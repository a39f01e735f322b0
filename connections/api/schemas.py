"""The shapes of what the API takes and gives, as JSON Schema for the OpenAPI document."""

from __future__ import annotations

from typing import Any, Final

from connections.flows.leases import DEFAULT_TTL, LONGEST_WAIT, MIN_TTL, USUAL_WAIT
from connections.models import ConnectionState
from connections.models.service_key import LONGEST_REASON
from connections.queries.health import WORST_FIRST

Schema = dict[str, Any]

ID: Final[Schema] = {"type": "string", "format": "uuid"}
MOMENT: Final[Schema] = {"type": "string", "format": "date-time", "description": "In UTC."}
MAYBE_MOMENT: Final[Schema] = {"type": ["string", "null"], "format": "date-time"}
WORDS: Final[Schema] = {"type": "array", "items": {"type": "string"}}
MAYBE_WORDS: Final[Schema] = {
    "type": ["array", "null"],
    "items": {"type": "string"},
    "description": "The vendor's words for what it granted; null when it does not say.",
}
STATE: Final[Schema] = {"type": "string", "enum": list(ConnectionState.values)}


def shape(properties: dict[str, Schema], *, optional: tuple[str, ...] = (), **more: Any) -> Schema:
    """An object with these properties and no others."""
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
        **more,
    }


def told(schema: Schema, description: str) -> Schema:
    """The schema with a sentence."""
    return schema | {"description": description}


LEASE_ASK: Final = shape(
    {
        "reason": {
            "type": "string",
            "minLength": 1,
            "maxLength": LONGEST_REASON,
            "description": "Why you need it. Kept on record and shown to the organization.",
        },
        "min_ttl_seconds": {
            "type": "integer",
            "minimum": MIN_TTL[0],
            "maximum": MIN_TTL[-1],
            "default": DEFAULT_TTL,
            "description": "How long the token must live from now on. Ask for as little as you"
            " need: a longer wish may cost the vendor a new token.",
        },
        "wait_seconds": {
            "type": "number",
            "minimum": 0,
            "maximum": LONGEST_WAIT,
            "default": USUAL_WAIT,
            "description": "How long to wait while a worker renews the token. `Prefer: wait=10`"
            " says the same.",
        },
        "refused": {
            "oneOf": [{"type": "boolean"}, ID],
            "default": False,
            "description": "The vendor answered 401 to a token: the id of its lease, or true for"
            " the latest one. It is looked into at once, at most once a minute.",
        },
    },
    optional=("min_ttl_seconds", "wait_seconds", "refused"),
)

LEASE: Final = shape(
    {
        "lease_id": told(ID, "Under this id the lease is on record."),
        "access_token": {"type": "string", "description": "Never stored by you for longer."},
        "token_type": {"const": "Bearer"},
        "expires_at": MOMENT,
        "expires_in": {
            "type": "integer",
            "minimum": 0,
            "description": "Seconds from now, for a clock that goes wrong.",
        },
        "scopes": MAYBE_WORDS,
        "missing_scopes": told(WORDS, "What the connection is meant to do needs these as well."),
        "connection": shape(
            {
                "id": ID,
                "name": {"type": "string"},
                "connector": {"type": "string"},
                "state": STATE,
                "suspect_since": told(MAYBE_MOMENT, "The vendor has refused it since then."),
                "last_success_at": MAYBE_MOMENT,
            }
        ),
    }
)

TOKEN_FACTS: Final = shape(
    {
        "leasable": {"type": "boolean"},
        "expires_at": MAYBE_MOMENT,
        "scopes": MAYBE_WORDS,
        "missing_scopes": WORDS,
    }
) | {"type": ["object", "null"], "description": "Null once its credential is erased."}

CONNECTION: Final = shape(
    {
        "id": ID,
        "name": {"type": "string", "description": "Never changes."},
        "connector": {"type": "string"},
        "product": {"type": "string"},
        "labels": WORDS,
        "state": STATE,
        "paused_at": MAYBE_MOMENT,
        "suspect_since": MAYBE_MOMENT,
        "health": {"type": "string", "enum": list(WORST_FIRST)},
        "trouble": {"type": ["string", "null"], "description": "What went wrong last, as a code."},
        "trouble_at": MAYBE_MOMENT,
        "last_success_at": told(MAYBE_MOMENT, "When the vendor last answered it."),
        "linked_at": MOMENT,
        "account": shape(
            {"id": {"type": "string"}, "name": {"type": "string"}, "kind": {"type": "string"}}
        ),
        "capabilities": told(WORDS, "What it was linked for."),
        "token": {"$ref": "#/components/schemas/TokenFacts"},
        "page_url": {"type": "string", "format": "uri", "description": "Where people see it."},
    }
)

CONNECTIONS: Final = shape(
    {
        "connections": {"type": "array", "items": {"$ref": "#/components/schemas/Connection"}},
        "next_cursor": {
            "type": ["string", "null"],
            "description": "Send it as `cursor` for the next page; null at the end.",
        },
        "unknown_ids": told(
            WORDS,
            "Of the `ids` you named, those that lead to nothing with this key; the same on every"
            " page, whatever the other filters say.",
        ),
    }
)

PROBLEM: Final[Schema] = {
    "type": "object",
    "description": "RFC 9457. `code` is stable; the words may change.",
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string"},
        "code": {"type": "string"},
        "request_id": {"type": "string"},
        "errors": {
            "type": "array",
            "items": shape({"field": {"type": "string"}, "detail": {"type": "string"}}),
        },
        "because": told(
            {"type": "string"}, "What went wrong last at the connection: its `trouble`, as a code."
        ),
        "suspect_since": told(MOMENT, "The vendor has refused it since then."),
        "relink_url": told(
            {"type": "string", "format": "uri"}, "Where a person links the connection again."
        ),
        "page_url": told(
            {"type": "string", "format": "uri"}, "Where people see the connection and mend it."
        ),
        "longest_seconds": {"type": "integer", "minimum": 0},
    },
    "required": ["type", "title", "status", "request_id"],
}

ALL: Final = {
    "LeaseAsk": LEASE_ASK,
    "Lease": LEASE,
    "TokenFacts": TOKEN_FACTS,
    "Connection": CONNECTION,
    "Connections": CONNECTIONS,
    "Problem": PROBLEM,
}
