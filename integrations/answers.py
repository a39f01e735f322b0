"""What rooms of every vendor share: what an answer's status means, and how its JSON is read.

What makes an item identifiable is strict, everything else forgiving: a bad item is set aside with
its reason, a bad envelope refuses the whole page.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import SplitResult, quote, urlsplit

from connections.contracts import Answer, Page, Record, Rejected
from connections.errors import (
    AccessDenied,
    RateLimited,
    Refused,
    RemoteGone,
    Unavailable,
    UnexpectedResponse,
    VendorError,
    cleaned,
    retry_after_seconds,
)
from connections.records import bounded

TEMPORARY = frozenset({408, 425})
LONGEST_NAME = 300
LONGEST_HTML_LINK = 500
LABELS = ("full_name", "slug", "key", "name", "displayName", "uuid", "id")

Json = Mapping[str, Any]
Judge = Callable[[Answer], VendorError]
R = TypeVar("R")


# ── Addresses ─────────────────────────────────────────────────────────────────────────────────


def segment(value: str) -> str:
    """One path segment; raises UnexpectedResponse for what would change the path's meaning."""
    if value in ("", ".", ".."):
        raise UnexpectedResponse("A name that cannot stand in an address.")
    return quote(value, safe="")


def address(url: object) -> SplitResult | None:
    """The parts of an absolute web address; None when it is none."""
    if not isinstance(url, str):
        return None
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return parts if parts.scheme in ("http", "https") and parts.hostname else None


def html_link(url: object) -> str:
    """The page a person can open; only https, because it becomes a link on ours."""
    parts = address(url)
    link = parts.geturl() if parts and parts.scheme == "https" else ""
    return link if len(link) <= LONGEST_HTML_LINK and link.isprintable() else ""


# ── Errors ────────────────────────────────────────────────────────────────────────────────────


def judge(answer: Answer, judges: Mapping[int, Judge]) -> VendorError | None:
    """What is wrong with an answer, by its status and the product's judges; None when nothing is.

    A login page with status 200 is no success, nor is an empty answer to a question.
    """
    status = answer.status
    if 200 <= status < 300:
        asked = answer.request.startswith("GET ")
        wants_json = answer.body is None and (asked or status == 200)
        return unexpected(answer, "The answer is not JSON.") if wants_json else None
    if status in judges:
        return judges[status](answer)
    if status >= 500 or status in TEMPORARY:
        return Unavailable(retry_after_seconds=retry_after_seconds(answer.headers), **facts(answer))
    if 400 <= status < 500:
        return Refused(message(answer), **facts(answer))
    return unexpected(answer, _redirect(answer))


def denied(answer: Answer) -> VendorError:
    """This account may not see it."""
    return AccessDenied(message(answer), **facts(answer))


def gone(answer: Answer) -> VendorError:
    """It is not there, or not for this account."""
    return RemoteGone(message(answer), **facts(answer))


def too_many(answer: Answer) -> VendorError:
    """429 as a rule is no JSON. Where it says when to try again, that is obeyed."""
    wait = retry_after_seconds(answer.headers)
    return RateLimited(message(answer), retry_after_seconds=wait, **facts(answer))


JUDGES: Mapping[int, Judge] = {404: gone, 410: gone, 429: too_many, 451: denied}


def unexpected(answer: Answer, why: str) -> UnexpectedResponse:
    """The error for an answer that cannot be read, with its request but not its content."""
    return UnexpectedResponse(why, **facts(answer))


def facts(answer: Answer) -> dict[str, Any]:
    """What an error keeps of its answer."""
    return {
        "status": answer.status,
        "request": answer.request.partition("?")[0],
        "latency_seconds": answer.latency_seconds,
    }


def message(answer: Answer) -> str:
    """The vendor's own sentence; nothing of a page that was not meant for us.

    It stands in `error` or in the first of `errors`, or beside them.
    """
    if isinstance(answer.body, dict):
        errors = answer.body.get("errors")
        listed = errors if isinstance(errors, list) else ()
        for said in (answer.body.get("error"), *listed, answer.body):
            if isinstance(said, dict) and isinstance(said.get("message"), str):
                return str(said["message"])
    return "" if "<" in answer.text else answer.text


def _redirect(answer: Answer) -> str:
    parts = address(answer.headers.get("location"))
    if parts is None:
        return "An answer that is neither success nor error."
    return f"Redirected to {parts.hostname}."


# ── Envelopes ─────────────────────────────────────────────────────────────────────────────────


class BadItem(ValueError):
    """One item lacks what makes it identifiable."""


def body(answer: Answer) -> Json:
    """The answer's JSON object; raises UnexpectedResponse when it is none."""
    if not isinstance(answer.body, dict):
        raise unexpected(answer, "The answer is not a JSON object.")
    return answer.body


def records(
    items: Iterable[Any], read: Callable[[Json], Record], known_id: Callable[[Json], str]
) -> tuple[tuple[Record, ...], tuple[Rejected, ...]]:
    """The items' records, and what cannot be read with its reason and the id if it has one."""
    found: list[Record] = []
    rejected: list[Rejected] = []
    for item in items:
        try:
            found.append(read(to_object(item)))
        except BadItem as error:
            known = known_id(item) if isinstance(item, dict) else ""
            rejected.append(Rejected(label=_label(item), reason=str(error), remote_id=known))
    return tuple(found), tuple(rejected)


def one(answer: Answer, read: Callable[[Json], R]) -> R:
    """The single record an answer is; raises UnexpectedResponse when it cannot be read."""
    try:
        return read(body(answer))
    except BadItem as error:
        raise unexpected(answer, str(error)) from None


def only(record: Record) -> Page:
    """The page of the one thing that a credential opens."""
    return Page(records=(record,), checkpoint=None, total=1)


def _label(item: object) -> str:
    """What to call an unreadable item on the page that lists it."""
    if not isinstance(item, dict):
        return type(item).__name__
    for key in LABELS:
        if isinstance(item.get(key), str):
            return cleaned(item[key])[:100]
    return "unnamed"


# ── Fields ────────────────────────────────────────────────────────────────────────────────────


def to_object(value: object) -> Json:
    """The JSON object that a value is; raises BadItem when it is none."""
    if not isinstance(value, dict):
        raise BadItem("the item is not an object")
    return value


def object_or_empty(raw: Json, key: str) -> Json:
    """The object below a key; an empty one when there is none."""
    value = raw.get(key)
    return value if isinstance(value, dict) else {}


def text(raw: Json, key: str) -> str:
    """A short text without controls; empty when there is none."""
    value = raw.get(key)
    return printable(value)[:LONGEST_NAME] if isinstance(value, str) else ""


def required(raw: Json, key: str) -> str:
    """A text that is not empty; raises BadItem when it is."""
    found = text(raw, key)
    if not found:
        raise BadItem(f"{key} is missing")
    return found


def number(value: object) -> int | None:
    """A whole number; None for anything else, true and false among it."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def count(raw: Json, key: str) -> int | None:
    """A number from nought on that fits the database."""
    value = number(raw.get(key))
    return value if value is not None and 0 <= value < 2**63 else None


def iso_moment(value: object) -> datetime | None:
    """An ISO 8601 text as a moment; without a zone it is UTC. None for anything else."""
    if not isinstance(value, str):
        return None
    try:
        parsed = datetime.fromisoformat(value)
    except ValueError:
        return None
    return bounded(parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC))


def printable(value: str) -> str:
    """NUL and lone surrogates cannot be stored, controls break lines; joiners shape letters."""
    if value.isprintable():  # nearly always, and thirty times faster than to look at each character
        return " ".join(value[:10_000].split())
    kept = (" " if c.isspace() else c for c in value[:10_000] if c.isspace() or _shows(c))
    return " ".join("".join(kept).split())


def _shows(character: str) -> bool:
    return character.isprintable() or character in "\u200c\u200d"
