"""Bitbucket Cloud's JSON → records: reads the fields we keep, ignores the rest.

Identity (uuid, slug, name) is strict, everything else forgiving: a bad item is set aside with its
reason, a bad envelope or another workspace's record refuses the whole page.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

from connections.contracts import (
    Account,
    Answer,
    MemberRecord,
    Page,
    ProjectRecord,
    Record,
    Rejected,
    RepositoryRecord,
    WorkspaceRecord,
)
from connections.errors import UnexpectedResponse, cleaned
from integrations.bitbucket_cloud.client import address

UUID = re.compile(r"\{[0-9A-Za-z-]{1,64}\}", re.ASCII)
SLUG = re.compile(r"(?!\.{1,2}$)[\w.~+-]{1,128}")
LONGEST_NAME = 300
LONGEST_LINK = 4096
LONGEST_HTML_LINK = 500
ACCOUNT_KINDS = {"user": "user", "app_user": "app", "team": "workspace"}

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
    return UnexpectedResponse(
        why,
        status=answer.status,
        request=answer.request,
        latency_seconds=answer.latency_seconds,
    )


def items(answer: Answer) -> list[Any]:
    """The page's `values`; raises UnexpectedResponse when it is no list."""
    values = body(answer).get("values")
    if not isinstance(values, list):
        raise unexpected(answer, "The page has no list of values.")
    return values


def next_page(answer: Answer) -> str | None:
    """The vendor's own link to the next page; null and "" are the end of the list too."""
    link = body(answer).get("next")
    if link is None or link == "":
        return None
    if not isinstance(link, str) or len(link) > LONGEST_LINK or address(link) is None:
        raise unexpected(answer, "The link to the next page is not an address.")
    return link


def page(answer: Answer, read: Callable[[Json], Record]) -> Page:
    """A page of records; what cannot be read is set aside with its reason."""
    records: list[Record] = []
    rejected: list[Rejected] = []
    for item in items(answer):
        try:
            records.append(read(_object(item)))
        except BadItem as error:
            known = _uuid_or_empty(item) if isinstance(item, dict) else ""
            rejected.append(Rejected(label=_label(item), reason=str(error), remote_id=known))
    return Page(
        records=tuple(records),
        checkpoint=next_page(answer),
        total=total(answer),
        rejected=tuple(rejected),
    )


def total(answer: Answer) -> int | None:
    """How many items all pages hold together, where Bitbucket counted them."""
    return _count(body(answer), "size")


def one(answer: Answer, read: Callable[[Json], R]) -> R:
    """The single record an answer is; raises UnexpectedResponse when it cannot be read."""
    try:
        return read(body(answer))
    except BadItem as error:
        raise unexpected(answer, str(error)) from None


# ── Records ───────────────────────────────────────────────────────────────────────────────────


def account(raw: Json) -> Account:
    """Who acts: a person, an app user or, in old answers, a team."""
    uuid = _uuid(raw)
    return Account(
        remote_id=uuid,
        name=_text(raw, "display_name") or _text(raw, "nickname") or _text(raw, "username") or uuid,
        kind=ACCOUNT_KINDS.get(_text(raw, "type"), "user"),
        url=_html_link(raw),
    )


def workspace(raw: Json) -> WorkspaceRecord:
    """A workspace as /workspaces/{slug} gives it; `is_personal` exists since August 2026."""
    slug = _slug(raw)
    return WorkspaceRecord(
        remote_id=_uuid(raw),
        slug=slug,
        name=_text(raw, "name") or slug,
        url=_html_link(raw),
        personal=raw.get("is_personal") is True,
    )


def workspace_access(raw: Json) -> WorkspaceRecord:
    """One item of /user/workspaces: a slug without a name, and whether we administer it."""
    administrator = raw.get("administrator")
    if not isinstance(administrator, bool):
        raise BadItem("administrator is not true or false")
    base = _object(raw.get("workspace"))
    slug = _slug(base)
    return WorkspaceRecord(remote_id=_uuid(base), slug=slug, name=slug, administrator=administrator)


def project(raw: Json) -> ProjectRecord:
    """A project; its key can change, its uuid cannot."""
    return ProjectRecord(
        remote_id=_uuid(raw),
        key=_required(raw, "key"),
        name=_required(raw, "name"),
        private=raw.get("is_private") is not False,
        url=_html_link(raw),
    )


def member(raw: Json) -> MemberRecord:
    """A workspace membership; `permission` comes only from the permissions listing."""
    person = account(_object(raw.get("user")))
    return MemberRecord(
        remote_id=person.remote_id,
        name=person.name,
        permission=_text(raw, "permission"),
        url=person.url,
    )


def repository(raw: Json) -> RepositoryRecord:
    """A repository; an empty one has no main branch, an old answer no workspace."""
    full_name = _required(raw, "full_name")
    _, _, slug_in_name = full_name.partition("/")
    slug = _text(raw, "slug") or slug_in_name
    if not SLUG.fullmatch(slug):
        raise BadItem("the repository has no usable slug")
    return RepositoryRecord(
        remote_id=_uuid(raw),
        slug=slug,
        name=_required(raw, "name"),
        full_name=full_name,
        url=_html_link(raw),
        private=raw.get("is_private") is not False,
        main_branch=_text(_object_or_empty(raw, "mainbranch"), "name"),
        project_remote_id=_uuid_or_empty(_object_or_empty(raw, "project")),
        language=_text(raw, "language"),
        size_bytes=_count(raw, "size"),
        updated_at=moment(raw.get("updated_on")),
        workspace_remote_id=_uuid_or_empty(_object_or_empty(raw, "workspace")),
    )


def foreign(item: object, workspace: WorkspaceRecord) -> bool:
    """Whether an item names another workspace than this; old answers name none but in full_name.

    The uuid decides where there is one, because a slug can be renamed between two pages.
    """
    if not isinstance(item, dict):
        return False
    uuid = _object_or_empty(item, "workspace").get("uuid")
    if isinstance(uuid, str) and uuid:
        return uuid.lower() != workspace.remote_id.lower()
    owner, slash, _ = _text(item, "full_name").partition("/")
    return bool(slash) and owner.lower() != workspace.slug.lower()


def moment(value: object) -> datetime | None:
    """Both of Bitbucket's date shapes: `…96116Z` and `…65478+00:00`; None for anything else."""
    if not isinstance(value, str):
        return None
    try:
        parsed = datetime.fromisoformat(value)
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


# ── Fields ────────────────────────────────────────────────────────────────────────────────────


def _object(value: object) -> Json:
    if not isinstance(value, dict):
        raise BadItem("the item is not an object")
    return value


def _object_or_empty(raw: Json, key: str) -> Json:
    value = raw.get(key)
    return value if isinstance(value, dict) else {}


def _text(raw: Json, key: str) -> str:
    """A short text without controls; empty when there is none."""
    value = raw.get(key)
    return _printable(value)[:LONGEST_NAME] if isinstance(value, str) else ""


def _required(raw: Json, key: str) -> str:
    text = _text(raw, key)
    if not text:
        raise BadItem(f"{key} is missing")
    return text


def _uuid(raw: Json) -> str:
    uuid = _uuid_or_empty(raw)
    if not uuid:
        raise BadItem("uuid is missing or malformed")
    return uuid


def _uuid_or_empty(raw: Json) -> str:
    uuid = raw.get("uuid")
    return uuid if isinstance(uuid, str) and UUID.fullmatch(uuid) else ""


def _slug(raw: Json) -> str:
    slug = raw.get("slug")
    if not isinstance(slug, str) or not SLUG.fullmatch(slug):
        raise BadItem("slug is missing or malformed")
    return slug


def _html_link(raw: Json) -> str:
    """The page a person can open; only https, because it becomes a link on ours."""
    parts = address(_object_or_empty(_object_or_empty(raw, "links"), "html").get("href"))
    link = parts.geturl() if parts and parts.scheme == "https" else ""
    return link if len(link) <= LONGEST_HTML_LINK else ""


def _count(raw: Json, key: str) -> int | None:
    """A number that fits the database."""
    value = raw.get(key)
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if 0 <= value < 2**63 else None


def _printable(text: str) -> str:
    """NUL and lone surrogates cannot be stored, controls break lines; joiners shape letters."""
    if text.isprintable():  # nearly always, and thirty times faster than to look at each character
        return " ".join(text[:10_000].split())
    kept = (" " if c.isspace() else c for c in text[:10_000] if c.isspace() or _shows(c))
    return " ".join("".join(kept).split())


def _shows(character: str) -> bool:
    return character.isprintable() or character in "\u200c\u200d"


def _label(item: object) -> str:
    """What to call an unreadable item on the page that lists it."""
    if not isinstance(item, dict):
        return type(item).__name__
    for key in ("full_name", "slug", "key", "name", "uuid"):
        if isinstance(item.get(key), str):
            return cleaned(item[key])[:100]
    return "unnamed"
