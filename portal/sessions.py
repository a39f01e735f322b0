"""Sessions whose content is sealed: a dump of the table tells nothing of what they hold.

allauth keeps a TOTP seed in a session until its first code, and a form that waits for the password
to be typed again. The key follows from SECRET_KEY, which no database holds; only the web process
reads sessions.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import logging
from typing import Any

from django.conf import settings
from django.contrib.sessions.backends import db

from portal.keys import Cipher, SealBroken, lp

log = logging.getLogger(__name__)

_PURPOSE = b"portal/v1/session"


class SessionStore(db.SessionStore):
    """Django's database sessions, sealed after they are packed and signed."""

    def encode(self, session_dict: dict[str, Any]) -> str:
        packed = super().encode(session_dict).encode()
        return base64.b64encode(_cipher(settings.SECRET_KEY).seal(packed, lp(_PURPOSE))).decode()

    def decode(self, session_data: bytes | str) -> dict[str, Any]:
        """The content; an empty one, as of a new visitor, when no key of ours opens it."""
        for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS):
            try:
                sealed = base64.b64decode(session_data, validate=True)
                packed = _cipher(key).open(sealed, lp(_PURPOSE)).decode()
            except (SealBroken, ValueError):
                continue
            opened: dict[str, Any] = super().decode(packed)
            return opened
        log.warning("session.unreadable")
        return {}


def _cipher(secret_key: str) -> Cipher:
    return Cipher(hmac.digest(secret_key.encode(), _PURPOSE, hashlib.sha256))
