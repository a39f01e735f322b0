"""The keys a keyring holds, one class for each thing a key may do.

A key lives inside a cipher object, not as bytes beside it; its `repr` is its fingerprint.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from typing import Final, Protocol
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12  # random: at most 2^32 uses of one key (NIST SP 800-38D §8.3)
TAG_BYTES: Final = 16

# RFC 9180: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM.
_HPKE: Final = hpke.Suite(hpke.KEM.X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)
_SENTINEL_TEXT: Final = b"the right key opens this"


class SealBroken(Exception):
    """What was sealed does not open here. It says nothing more: the reason is in the log."""


class KeysUnavailable(Exception):
    """Who wraps the data keys cannot be asked now; it says why. Nothing is wrong with what is
    stored: jobs come back later, web and api answer 503."""

    code, seconds, free = "keys_unavailable", 30, True


def lp(*parts: str | bytes | int | UUID) -> bytes:
    """Each part after its length in four bytes, so that no two lists of parts give the same bytes.

    A whole number is its four bytes, a UUID its sixteen, a text its UTF-8.
    """
    found: list[bytes] = []
    for part in parts:  # written out: this is half of what opening a secret costs
        if isinstance(part, str):
            raw = part.encode()
        elif isinstance(part, UUID):
            raw = part.bytes
        elif isinstance(part, int):
            raw = part.to_bytes(4, "big")
        else:
            raw = part
        found += (len(raw).to_bytes(4, "big"), raw)
    return b"".join(found)


class Key(Protocol):
    """Any key: told apart by its fingerprint, proved by its sentinel."""

    @property
    def fingerprint(self) -> str: ...

    def sentinel(self, context: bytes) -> bytes:
        """A blob that `proves` accepts from this key and no other."""

    def proves(self, sentinel: bytes, context: bytes) -> bool:
        """Whether the sentinel was made with this key for this context."""


class Cipher:
    """AES-256-GCM with random nonces: wraps data keys and seals what a data key seals."""

    __slots__ = ("_aead", "fingerprint")

    def __init__(self, key: bytes) -> None:
        self._aead = AESGCM(key)
        self.fingerprint = _fingerprint(key)

    def seal(self, plaintext: bytes, context: bytes) -> bytes:
        """Nonce, ciphertext and tag, bound to the context."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._aead.encrypt(nonce, plaintext, context)

    def open(self, sealed: bytes, context: bytes) -> bytes:
        """The plaintext; raises SealBroken for any other context, key or byte."""
        if len(sealed) < NONCE_BYTES + TAG_BYTES:
            raise SealBroken
        try:
            return self._aead.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], context)
        except InvalidTag:
            raise SealBroken from None

    def sentinel(self, context: bytes) -> bytes:
        return self.seal(_SENTINEL_TEXT, context)

    def proves(self, sentinel: bytes, context: bytes) -> bool:
        return _opens(self.open, sentinel, context)

    def __repr__(self) -> str:
        return f"Cipher({self.fingerprint})"


class IndexKey:
    """HMAC-SHA256: fingerprints and look-ups by a value that is not stored."""

    __slots__ = ("_hmac", "fingerprint")

    def __init__(self, key: bytes) -> None:
        self._hmac = hmac.new(key, digestmod=hashlib.sha256)
        self.fingerprint = _fingerprint(key)

    def digest(self, message: bytes) -> bytes:
        """32 bytes that nobody without the key can make or check."""
        prepared = self._hmac.copy()
        prepared.update(message)
        return prepared.digest()

    def sentinel(self, context: bytes) -> bytes:
        return self.digest(context + _SENTINEL_TEXT)

    def proves(self, sentinel: bytes, context: bytes) -> bool:
        return hmac.compare_digest(sentinel, self.sentinel(context))

    def __repr__(self) -> str:
        return f"IndexKey({self.fingerprint})"


class IntakeSealer:
    """The public half: seals for the workers and opens nothing."""

    __slots__ = ("_public", "fingerprint")

    def __init__(self, public: bytes) -> None:
        self._public = X25519PublicKey.from_public_bytes(public)
        self.fingerprint = _public_fingerprint(self._public)

    def seal(self, plaintext: bytes, context: bytes) -> bytes:
        """Encapsulated key, ciphertext and tag; whoever knows the public half can make one."""
        return _HPKE.encrypt(plaintext, self._public, info=context)

    def sentinel(self, context: bytes) -> bytes:
        return self.seal(_SENTINEL_TEXT, context)

    def proves(self, sentinel: bytes, context: bytes) -> bool:
        raise NotImplementedError("The public half is proved by its fingerprint.")

    def __repr__(self) -> str:
        return f"IntakeSealer({self.fingerprint})"


class IntakeOpener:
    """The private half: opens what the web process sealed."""

    __slots__ = ("_private", "fingerprint")

    def __init__(self, private: bytes) -> None:
        self._private = X25519PrivateKey.from_private_bytes(private)
        self.fingerprint = _public_fingerprint(self._private.public_key())

    def open(self, sealed: bytes, context: bytes) -> bytes:
        """The plaintext; raises SealBroken for any other context, key or byte."""
        try:
            return _HPKE.decrypt(sealed, self._private, info=context)
        except (InvalidTag, ValueError):
            raise SealBroken from None

    def public_bytes(self) -> bytes:
        return self._private.public_key().public_bytes_raw()

    def sentinel(self, context: bytes) -> bytes:
        return IntakeSealer(self.public_bytes()).sentinel(context)

    def proves(self, sentinel: bytes, context: bytes) -> bool:
        return _opens(self.open, sentinel, context)

    def __repr__(self) -> str:
        return f"IntakeOpener({self.fingerprint})"


def new_key() -> bytes:
    """32 random bytes; any of them is also an X25519 private key (RFC 7748 §5)."""
    return os.urandom(KEY_BYTES)


def _fingerprint(key: bytes) -> str:
    return hmac.digest(key, b"portal/v1/fingerprint", "sha256")[:8].hex()


def _public_fingerprint(key: X25519PublicKey) -> str:
    label = b"portal/v1/fingerprint/public"
    return hashlib.sha256(label + key.public_bytes_raw()).digest()[:8].hex()


class _Opens(Protocol):
    def __call__(self, sealed: bytes, context: bytes) -> bytes: ...


def _opens(opener: _Opens, sentinel: bytes, context: bytes) -> bool:
    try:
        return hmac.compare_digest(opener(sentinel, context), _SENTINEL_TEXT)
    except SealBroken:
        return False
