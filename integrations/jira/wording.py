"""How texts, moments and people are written in all that is sent to Jira."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from connections.contracts import Carried, Person, RelayEvent

Json = Mapping[str, Any]

LONGEST_URL = 2000
LONGEST_MESSAGE = 1024
LONGEST_TITLE = 1024
LONGEST_NAME = 255


def cut(text: str, longest: int) -> str:
    """The text's beginning. Jira counts as Java does: what lies above U+FFFF counts twice."""
    if len(text) * 2 <= longest:
        return text
    content = text.encode("utf-16-le", "replace")[: longest * 2]
    return content.decode("utf-16-le", "ignore")


def moment(at: datetime) -> str:
    """ISO 8601 in UTC with milliseconds."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def address(*candidates: str) -> str:
    """The first that is an address of a page and short enough; empty when there is none."""
    for url in candidates:
        if url.startswith(("https://", "http://")) and len(url) <= LONGEST_URL:
            return url
    return ""


def present(**parts: object) -> dict[str, Any]:
    """The parts that say something: no None, no empty text, no empty list."""
    return {name: value for name, value in parts.items() if value not in (None, "", [], ())}


def author(event: RelayEvent, person: Person) -> dict[str, Any]:
    """Somebody as the author of something; Jira finds its own user by the e-mail."""
    known = event.carried(person)
    return present(
        name=cut(_name(known), LONGEST_NAME),
        email=known.email if len(known.email) <= LONGEST_NAME else "",
        url=address(known.person.url),
    )


def reviewer(event: RelayEvent, person: Person, *, approved: bool) -> dict[str, Any]:
    """Somebody who reviews, with their account at Atlassian where it is known."""
    known = event.carried(person)
    return author(event, person) | present(
        email=known.email if len(known.email) <= 254 else "",
        accountId=known.target_id if len(known.target_id) <= 128 else "",
        approvalStatus="APPROVED" if approved else "UNAPPROVED",
    )


def _name(known: Carried) -> str:
    return known.person.name or known.email or "Unknown"
