"""Space's JSON as records: who acts, projects, and where one list goes on."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from connections.contracts import Account, Answer, Page, WorkspaceRecord
from connections.errors import UnexpectedResponse
from integrations import answers
from integrations.answers import BadItem, Json, object_or_empty, text

ID = re.compile(r"[A-Za-z0-9_-]{1,100}")
KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
PLACE = re.compile(r"[!-~]{1,200}")


def person(raw: Json) -> Account:
    """The person a token acts as."""
    name = object_or_empty(raw, "name")
    full = " ".join(filter(None, (text(name, "firstName"), text(name, "lastName"))))
    return Account(f"profile:{identifier(raw)}", full or answers.required(raw, "username"), "user")


def application(raw: Json) -> Account:
    """The application that acts on its own behalf."""
    return Account(f"application:{identifier(raw)}", answers.required(raw, "name"), "app")


def project(raw: Json, place: str = "") -> WorkspaceRecord:
    """A project below the address of its Space; its key is an object with the key in it."""
    found = key(raw)
    return WorkspaceRecord(
        remote_id=identifier(raw),
        slug=found,
        name=answers.required(raw, "name"),
        url=answers.html_link(f"{place}/p/{found.lower()}") if place else "",
    )


def identifier(raw: Json) -> str:
    """The id; raises BadItem where it is missing or malformed."""
    known = known_id(raw)
    if not known:
        raise BadItem("id is missing or malformed")
    return known


def known_id(raw: Json) -> str:
    """The id; empty where it is missing or malformed."""
    found = raw.get("id")
    return found if isinstance(found, str) and ID.fullmatch(found) else ""


def key(raw: Json) -> str:
    """A project's key; raises BadItem where it is missing or malformed."""
    found = object_or_empty(raw, "key").get("key", raw.get("key"))
    if not isinstance(found, str) or not KEY.fullmatch(found):
        raise BadItem("key is missing or malformed")
    return found


def page(answer: Answer, checkpoint: str | None, place: str) -> Page:
    """A batch of projects and where the next one starts."""
    items, after = batch(answer, checkpoint)
    found, rejected = answers.records(items, lambda raw: project(raw, place), known_id)
    total = answers.count(answers.body(answer), "totalCount")
    return Page(records=found, checkpoint=after, total=total, rejected=rejected)


def batch(answer: Answer, checkpoint: str | None) -> tuple[list[Any], str | None]:
    """The items of a batch and where the next one starts.

    `next` is there at the end too: the list has ended where a batch is empty, or where as many
    were skipped as there are. One that does not get on is refused.
    """
    body = answers.body(answer)
    items = body.get("data")
    if not isinstance(items, list):
        raise answers.unexpected(answer, "The batch has no list of data.")
    total = answers.count(body, "totalCount")
    after = _next(answer, body, checkpoint) if items else None
    is_over = after is not None and after.isdigit() and total is not None and int(after) >= total
    return items, None if is_over else after


def _next(answer: Answer, body: Json, checkpoint: str | None) -> str | None:
    after = body.get("next")
    if after is None or after == "":
        return None
    if not isinstance(after, str) or not PLACE.fullmatch(after):
        raise answers.unexpected(answer, "next is not a place in a list.")
    if after == (checkpoint or "0"):
        raise answers.unexpected(answer, "next leads to the same place.")
    return after


def started(checkpoint: str | None) -> str:
    """Where a page starts; raises UnexpectedResponse for a checkpoint that is not ours."""
    if checkpoint is not None and not PLACE.fullmatch(checkpoint):
        raise UnexpectedResponse("This is not where a page starts.")
    return checkpoint or "0"


def moment(value: object) -> datetime | None:
    """A DateTime: an object with milliseconds and ISO, or the ISO text alone."""
    if not isinstance(value, dict):
        return answers.iso_moment(value)
    milliseconds = answers.count(value, "timestamp")
    if milliseconds is None:
        return answers.iso_moment(value.get("iso"))
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return None
