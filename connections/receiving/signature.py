"""Whether a body was signed by who knows the secret: HMAC over the raw bytes, before any parsing.

Two digests are made of every body, of the current secret and of the one before, also when there is
none of either: how long it takes says nothing of whether the address exists or which one fits.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
from enum import StrEnum
from functools import cache
from typing import Final

from connections.contracts import HookRules
from connections.receiving import digests

NOBODYS: Final = os.urandom(32)  # stands for a secret that is not there
_USUAL: Final = ("sha256=", "sha256")


class Verdict(StrEnum):
    """What came of it; whoever sent it is told nothing but yes or no."""

    RIGHT = "right"
    RIGHT_BEFORE = "right_before"  # by the secret before, while both hold
    MISSING = "missing"
    MALFORMED = "malformed"
    WRONG = "wrong"

    @property
    def is_right(self) -> bool:
        return self in (Verdict.RIGHT, Verdict.RIGHT_BEFORE)


def judge(
    rules: HookRules | None,
    given: str | None,
    body: bytes,
    secret: bytes | None,
    previous: bytes | None,
) -> Verdict:
    """What the signature is worth; without `rules` the address is unknown, and never right."""
    prefix, algorithm = (rules.signature_prefix, rules.algorithm) if rules else _USUAL
    now = digests.keyed(secret or NOBODYS, body, algorithm).hex().encode()
    before = digests.keyed(previous or NOBODYS, body, algorithm).hex().encode()
    claimed = (given or "").encode("utf-8", "surrogatepass")
    is_formed = _form(prefix, algorithm).fullmatch(claimed) is not None
    digest = claimed[len(prefix) :] if is_formed else b"-" * len(now)
    fits_now = hmac.compare_digest(digest, now) and secret is not None
    fits_before = hmac.compare_digest(digest, before) and previous is not None
    if rules is None or not given:
        return Verdict.MISSING
    if not is_formed:
        return Verdict.MALFORMED
    if fits_now:
        return Verdict.RIGHT
    return Verdict.RIGHT_BEFORE if fits_before else Verdict.WRONG


def is_formed(rules: HookRules, given: str | None) -> bool:
    """Whether it could be a signature at all, before the body is there."""
    claimed = (given or "").encode("utf-8", "surrogatepass")
    return _form(rules.signature_prefix, rules.algorithm).fullmatch(claimed) is not None


def signed(rules: HookRules, secret: bytes, body: bytes) -> str:
    """The header's value that whoever knows the secret sends with this body."""
    return rules.signature_prefix + hmac.digest(secret, body, rules.algorithm).hex()


@cache
def _form(prefix: str, algorithm: str) -> re.Pattern[bytes]:
    """One signature, in lower-case hexadecimal: every known sender writes it so."""
    letters = 2 * hashlib.new(algorithm).digest_size
    return re.compile(re.escape(prefix.encode()) + rb"[0-9a-f]{%d}" % letters)
