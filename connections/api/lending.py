"""A lease as a service asks for it over HTTP: what is read of the request, and what is answered.

It knows no framework's request, because two things serve it: `front.py` for the usual case, and
a view for everything that goes wrong.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from connections.api import asking, kinds, pace
from connections.api.asking import Refusal
from connections.api.pace import Pace
from connections.api.reasons import not_granted
from connections.api.told import moment
from connections.flows import key_stops, leases
from connections.flows.leases import Ask, Granted, NotGranted
from portal import context_vars


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
    """What is asked; only who has a key that works is told what is wrong with it (A01, A03)."""
    try:
        wish = asking.canonical(connection_id)
        wanted = asking.wanted(asked.body, asked.content_type, asked.prefer)
    except Refusal:
        with key_stops.entered(key_hash, None, address()):
            pace.know(key_hash)
        raise
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
