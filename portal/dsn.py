"""Reads a delivery status notification (RFC 3464): which of our messages did not arrive, and why.

Anybody can write such a mail, so only one that gives back the Message-ID of a message of ours, for
the address that it went to, is believed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage, Message
from uuid import UUID

from portal import letters

LARGEST = 1024 * 1024
_STATUS = re.compile(r"\s*([245]\.\d{1,3}\.\d{1,3})")


@dataclass(frozen=True, slots=True)
class Report:
    """One message that did not reach one address; `status` is RFC 3463's, such as 5.1.1."""

    organization_id: UUID
    dispatch_id: UUID
    address: str
    status: str

    @property
    def is_final(self) -> bool:
        return self.status.startswith("5.")


class NotAReport(Exception):
    """It is no delivery status notification about a message of ours; the message says why."""


def read(raw: bytes) -> list[Report]:
    """What failed, according to this mail; raises NotAReport."""
    if len(raw) > LARGEST:
        raise NotAReport("It is larger than 1 MiB.")
    try:
        return _read(raw)
    except NotAReport:
        raise
    except Exception:  # the parser of the standard library is not made for hostile headers
        raise NotAReport("It cannot be read.") from None


def _read(raw: bytes) -> list[Report]:
    mail = message_from_bytes(raw, policy=policy.default)
    parts = [part for part in mail.walk() if isinstance(part, EmailMessage)]
    ours = letters.named_in(_returned(parts))
    if ours is None:
        raise NotAReport("It does not give back a message of ours.")
    found = [
        Report(*ours, address=address, status=status)
        for part in parts
        if part.get_content_type() == "message/delivery-status"
        for address, status in _failures(part)
    ]
    if not found:
        raise NotAReport("It reports no failure.")
    return found


def _returned(parts: list[EmailMessage]) -> str:
    """The Message-ID of the message that comes back, whole or as its headers alone."""
    for part in parts:
        kind = part.get_content_type()
        if kind == "text/rfc822-headers":
            return str(message_from_bytes(_bytes_of(part), policy=policy.default)["Message-ID"])
        if kind == "message/rfc822":
            for inner in _groups(part):
                return str(inner["Message-ID"])
    return ""


def _groups(part: EmailMessage) -> list[Message]:
    """What a part of messages holds."""
    found = part.get_payload()
    return [one for one in found if isinstance(one, Message)] if isinstance(found, list) else []


def _bytes_of(part: EmailMessage) -> bytes:
    found = part.get_payload(decode=True)
    return found if isinstance(found, bytes) else b""


def _failures(part: EmailMessage) -> list[tuple[str, str]]:
    """Address and status of each recipient that the message failed for; delays are no failures."""
    found = []
    for group in _groups(part):
        action = str(group.get("Action", "")).strip().lower()
        address = str(group.get("Original-Recipient") or group.get("Final-Recipient") or "")
        status = _STATUS.match(str(group.get("Status", "")))
        if action == "failed" and address and status:
            found.append((address.rpartition(";")[2].strip().strip("<>"), status[1]))
    return found
