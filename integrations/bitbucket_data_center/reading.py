"""Bitbucket Data Center's JSON → records: reads the fields we keep, ignores the rest.

Identity (id, key, slug, name) is strict, everything else forgiving: a bad item is set aside with
its reason, a bad envelope or another project's record refuses the whole page.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import urlsplit

from connections.contracts import (
    Account,
    Answer,
    MemberRecord,
    Page,
    Record,
    Rejected,
    RepositoryRecord,
    WorkspaceRecord,
)
from connections.errors import UnexpectedResponse, cleaned
from integrations.bitbucket_data_center import client

KEY = re.compile(r"~?(?!\.{1,2}$)[\w.+@-]{1,255}")
SLUG = re.compile(r"(?!\.{1,2}$)[\w.~+-]{1,128}")
LONGEST_NAME = 300
LONGEST_HTML_LINK = 500
LARGEST_ID = 2**63
MILLISECONDS_FROM = 10**11  # seconds reach this in the year 5138

Json = Mapping[str, Any]
R = TypeVar("R")


class BadItem(ValueError):
    """One item lacks what makes it identifiable."""


# ── Envelopes ─────────────────────────────────────────────────────────────────────────────────


def body(answer: Answer) -> Json:
    """The answer's JSON object; raises UnexpectedResponse when it is none."""
    if not isinstance(answer.body, dict):
        raise unexpected(answer, "The answer is not a JSON object.")
    return answer.body


def unexpected(answer: Answer, why: str) -> UnexpectedResponse:
    """The error for an answer that cannot be read, with its request but not its content."""
    return UnexpectedResponse(why, **client.facts(answer))


def items(answer: Answer) -> list[Any]:
    """The page's `values`; raises UnexpectedResponse when it is no list."""
    values = body(answer).get("values")
    if not isinstance(values, list):
        raise unexpected(answer, "The page has no list of values.")
    return values


def next_start(answer: Answer, start: int) -> int | None:
    """Where the next page starts, by the server's own word: pages may skip what is hidden.

    `start + limit` would lose items. Where the word is missing it goes on behind what was shown:
    that reads some twice and leaves none out. None at the end; raises UnexpectedResponse for a page
    that leads back or nowhere.
    """
    page = body(answer)
    is_last = page.get("isLastPage")
    following = page.get("nextPageStart")
    if is_last is True or (is_last is None and following is None):
        return None
    if is_last not in (False, None):
        raise unexpected(answer, "isLastPage is neither true nor false.")
    known = start + len(items(answer)) if following is None else _number(following)
    if known is None or not start < known < 2**31:
        raise unexpected(answer, "The page does not say where the next one starts.")
    return known


def page(answer: Answer, start: int, read: Callable[[Json], Record]) -> Page:
    """A page of records; what cannot be read is set aside with its reason."""
    records: list[Record] = []
    rejected: list[Rejected] = []
    for item in items(answer):
        try:
            records.append(read(_object(item)))
        except BadItem as error:
            rejected.append(Rejected(_label(item), str(error), _known_id(item)))
    following = next_start(answer, start)
    return Page(
        records=tuple(records),
        checkpoint=None if following is None else str(following),
        rejected=tuple(rejected),
    )


def one(answer: Answer, read: Callable[[Json], R]) -> R:
    """The single record an answer is; raises UnexpectedResponse when it cannot be read."""
    try:
        return read(body(answer))
    except BadItem as error:
        raise unexpected(answer, str(error)) from None


# ── Records ───────────────────────────────────────────────────────────────────────────────────


def account(raw: Json) -> Account:
    """A user; the id survives a rename, name and slug do not."""
    name = _text(raw, "displayName") or _text(raw, "name") or _text(raw, "slug")
    kind = "app" if _text(raw, "type") == "SERVICE" else "user"
    return Account(remote_id=_id(raw), name=name or _id(raw), kind=kind, url=_self_link(raw))


def user_slug(raw: Json) -> str:
    """A user's slug, which stands in addresses; raises BadItem without one."""
    slug = _text(raw, "slug")
    if not KEY.fullmatch(slug):
        raise BadItem("slug is missing or malformed")
    return slug


def project(raw: Json) -> WorkspaceRecord:
    """A project, or a person's own one, whose key begins with ~."""
    key = _key(raw)
    return WorkspaceRecord(
        remote_id=_id(raw),
        slug=key,
        name=_text(raw, "name") or key,
        url=_self_link(raw),
        personal=_text(raw, "type") == "PERSONAL" or key.startswith("~"),
    )


def owner(raw: Json) -> WorkspaceRecord:
    """The project that a repository belongs to."""
    return project(_object(raw.get("project")))


def member(raw: Json) -> MemberRecord:
    """A user who was given a permission on the project."""
    person = account(_object(raw.get("user")))
    return MemberRecord(person.remote_id, person.name, _text(raw, "permission"), person.url)


def repository(raw: Json) -> RepositoryRecord:
    """A repository; the configured default branch is told by newer servers only."""
    slug = _text(raw, "slug")
    if not SLUG.fullmatch(slug):
        raise BadItem("the repository has no usable slug")
    name = _text(raw, "name")
    if not name:
        raise BadItem("name is missing")
    of = _object_or_empty(raw, "project")
    key = _text(of, "key")
    return RepositoryRecord(
        remote_id=_id(raw),
        slug=slug,
        name=name,
        full_name=f"{key}/{slug}" if key else slug,
        url=_self_link(raw),
        private=raw.get("public") is not True,
        main_branch=_text(raw, "defaultBranch").removeprefix("refs/heads/"),
        project_remote_id="",
        updated_at=moment(raw.get("updatedDate")),
        workspace_remote_id=_known_id(of),
    )


def foreign(item: object, workspace: WorkspaceRecord) -> bool:
    """Whether a repository names another project than this; its id decides where there is one."""
    of = _object_or_empty(item, "project") if isinstance(item, dict) else {}
    known = _known_id(of)
    if known:
        return known != workspace.remote_id
    key = _text(of, "key")
    return bool(key) and key.lower() != workspace.slug.lower()


def moment(value: object) -> datetime | None:
    """Both shapes of a date: milliseconds since the epoch and, from 10.3 on, ISO 8601."""
    try:
        if (number := _number(value)) is not None:
            seconds = number / 1000 if number >= MILLISECONDS_FROM else number
            return datetime.fromtimestamp(seconds, UTC)
        if isinstance(value, str) and value.isascii() and value.isdigit():
            return moment(int(value[:20]))
        if not isinstance(value, str):
            return None
        parsed = datetime.fromisoformat(value)
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None


def text(raw: Json, key: str) -> str:
    """A short text without controls; empty when there is none."""
    return _text(raw, key)


# ── Fields ────────────────────────────────────────────────────────────────────────────────────


def _object(value: object) -> Json:
    if not isinstance(value, dict):
        raise BadItem("the item is not an object")
    return value


def _object_or_empty(raw: Json, key: str) -> Json:
    value = raw.get(key)
    return value if isinstance(value, dict) else {}


def _text(raw: Json, key: str) -> str:
    value = raw.get(key)
    if not isinstance(value, str):
        return ""
    kept = (" " if c.isspace() else c for c in value[:10_000] if c.isspace() or c.isprintable())
    return " ".join("".join(kept).split())[:LONGEST_NAME]


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _id(raw: Json) -> str:
    known = _known_id(raw)
    if not known:
        raise BadItem("id is missing or malformed")
    return known


def _known_id(raw: object) -> str:
    value = _number(raw.get("id")) if isinstance(raw, dict) else None
    return str(value) if value is not None and 0 <= value < LARGEST_ID else ""


def _key(raw: Json) -> str:
    key = raw.get("key")
    if not isinstance(key, str) or not KEY.fullmatch(key):
        raise BadItem("key is missing or malformed")
    return key


def _self_link(raw: Json) -> str:
    """The page a person can open; only https, because it becomes a link on ours."""
    links = _object_or_empty(raw, "links").get("self")
    first = links[0] if isinstance(links, list) and links else None
    link = first.get("href") if isinstance(first, dict) else None
    if not isinstance(link, str) or len(link) > LONGEST_HTML_LINK or not link.isprintable():
        return ""
    try:
        parts = urlsplit(link)
    except ValueError:
        return ""
    return link if parts.scheme == "https" and parts.hostname else ""


def _label(item: object) -> str:
    """What to call an unreadable item on the page that lists it."""
    if not isinstance(item, dict):
        return type(item).__name__
    for key in ("slug", "key", "name", "displayName"):
        if isinstance(item.get(key), str):
            return cleaned(item[key])[:100]
    return "unnamed"
