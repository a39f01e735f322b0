"""A lease as a service asks for it over HTTP: what is read of the request, and what is answered.

It knows no framework's request, because two things serve it: `front.py` for the usual case, and
a view for everything that goes wrong.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from django.conf import settings

from connections.api import asking, kinds, pace
from connections.api.asking import Refusal
from connections.api.pace import Pace
from connections.flows import key_stops, leases
from connections.flows.leases import Ask, Granted, NotGranted
from connections.models import LeaseOutcome
from portal import context_vars, tenancy
from portal.models import Organization

RETRY_SECONDS: Final = {
    LeaseOutcome.LATE: 5,
    LeaseOutcome.LOOK: 5,
    LeaseOutcome.PROMISED: 60,
    leases.BUSY: 1,
    leases.UNREADABLE: 60,
}


@dataclass(frozen=True, slots=True)
class Asked:
    """What is read of a request; the rest of it makes no difference."""

    authorization: str = field(repr=False)
    content_type: str = ""
    prefer: str = ""
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Lent:
    """The answer: a token's body, or why there is none; and the headers of either."""

    body: str = field(default="", repr=False)
    refusal: Refusal | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


def admitted(asked: Asked) -> tuple[bytes, dict[str, str]]:
    """The hash of the key that asks, and what its pace is told by; raises Refusal."""
    key_hash = asking.key_hash(asked.authorization)
    _unhurried(pace.count_stranger(key_hash, address()))
    paced = _unhurried(pace.count(key_hash))
    return key_hash, paced.headers()


def end_exposed(path: str, query: str) -> None:
    """No key stands in this address; one that does is revoked, and Refusal is raised."""
    found = asking.exposed_keys(path, query)
    for each in found:
        _unhurried(pace.count_stranger(each, address()))
        key_stops.exposed(each)
    if found:
        raise Refusal(kinds.KEY_IN_ADDRESS, headers=asking.BAD_KEY)


def _unhurried(paced: Pace) -> Pace:
    if paced.wait_seconds:
        raise Refusal(kinds.TOO_MANY, headers=paced.headers())
    return paced


def lend(asked: Asked, connection_id: str) -> Lent:
    """A fresh token of this connection, on record before it is handed out."""
    headers: Mapping[str, str] = {}
    try:
        key_hash, headers = admitted(asked)
        granted = leases.take(_ask(asked, key_hash, connection_id))
    except NotGranted as no:
        if no.code != leases.UNKNOWN_KEY:
            pace.know(key_hash)
        return Lent(refusal=not_granted(no), headers=headers)
    except Refusal as refusal:
        return Lent(refusal=refusal, headers=headers)
    pace.know(key_hash)
    return Lent(body=json.dumps(_told(granted)), headers=headers)


def address() -> str:
    """Where this request comes from, as PostgreSQL reads it."""
    return asking.network_address(context_vars.address.get())


def _ask(asked: Asked, key_hash: bytes, connection_id: str) -> Ask:
    wish = asking.canonical(connection_id)
    wanted = asking.wanted(asked.body, asked.content_type, asked.prefer)
    return Ask(
        key_hash=key_hash,
        connection_id=wish,
        reason=wanted.reason,
        min_ttl_seconds=wanted.min_ttl_seconds,
        wait_seconds=wanted.wait_seconds,
        refused=wanted.refused,
        address=address(),
        request_id=context_vars.request_id.get(),
    )


def _told(granted: Granted) -> dict[str, Any]:
    """What a service reads of a lease (RFC 6749 §5.1, without a refresh token)."""
    answer = granted.answer
    return {
        "lease_id": str(answer.lease_id),
        "access_token": granted.token.reveal(),
        "token_type": "Bearer",
        "expires_at": moment(answer.expires_at),
        "expires_in": answer.seconds,
        "scopes": answer.scopes,
        "missing_scopes": granted.missing,
        "connection": {
            "id": str(answer.connection_id),
            "name": answer.connection_name,
            "connector": answer.connector,
            "state": answer.state,
            "suspect_since": moment(answer.suspect_since),
            "last_success_at": moment(answer.last_success_at),
        },
    }


def moment(at: datetime | None) -> str | None:
    """RFC 3339 in UTC, to the second."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if at else None


# ── No token ──────────────────────────────────────────────────────────────────────────────────


def not_granted(no: NotGranted) -> Refusal:
    """Why there is no token, with the way on where there is one."""
    kind, answer = kinds.OF_OUTCOME[no.code], no.answer
    headers: dict[str, str] = dict(asking.BAD_KEY) if kind.status == 401 else {}
    members: dict[str, Any] = {}
    if answer is not None and no.code == LeaseOutcome.NEEDS_LINK:
        with tenancy.acting_for(answer.organization_id), tenancy.transaction():
            members["relink_url"] = f"{home_url()}connections/{answer.connection_id}/"
    if answer is not None and no.code == LeaseOutcome.TOO_LONG:
        members["longest_seconds"] = answer.seconds
    if kind.status in (429, 503):
        headers["Retry-After"] = str(_retry_seconds(no))
    return Refusal(kind, headers=headers, **members)


def _retry_seconds(no: NotGranted) -> int:
    known = no.answer.seconds if no.answer else None
    if known is not None and no.code in (LeaseOutcome.TOO_SOON, LeaseOutcome.PROMISED):
        return max(1, known)
    return RETRY_SECONDS.get(no.code, 5)


def home_url() -> str:
    """Where the pages of the acting organization begin; the web process serves them."""
    slug = Organization.objects.values_list("slug", flat=True).get(id=tenancy.organization_id())
    return f"{settings.PORTAL_URL}/o/{slug}/"
