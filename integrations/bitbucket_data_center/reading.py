"""Bitbucket Data Center's JSON → records: reads the fields we keep, ignores the rest.

Identity is id, key, slug and name. Another project's record refuses the whole page.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime

from connections.contracts import (
    Account,
    Answer,
    GroupRecord,
    MemberRecord,
    Page,
    Record,
    RepositoryRecord,
    WorkspaceRecord,
)
from connections.records import bounded
from integrations import bitbucket
from integrations.bitbucket import SLUG, BadItem, Json, object_or_empty, required, text, to_object

KEY = re.compile(r"~?(?!\.{1,2}$)[\w.+@-]{1,255}")
LONGEST_GROUP = 200
MILLISECONDS_FROM = 10**11  # seconds reach this in the year 5138


# ── Pages ─────────────────────────────────────────────────────────────────────────────────────


def next_start(answer: Answer, start: int) -> int | None:
    """Where the next page starts, by the server's own word: pages may skip what is hidden.

    `start + limit` would lose items. Where the word is missing it goes on behind what was shown:
    that reads some twice and leaves none out. None at the end; raises UnexpectedResponse for a page
    that leads back or nowhere.
    """
    page = bitbucket.body(answer)
    is_last = page.get("isLastPage")
    following = page.get("nextPageStart")
    if is_last is True or (is_last is None and following is None):
        return None
    if is_last not in (False, None):
        raise bitbucket.unexpected(answer, "isLastPage is neither true nor false.")
    shown_until = start + len(bitbucket.items(answer))
    known = shown_until if following is None else bitbucket.number(following)
    if known is None or not start < known < 2**31:
        raise bitbucket.unexpected(answer, "The page does not say where the next one starts.")
    return known


def page(
    answer: Answer,
    start: int,
    read: Callable[[Json], Record],
    id_of: Callable[[Json], str] | None = None,
) -> Page:
    """A page of records; what cannot be read is set aside with its reason."""
    records, rejected = bitbucket.records(answer, read, id_of or known_id)
    following = next_start(answer, start)
    return Page(records, None if following is None else str(following), rejected=rejected)


# ── Records ───────────────────────────────────────────────────────────────────────────────────


def account(raw: Json) -> Account:
    """A user; the id survives a rename, name and slug do not."""
    name = text(raw, "displayName") or text(raw, "name") or text(raw, "slug")
    kind = "app" if text(raw, "type") == "SERVICE" else "user"
    return Account(
        remote_id=required_id(raw), name=name or required_id(raw), kind=kind, url=self_link(raw)
    )


def user_slug(raw: Json) -> str:
    """A user's slug, which stands in addresses; raises BadItem without one."""
    slug = text(raw, "slug")
    if not KEY.fullmatch(slug):
        raise BadItem("slug is missing or malformed")
    return slug


def project(raw: Json) -> WorkspaceRecord:
    """A project, or a person's own one, whose key begins with ~."""
    key = _key(raw)
    return WorkspaceRecord(
        remote_id=required_id(raw),
        slug=key,
        name=text(raw, "name") or key,
        url=self_link(raw),
        personal=text(raw, "type") == "PERSONAL" or key.startswith("~"),
    )


def owner(raw: Json) -> WorkspaceRecord:
    """The project that a repository belongs to."""
    return project(to_object(raw.get("project")))


def member(raw: Json) -> MemberRecord:
    """A user who was given a permission on the project."""
    person = account(to_object(raw.get("user")))
    return MemberRecord(person.remote_id, person.name, text(raw, "permission"), person.url)


def repository(raw: Json) -> RepositoryRecord:
    """A repository; the configured default branch is told by newer servers only."""
    slug = text(raw, "slug")
    if not SLUG.fullmatch(slug):
        raise BadItem("the repository has no usable slug")
    of = object_or_empty(raw, "project")
    key = text(of, "key")
    return RepositoryRecord(
        remote_id=required_id(raw),
        slug=slug,
        name=required(raw, "name"),
        full_name=f"{key}/{slug}" if key else slug,
        url=self_link(raw),
        private=raw.get("public") is not True,
        main_branch=text(raw, "defaultBranch").removeprefix("refs/heads/"),
        project_remote_id="",
        updated_at=moment(raw.get("updatedDate")),
        workspace_remote_id=known_id(of),
    )


def group(raw: Json) -> GroupRecord:
    """A group of the server's that was given the project; its name is all that it has."""
    name = required(to_object(raw.get("group")), "name")[:LONGEST_GROUP]
    return GroupRecord(remote_id=name, name=name, permission=text(raw, "permission")[:40])


def group_id(raw: Json) -> str:
    """The name of a group that cannot be read otherwise; empty where it has none."""
    return text(object_or_empty(raw, "group"), "name")[:LONGEST_GROUP]


def foreign(item: object, workspace: WorkspaceRecord) -> bool:
    """Whether a repository names another project than this; its id decides where there is one."""
    of = object_or_empty(item, "project") if isinstance(item, dict) else {}
    known = known_id(of)
    if known:
        return known != workspace.remote_id
    key = text(of, "key")
    return bool(key) and key.lower() != workspace.slug.lower()


def moment(value: object) -> datetime | None:
    """Both shapes of a date: milliseconds since the epoch and, from 10.3 on, ISO 8601."""
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value[:20])
    since_epoch = bitbucket.number(value)
    if since_epoch is None:
        return bitbucket.iso_moment(value)
    try:
        seconds = since_epoch / 1000 if since_epoch >= MILLISECONDS_FROM else since_epoch
        return bounded(datetime.fromtimestamp(seconds, UTC))
    except (ValueError, OverflowError, OSError):
        return None


# ── Fields ────────────────────────────────────────────────────────────────────────────────────


def required_id(raw: Json) -> str:
    """The id of what is known by a number; raises BadItem where it is missing or malformed."""
    known = known_id(raw)
    if not known:
        raise BadItem("id is missing or malformed")
    return known


def known_id(raw: Json) -> str:
    """The id of what is known by a number; empty where it is missing or malformed."""
    known = bitbucket.count(raw, "id")
    return "" if known is None else str(known)


def _key(raw: Json) -> str:
    key = raw.get("key")
    if not isinstance(key, str) or not KEY.fullmatch(key):
        raise BadItem("key is missing or malformed")
    return key


def self_link(raw: Json) -> str:
    """The page at the server that shows it."""
    links = object_or_empty(raw, "links").get("self")
    first = links[0] if isinstance(links, list) and links else None
    return bitbucket.html_link(first.get("href")) if isinstance(first, dict) else ""
