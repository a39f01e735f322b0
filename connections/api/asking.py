"""What a request says: its key, and a body of the right shape. What is wrong is a Refusal."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import unquote
from uuid import UUID

from django.core.exceptions import ValidationError

from connections import strict_json
from connections.api import key, kinds
from connections.api.kinds import Kind
from connections.flows.leases import DEFAULT_TTL, LONGEST_WAIT, MIN_TTL, USUAL_WAIT
from connections.models.service_key import LONGEST_REASON
from portal.fields import CleanText

LONGEST_BODY: Final = 8 * 1024
OFTEN_SENT: Final = 512
MOST_EXPOSED: Final = 3
NO_KEY: Final = {"WWW-Authenticate": 'Bearer realm="portal"'}
BAD_KEY: Final = {"WWW-Authenticate": 'Bearer realm="portal", error="invalid_token"'}

_BEARER: Final = re.compile(r"bearer +(\S+) *", re.IGNORECASE | re.ASCII)
_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_WAIT: Final = re.compile(r"(?:^|[,;])\s*wait\s*=\s*\"?(\d{1,6})\"?\s*(?:$|[,;])", re.IGNORECASE)
_REASON: Final = CleanText(max_length=LONGEST_REASON)


class Refusal(Exception):
    """The answer is no; `members` are added to the problem details."""

    def __init__(
        self,
        kind: Kind,
        detail: str = "",
        *,
        headers: Mapping[str, str] | None = None,
        **members: object,
    ) -> None:
        super().__init__(kind.code)
        self.kind, self.detail = kind, detail or kind.detail
        self.headers, self.members = dict(headers or {}), members


@dataclass(frozen=True, slots=True)
class Wanted:
    """The body of an ask for a token."""

    reason: str
    min_ttl_seconds: int
    wait_seconds: float
    refused: UUID | bool


# ── The key ───────────────────────────────────────────────────────────────────────────────────


def key_hash(authorization: str) -> bytes:
    """The hash of the key in this header; nothing is looked up for one that cannot be whole."""
    if not authorization:
        raise Refusal(kinds.NO_KEY, headers=NO_KEY)
    found = _BEARER.fullmatch(authorization)
    if found is None or not key.is_whole(found[1]):
        raise Refusal(kinds.MALFORMED_KEY, headers=BAD_KEY)
    return key.hash_of(found[1])


def exposed_keys(path: str, query: str) -> list[bytes]:
    """The hashes of keys that stand in an address, however they are encoded there.

    Anybody can make up keys, so only the first few are looked at.
    """
    address = unquote(f"{path}?{query}")
    if "ptl_" not in address:
        return []
    return [key.hash_of(each) for each in dict.fromkeys(key.keys_in(address))][:MOST_EXPOSED]


def canonical(text: str) -> UUID:
    """The id as this portal writes ids; any other spelling is the id of nothing (A19)."""
    if not _UUID.fullmatch(text):
        raise Refusal(kinds.NOT_FOUND)
    return UUID(text)


@lru_cache(maxsize=1024)
def network_address(text: str) -> str:
    """The address as PostgreSQL reads it; "" for what is none.

    A socket that serves both families tells an IPv4 address as an IPv6 one (RFC 4291 §2.5.5.2).
    """
    try:
        found = ip_address(text.partition("%")[0])
    except ValueError:
        return ""
    return str((found.version == 6 and found.ipv4_mapped) or found)


# ── The body ──────────────────────────────────────────────────────────────────────────────────


def wanted(body: bytes, content_type: str, prefer: str = "") -> Wanted:
    """What the body asks for; each wrong field is named with what is wrong with it.

    A service sends the same few bodies all day: small ones are read once.
    """
    if len(body) <= OFTEN_SENT:
        return _seen(body, content_type[:100], prefer[:100])
    return _read(body, content_type, prefer)


def _read(body: bytes, content_type: str, prefer: str) -> Wanted:
    given = _object(body, content_type)
    wrong: dict[str, str] = {}
    read = {
        "reason": _reason(given.pop("reason", None), wrong),
        "min_ttl_seconds": _whole(given, "min_ttl_seconds", DEFAULT_TTL, MIN_TTL, wrong),
        "wait_seconds": _seconds(given, prefer, wrong),
        "refused": _refused(given.pop("refused", False), wrong),
    }
    wrong |= dict.fromkeys(sorted(given)[:10], "There is no such field.")
    if wrong:
        errors = [{"field": name[:40], "detail": detail} for name, detail in wrong.items()]
        raise Refusal(kinds.BAD_REQUEST, "Mend the fields that are named.", errors=errors)
    return Wanted(**read)  # type: ignore[arg-type]


_seen = lru_cache(maxsize=1024)(_read)


def _object(body: bytes, content_type: str) -> dict[str, Any]:
    kind, _, parameters = content_type.partition(";")
    charset = parameters.strip().lower().replace('"', "")
    if kind.strip().lower() != "application/json" or charset not in ("", "charset=utf-8"):
        raise Refusal(kinds.WRONG_TYPE)
    if len(body) > LONGEST_BODY:
        raise Refusal(kinds.TOO_LARGE)
    try:
        given = strict_json.loads(body)
    except strict_json.JsonRefused as refused:
        raise Refusal(kinds.BAD_REQUEST, f"The body is {refused}.") from None
    if not isinstance(given, dict):
        raise Refusal(kinds.BAD_REQUEST, "The body must be a JSON object.")
    return given


def _reason(value: object, wrong: dict[str, str]) -> str:
    if not isinstance(value, str):
        wrong["reason"] = "Say why you need the token; it is kept on record."
        return ""
    try:
        return str(_REASON.clean(value))
    except ValidationError as error:
        wrong["reason"] = " ".join(error.messages)
        return ""


def _whole(
    given: dict[str, Any], name: str, usual: int, allowed: range, wrong: dict[str, str]
) -> int:
    value = given.pop(name, usual)
    if type(value) is not int or value not in allowed:
        wrong[name] = f"Give a whole number from {allowed[0]} to {allowed[-1]}."
        return usual
    return value


def _seconds(given: dict[str, Any], prefer: str, wrong: dict[str, str]) -> float:
    """How long the caller waits: the body's word, else `Prefer: wait=` (RFC 7240 §4.3)."""
    header = _WAIT.search(prefer)
    usual = min(float(header[1]), LONGEST_WAIT) if header else USUAL_WAIT
    value = given.pop("wait_seconds", usual)
    if isinstance(value, bool) or not isinstance(value, int | float):
        value = -1
    if not 0 <= value <= LONGEST_WAIT:
        wrong["wait_seconds"] = f"Give a number from 0 to {LONGEST_WAIT:g}."
        return USUAL_WAIT
    return float(value)


def _refused(value: object, wrong: dict[str, str]) -> UUID | bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and _UUID.fullmatch(value):
        return UUID(value)
    wrong["refused"] = "Give true, or the id of the lease whose token was refused."
    return False
