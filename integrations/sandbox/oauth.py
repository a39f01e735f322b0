"""What the vendors' OAuth servers share: codes, their proof, Basic credentials, digests."""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass

# What a consent page hands on from the request to the decision.
CARRIED = (
    "client_id", "response_type", "redirect_uri", "state", "scope", "code_challenge",
    "code_challenge_method",
)  # fmt: skip


@dataclass(slots=True, kw_only=True)
class Code:
    """An authorization code; each vendor adds whose it is and for which client in its words."""

    scopes: list[str]
    redirect_uri: str
    challenge: str
    challenge_method: str
    expires_at: float
    used: bool = False

    def is_proven_by(self, verifier: str) -> bool:
        """Whether the verifier fits the challenge that came before, if one did (RFC 7636 §4.6)."""
        if not self.challenge:
            return True
        if self.challenge_method == "plain":
            return verifier == self.challenge
        hashed = hashlib.sha256(verifier.encode()).digest()
        return base64.urlsafe_b64encode(hashed).decode().rstrip("=") == self.challenge


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def basic_pair(value: str) -> tuple[str, str] | None:
    """Name and secret of a Basic header's value, None when it cannot be read."""
    try:
        name, _, secret = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return name, secret
