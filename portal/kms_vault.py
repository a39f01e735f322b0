"""Data keys wrapped by Vault's transit engine: one key for each domain, bound to its context.

https://developer.hashicorp.com/vault/api-docs/secret/transit. Rewrapping goes by decrypting and
encrypting, in batches: transit's own `rewrap` takes no associated data.
"""

from __future__ import annotations

import base64
import http.client
import json
import logging
import re
import ssl
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlsplit

from django.conf import settings

from portal.key_providers import BASES, VAULT, WrapContext, sealed_of, stored
from portal.keys import KEY_BYTES, KeysUnavailable, SealBroken, lp
from portal.problem import Problem

log = logging.getLogger(__name__)

SECONDS: Final = 5.0  # for each read; callers may hold a transaction
_MOST_BYTES: Final = 4 * 1024 * 1024
_CIPHERTEXT: Final = re.compile(r"vault:v([1-9][0-9]{0,6}):[A-Za-z0-9+/=]+", re.ASCII)
# What Vault says of a ciphertext that is not its own; all else is a fault of the way there.
_BROKEN: Final = ("message authentication failed", "invalid ciphertext")


class VaultTransit:
    """Wraps under the transit key that VAULT_TRANSIT_KEY names for the domain."""

    def target(self, domain: str) -> int:
        found = _called("GET", "keys", domain)
        return BASES[VAULT] + _whole(found.get("latest_version"))

    def wrap(self, domain: str, key: bytes, context: WrapContext) -> bytes:
        return self.wrap_many(domain, [(key, context)])[0]

    def unwrap(self, domain: str, wrapped: bytes, context: WrapContext) -> bytes:
        found = self.unwrap_many(domain, [(wrapped, context)])[0]
        if found is None:
            raise SealBroken("Vault does not open it")
        return found

    def wrap_many(self, domain: str, keys: Sequence[tuple[bytes, WrapContext]]) -> list[bytes]:
        items = [{"plaintext": _text(key), "associated_data": _bound(c)} for key, c in keys]
        return [_stored(domain, one) for one in _batch("encrypt", domain, items)]

    def unwrap_many(
        self, domain: str, wraps: Sequence[tuple[bytes, WrapContext]]
    ) -> list[bytes | None]:
        found: list[bytes | None] = [None] * len(wraps)
        places, items = [], []
        for place, (wrapped, context) in enumerate(wraps):
            ciphertext = _ciphertext(domain, wrapped)
            if ciphertext is not None:
                places.append(place)
                items.append({"ciphertext": ciphertext, "associated_data": _bound(context)})
        for place, answer in zip(places, _batch("decrypt", domain, items), strict=True):
            found[place] = _opened(answer)
        return found

    def health(self, domain: str) -> Iterator[Problem]:
        try:
            self.target(domain)
        except KeysUnavailable as error:
            yield Problem(
                f"Vault does not answer for {key_name(domain)} ({error}).",
                "Look at VAULT_ADDR, VAULT_TOKEN_FILE and the token's policy.",
            )


def provider() -> VaultTransit:
    """The provider as the settings have it."""
    return VaultTransit()


def key_name(domain: str) -> str:
    """The transit key of this domain."""
    return str(settings.VAULT_TRANSIT_KEY).replace("{domain}", domain)


def _bound(context: WrapContext) -> str:
    place = (context.organization_id, context.domain, context.version)
    return _text(lp("portal/v1/data-key/vault", *place))


def _stored(domain: str, answer: dict[str, Any]) -> bytes:
    ciphertext = answer.get("ciphertext")
    found = _CIPHERTEXT.fullmatch(ciphertext) if isinstance(ciphertext, str) else None
    if found is None:
        raise _unavailable(str(answer.get("error") or "no ciphertext"))
    return stored(VAULT, BASES[VAULT] + int(found[1]), key_name(domain), found[0].encode())


def _ciphertext(domain: str, wrapped: bytes) -> str | None:
    """What Vault made, if it is in Vault's form and of the domain's own key."""
    try:
        text = sealed_of(VAULT, wrapped, [key_name(domain)])[1].decode("ascii")
    except (SealBroken, UnicodeDecodeError):
        return None
    return text if _CIPHERTEXT.fullmatch(text) else None


def _opened(answer: dict[str, Any]) -> bytes | None:
    """The data key, None if it is not Vault's; any other refusal raises KeysUnavailable."""
    error = str(answer.get("error") or "")
    if any(words in error for words in _BROKEN):
        return None
    try:
        key = base64.b64decode(answer["plaintext"], validate=True)
    except (KeyError, TypeError, ValueError):
        raise _unavailable(error or "no plaintext") from None
    if len(key) != KEY_BYTES:
        raise _unavailable("a plaintext of another length")
    return key


# ── The wire ──────────────────────────────────────────────────────────────────────────────────


def _batch(deed: str, domain: str, items: list[dict[str, str]]) -> list[dict[str, Any]]:
    if not items:
        return []
    found = _called("POST", deed, domain, {"batch_input": items}).get("batch_results")
    if not isinstance(found, list) or len(found) != len(items):
        raise _unavailable("an answer of another length")
    if not all(isinstance(one, dict) for one in found):
        raise _unavailable("an answer of another form")
    return found


def _called(verb: str, deed: str, domain: str, body: object = None) -> dict[str, Any]:
    """The `data` of Vault's answer; raises KeysUnavailable. A batch that failed has some too."""
    path = f"/v1/{quote(settings.VAULT_TRANSIT_MOUNT)}/{deed}/{quote(key_name(domain), safe='')}"
    try:
        status, text = _exchange(verb, path, json.dumps(body).encode() if body else None)
        content = json.loads(text)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _unavailable(type(error).__name__) from None
    data = content.get("data") if isinstance(content, dict) else None
    if isinstance(data, dict) and (status == 200 or (status == 400 and "batch_results" in data)):
        return data
    raise _unavailable(f"status {status}")


def _exchange(verb: str, path: str, body: bytes | None) -> tuple[int, bytes]:
    connection = _connection()
    try:
        connection.request(verb, path, body=body, headers=_headers())
        response = connection.getresponse()
        return response.status, response.read(_MOST_BYTES)
    finally:
        connection.close()


def _connection() -> http.client.HTTPConnection:
    address = urlsplit(settings.VAULT_ADDR)
    host = address.hostname or ""
    if address.scheme != "https":  # refused in production
        return http.client.HTTPConnection(host, address.port or 80, timeout=SECONDS)
    trusted = ssl.create_default_context(cafile=settings.VAULT_CA_FILE or None)
    port = address.port or 443
    return http.client.HTTPSConnection(host, port, timeout=SECONDS, context=trusted)


def _headers() -> dict[str, str]:
    """The token is read each time: an agent beside us renews the file."""
    token = Path(settings.VAULT_TOKEN_FILE).read_text(encoding="ascii").strip()
    found = {"X-Vault-Token": token, "X-Vault-Request": "true", "Content-Type": "application/json"}
    return found | (
        {"X-Vault-Namespace": settings.VAULT_NAMESPACE} if settings.VAULT_NAMESPACE else {}
    )


def _whole(value: object) -> int:
    if type(value) is not int or not 0 < value < 10**7:
        raise _unavailable("no version")
    return value


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _unavailable(why: str) -> KeysUnavailable:
    log.error("keys.unavailable", extra={"provider": VAULT, "reason": why[:200]})
    return KeysUnavailable(why[:200])
