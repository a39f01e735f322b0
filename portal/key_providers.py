"""Who wraps data keys: what a provider promises, and the form in which a wrapped key is stored.

A stored key says which provider, key and version opens it. `kek_version` of its row is the same as
one number: versions of the keyring count from 1, those of the other providers from their base.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol
from uuid import UUID

from django.conf import settings

from portal.keys import SealBroken
from portal.problem import Problem
from portal.seals import WRAPPED, head, parts

KEYRING: Final = "keyring"
VAULT: Final = "vault"
AWS: Final = "aws"

SUITES: Final = {KEYRING: 1, VAULT: 2, AWS: 3}
BASES: Final = {KEYRING: 0, VAULT: 1_000_000_000, AWS: 2_000_000_000}
TITLES: Final = {KEYRING: "the keyring", VAULT: "Vault", AWS: "AWS KMS"}


@dataclass(frozen=True, slots=True)
class WrapContext:
    """Whose data key it is: a wrapped key opens for no other organization, domain or version."""

    organization_id: UUID
    domain: str
    version: int


class KeyProvider(Protocol):
    """Wraps and unwraps data keys. `domain` says under which of its keys.

    Each method raises KeysUnavailable while the provider cannot be asked.
    """

    def target(self, domain: str) -> int:
        """The `kek_version` that new wraps get now; raises KeyMissing."""

    def wrap(self, domain: str, key: bytes, context: WrapContext) -> bytes:
        """What to store; raises KeyMissing."""

    def unwrap(self, domain: str, wrapped: bytes, context: WrapContext) -> bytes:
        """The data key; raises SealBroken for any other context or byte, and KeyMissing."""

    def wrap_many(self, domain: str, keys: Sequence[tuple[bytes, WrapContext]]) -> list[bytes]:
        """What to store for each."""

    def unwrap_many(
        self, domain: str, wraps: Sequence[tuple[bytes, WrapContext]]
    ) -> list[bytes | None]:
        """Each data key, None for what does not open."""

    def health(self, domain: str) -> Iterable[Problem]:
        """What keeps it from wrapping and unwrapping now."""


def name_for(domain: str) -> str:
    """The provider that wraps the domain's new data keys."""
    return settings.KEY_PROVIDER if domain in settings.KEY_PROVIDER_DOMAINS else KEYRING


def name_of(kek_version: int) -> str:
    """The provider under whose key a row with this number lies."""
    return max((base, name) for name, base in BASES.items() if kek_version > base)[1]


def provider_of(wrapped: bytes) -> str:
    """The provider that opens a stored key; raises SealBroken."""
    for name, suite in SUITES.items():
        if wrapped[:2] == WRAPPED and wrapped[2:3] == bytes([suite]):
            return name
    raise SealBroken("unknown form")


def version_of(wrapped: bytes) -> int:
    """The `kek_version` that a stored key names."""
    return int.from_bytes(wrapped[3:7], "big")


def is_configured(name: str) -> bool:
    """Whether keys under this provider can be opened here."""
    return {
        KEYRING: True,
        VAULT: bool(settings.VAULT_ADDR),
        AWS: bool(settings.KMS_KEYS or settings.KMS_FORMER_KEYS),
    }[name]


def aws_number(key_id: str) -> int:
    """The same for the same key, so that wraps under another one are found and done anew."""
    return BASES[AWS] + 1 + int.from_bytes(hashlib.sha256(key_id.encode()).digest()[:3], "big")


def titled(kek_version: int) -> str:
    """The number in words: "the keyring, v2", "Vault, v3", "AWS KMS"."""
    name = name_of(kek_version)
    number = "" if name == AWS else f", v{kek_version - BASES[name]}"
    return TITLES[name] + number


# ── The stored form of providers that keep their keys elsewhere ───────────────────────────────


def stored(name: str, kek_version: int, key_id: str, sealed: bytes) -> bytes:
    """Provider, number, the key's name after its length in two bytes, and what it made."""
    named = key_id.encode()
    return head(WRAPPED, SUITES[name], kek_version) + len(named).to_bytes(2, "big") + named + sealed


def sealed_of(name: str, wrapped: bytes, allowed: Iterable[str]) -> tuple[str, bytes]:
    """The key's name and what it made; raises SealBroken for a key the settings do not name.

    Whoever writes rows could otherwise have a key opened that is their own.
    """
    _, rest = parts(wrapped, WRAPPED, SUITES[name])
    length = int.from_bytes(rest[:2], "big")
    key_id, sealed = rest[2 : 2 + length], rest[2 + length :]
    for one in allowed:
        if one.encode() == key_id:
            return one, sealed
    raise SealBroken("wrapped by a key that the settings do not name")
