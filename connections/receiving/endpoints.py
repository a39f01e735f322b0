"""Whose address this is, and its secrets: asked of the database, and known for five seconds.

The function behind it finds one endpoint by the hash of its address. This process can list none,
and never meets the secrets of an address that nobody used.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from connections import places, registry
from connections.contracts import HookRules
from connections.receiving.database import Line
from portal import clock, data_keys, vault
from portal.keys import Cipher, KeysUnavailable, SealBroken
from portal.seals import Place
from portal.secret import hashed

log = logging.getLogger(__name__)

SECONDS: Final = 5.0
AGAIN_SECONDS: Final = 1.0  # between two times that a wrong signature makes us ask anew
MOST: Final = 20_000

_FIND: Final = (
    "SELECT id, organization_id, connector, is_open, previous_until, secret, secret_key,"
    " previous, previous_key FROM connections_hook(%s)"
)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address of ours. `secret` is None while it does not open or no worker has kept it yet."""

    id: UUID
    organization_id: UUID
    rules: HookRules
    is_open: bool
    previous_until: datetime | None
    secret: bytes | None = field(repr=False)
    previous: bytes | None = field(repr=False)

    def second(self) -> bytes | None:
        """The secret before, for as long as both hold."""
        if self.previous_until is None or self.previous_until <= clock.now():
            return None
        return self.previous


@dataclass(frozen=True, slots=True)
class _Known:
    endpoint: Endpoint | None
    since: float
    was_doubted: bool = False


class Book:
    """What was found lately, misses included. Raises `database.Away` when it has to ask in vain."""

    def __init__(self, line: Line, seconds: Callable[[], float] = time.monotonic) -> None:
        self._line = line
        self._seconds = seconds
        self._known: dict[bytes, _Known] = {}
        self._lock = threading.Lock()

    def find(self, token: str) -> Endpoint | None:
        """The endpoint of this address; None for an address that is nobody's."""
        name, now = hashed(token), self._seconds()
        known = self._known.get(name)
        if known is None or now - known.since > SECONDS:
            known = self._keep(name, _Known(self._read(name), now))
        return known.endpoint

    def newer(self, token: str) -> Endpoint | None:
        """The same as it is by now, for a secret may have been replaced; asked once a second."""
        name, now = hashed(token), self._seconds()
        known = self._known.get(name)
        if known is None or not known.was_doubted or now - known.since > AGAIN_SECONDS:
            known = self._keep(name, _Known(self._read(name), now, was_doubted=True))
        return known.endpoint

    def _keep(self, name: bytes, known: _Known) -> _Known:
        with self._lock:
            if len(self._known) >= MOST:
                self._forget(known.since)
            self._known[name] = known
        return known

    def _forget(self, now: float) -> None:
        kept = {name: one for name, one in self._known.items() if now - one.since <= SECONDS}
        self._known = kept if len(kept) < MOST else {}

    def _read(self, name: bytes) -> Endpoint | None:
        found = self._line.rows(_FIND, [name])
        return _endpoint(*found[0]) if found else None


def _endpoint(
    endpoint_id: UUID,
    organization_id: UUID,
    connector: str,
    is_open: bool,
    until: datetime | None,
    *sealed: Any,
) -> Endpoint | None:
    rules = _rules(connector)
    if rules is None:
        return None

    def opened(which: str, blob: Any, wrapped: Any) -> bytes | None:
        return _opened(places.of_hook(organization_id, endpoint_id, which), blob, wrapped)

    secret, previous = opened("secret", *sealed[:2]), opened("previous", *sealed[2:])
    return Endpoint(endpoint_id, organization_id, rules, is_open, until, secret, previous)


def _rules(connector: str) -> HookRules | None:
    try:
        return registry.get(connector).manifest.hooks
    except KeyError:
        return None


def _opened(place: Place, blob: Any, wrapped: Any) -> bytes | None:
    if blob is None or wrapped is None:
        return None

    def find(where: Place, version: int) -> Cipher:
        return data_keys.unwrapped(bytes(wrapped), where, version)

    try:
        return vault.unseal_under(find, bytes(blob), place).reveal().encode()
    except (SealBroken, KeysUnavailable):  # logged
        return None
