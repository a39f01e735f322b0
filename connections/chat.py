"""The way to an organization's chat channel: its address is read as any that a person types, and
posts go through the network door."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

from connections import access
from connections.errors import Blocked, VendorError, retry_after_seconds
from connections.http import Limits
from connections.origins import BaseUrl
from portal import chat
from portal.refused import Impossible
from portal.secret import Secret

LIMITS = Limits(body_bytes=64 * 1024, deadline_seconds=30.0, silence_seconds=30.0)
NOT_UNDERSTOOD, GONE, TOO_MANY = {400, 413, 422}, {404, 410}, 429
REFUSED = (
    "Notices cannot be posted to this address. It has to begin with https://, name a host on the"
    " public internet, and be copied whole."
)


def host_of(address: str) -> str:
    """The address's host; raises Impossible when nothing may be sent there (abuse case I01)."""
    try:
        base = _read(address)
    except Blocked:
        raise Impossible(REFUSED) from None
    if not base.path:
        raise Impossible("This is only a host. Copy the whole address, with what follows it.")
    return base.origin.host[:255]


def post(address: Secret, payload: dict[str, Any]) -> None:
    """The channel has taken it. Raises chat.NotPosted; a redirect is a failure too."""
    try:
        base = _read(address.reveal())
        answer = access.door().send(
            "POST",
            str(base),
            origin=base.origin,
            headers={"Content-Type": "application/json"},
            body=json.dumps(payload).encode(),
            limits=LIMITS,
        )
    except VendorError as error:
        raise chat.NotPosted(error.code) from None
    code = f"http_{answer.status}"
    if answer.status in GONE:
        raise chat.Gone(code)
    if answer.status in NOT_UNDERSTOOD:
        raise chat.NotUnderstood(code)
    if answer.status == TOO_MANY:
        raise chat.NotPosted(code, seconds=retry_after_seconds(answer.headers))
    if not 200 <= answer.status < 300:
        raise chat.NotPosted(code)


def _read(address: str) -> BaseUrl:
    ours = frozenset({(urlsplit(settings.PORTAL_URL).hostname or "").lower()})
    return access.door().base_url(address.strip(), own_hosts=ours)


chat.reached_by(host_of, post)
