"""OAuth 2.0 on the wire, driven by a manifest: addresses out, token answers and errors in. No Django.

Follows RFC 6749, 6750, 7636; where a vendor bends them, its manifest says so in `dead_grant` and
`wrong_client`. One call is one attempt: who may repeat it is decided elsewhere.
"""

from __future__ import annotations

import base64
import hashlib
import logging
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import quote, urlencode, urlsplit

from connections.contracts import OAuth2
from connections.errors import (
    Misconfigured,
    RateLimited,
    ReauthorizationRequired,
    Refused,
    Unavailable,
    UnexpectedResponse,
    VendorError,
    retry_after_seconds,
)
from connections.strict_json import NotStrictJson, loads

LONGEST_LIFETIME_SECONDS = 24 * 3600
DEADLINE_SECONDS = 20.0
TOKEN = re.compile(r"[\x21-\x7e]+", re.ASCII)

OUR_FAULT = frozenset(
    {"invalid_client", "unauthorized_client", "unsupported_grant_type", "invalid_scope"}
)
PASSING = frozenset({"server_error", "temporarily_unavailable", "slow_down"})
DEAD = frozenset({"invalid_grant", "access_denied"})

log = logging.getLogger(__name__)
