"""Every way in which the API says no: status, code, what it means, and what to do about it.

The reference page, the OpenAPI document and the answers all speak from this table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from connections.flows import leases
from connections.models import LeaseOutcome
from portal.problem_details import ProblemType


@dataclass(frozen=True, slots=True)
class Kind(ProblemType):
    """One kind of refusal; `detail` is what the answer says unless it knows more."""

    detail: str = ""


NO_KEY: Final = Kind(
    401, "no_key", "No service key", "Send your key as `Authorization: Bearer ptl_…`."
)
MALFORMED_KEY: Final = Kind(
    401, "malformed_key", "Not a service key", "The checksum does not fit: a letter is wrong."
)
INVALID_KEY: Final = Kind(
    401, "invalid_key", "Unknown service key", "No key of this portal reads like that."
)
KEY_IN_ADDRESS: Final = Kind(
    401,
    "key_in_address",
    "A key in an address is no secret any more",
    "Addresses are logged along the way, so the key was revoked. Make a new one.",
)
SCOPE: Final = Kind(
    403, "scope", "Not in this key's scopes", "Ask an admin of the organization for a wider key."
)
BAD_REQUEST: Final = Kind(400, "bad_request", "This cannot be understood")
WRONG_TYPE: Final = Kind(415, "wrong_type", "Send JSON", "Content-Type must be application/json.")
TOO_LARGE: Final = Kind(413, "too_large", "Too much", "A body has at most 8 KiB.")
NOT_ALLOWED: Final = Kind(405, "method", "This address does not answer that method")
NOT_FOUND: Final = Kind(
    404, "not_found", "No such connection", "It does not exist, or it belongs to somebody else."
)
NOT_ENTITLED: Final = Kind(
    403, "not_entitled", "Not this key's connection", "The key is for other connections."
)
TOO_MANY: Final = Kind(
    429, "too_many_requests", "Too many requests", "Wait as long as Retry-After says."
)

VENDOR_INCIDENT: Final = Kind(
    503,
    "vendor_incident",
    "The vendor is in trouble",
    "It refuses many at once, so its refusals are not believed and it is asked slowly. No link is"
    " lost, and nobody has to link again.",
)
CONSUMER_MISCONFIGURED: Final = Kind(
    503,
    "consumer_misconfigured",
    "The OAuth consumer is set up wrongly",
    "The vendor does not accept the consumer's key, secret or callback. Whoever registered it has"
    " to mend that; the connection's own grant is not the problem.",
)

NO_RENEWAL: Final = (VENDOR_INCIDENT, CONSUMER_MISCONFIGURED)  # why a token came not in time

OF_OUTCOME: Final = {
    leases.UNKNOWN_KEY: INVALID_KEY,
    LeaseOutcome.KEY_REVOKED: Kind(
        401, "key_revoked", "The key is revoked", "It stays so. Ask an admin for a new one."
    ),
    LeaseOutcome.KEY_EXPIRED: Kind(
        401, "key_expired", "The key has expired", "Ask an admin for a new one."
    ),
    LeaseOutcome.KEY_FROZEN: Kind(
        403, "key_frozen", "The key is frozen", "Somebody, or its limit, stopped it. Ask an admin."
    ),
    LeaseOutcome.FROZE: Kind(
        403,
        "key_frozen",
        "The key is frozen",
        "It asked for more different connections in an hour than it may. Ask an admin.",
    ),
    LeaseOutcome.NETWORK: Kind(
        403, "network", "Not from here", "This key may be used from its listed networks only."
    ),
    LeaseOutcome.SCOPE: SCOPE,
    LeaseOutcome.NOT_ENTITLED: NOT_ENTITLED,
    LeaseOutcome.NOT_FOUND: NOT_FOUND,
    LeaseOutcome.PAUSED: Kind(
        409, "paused", "The connection is paused", "Somebody paused it; it can be resumed."
    ),
    LeaseOutcome.NEEDS_LINK: Kind(
        409,
        "needs_link",
        "The connection needs a new link",
        "The portal holds no grant that the vendor takes; `because` says why. A person links it"
        " again at `relink_url`.",
    ),
    LeaseOutcome.NOT_LEASABLE: Kind(
        409,
        "not_leasable",
        "Nothing that may be leased",
        "Only the short-lived access tokens of OAuth are leased. This connection holds a token that"
        " lives until somebody withdraws it, and such a secret is never given out.",
    ),
    LeaseOutcome.REVOKED: Kind(
        410, "revoked", "The connection is revoked", "It stays so, and its credential is erased."
    ),
    LeaseOutcome.TOO_LONG: Kind(
        422, "too_long", "Longer than a token lives", "Ask for at most `longest_seconds`."
    ),
    LeaseOutcome.TOO_SOON: Kind(
        429,
        "looked_a_moment_ago",
        "Looked a moment ago",
        "The vendor was asked about this connection less than a minute ago.",
    ),
    LeaseOutcome.LATE: Kind(
        503,
        "no_fresh_token",
        "No fresh token in time",
        "A worker is renewing it, or the vendor does not answer; `because` says what went wrong"
        " last.",
    ),
    LeaseOutcome.LOOK: Kind(
        503, "being_looked_at", "Being looked at", "The vendor is being asked about this token."
    ),
    LeaseOutcome.PROMISED: Kind(
        503,
        "promised",
        "Promised to others",
        "A longer token would end one that somebody was promised. Ask again, or for less time.",
    ),
    leases.BUSY: Kind(503, "busy", "Too many wait", "Ask again in a moment."),
    LeaseOutcome.UNREADABLE: Kind(
        503, "unreadable", "The token does not open", "A worker gets a new one. Ask again then."
    ),
}

GENERAL: Final = (
    *(NO_KEY, MALFORMED_KEY, INVALID_KEY, KEY_IN_ADDRESS, BAD_REQUEST, WRONG_TYPE, TOO_LARGE),
    *(NOT_ALLOWED, TOO_MANY, *NO_RENEWAL),
)


def every() -> list[Kind]:
    """Each kind once, by status and code."""
    known = {kind.code: kind for kind in (*OF_OUTCOME.values(), *GENERAL)}
    return sorted(known.values(), key=lambda kind: (kind.status, kind.code))
