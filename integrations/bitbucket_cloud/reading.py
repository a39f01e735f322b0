"""Bitbucket Cloud's JSON → records: reads the fields we keep, ignores the rest.

Identity is uuid, slug and name. Another workspace's record refuses the whole page.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from connections.contracts import (
    Account,
    Answer,
    MemberRecord,
    Page,
    ProjectRecord,
    Record,
    RepositoryRecord,
    WorkspaceRecord,
)
from integrations import bitbucket
from integrations.bitbucket import SLUG, BadItem, Json, object_or_empty, required, text, to_object

UUID = re.compile(r"\{[0-9A-Za-z-]{1,64}\}", re.ASCII)
LONGEST_LINK = 4096
ACCOUNT_KINDS = {"user": "user", "app_user": "app", "team": "workspace"}


# ── Pages ─────────────────────────────────────────────────────────────────────────────────────


def page(
    answer: Answer,
    read: Callable[[Json], Record],
    known_id: Callable[[Json], str] | None = None,
) -> Page:
    """A page of records; what cannot be read is set aside with its reason."""
    records, rejected = bitbucket.records(answer, read, known_id or uuid_or_empty)
    return Page(records, checkpoint=next_page(answer), total=total(answer), rejected=rejected)


def next_page(answer: Answer) -> str | None:
    """The vendor's own link to the next page; null and "" are the end of the list too."""
    link = bitbucket.body(answer).get("next")
    if link is None or link == "":
        return None
    if not isinstance(link, str) or len(link) > LONGEST_LINK or bitbucket.address(link) is None:
        raise bitbucket.unexpected(answer, "The link to the next page is not an address.")
    return link


def total(answer: Answer) -> int | None:
    """How many items all pages hold together, where Bitbucket counted them."""
    return bitbucket.count(bitbucket.body(answer), "size")


# ── Records ───────────────────────────────────────────────────────────────────────────────────


def account(raw: Json) -> Account:
    """Who acts: a person, an app user or, in old answers, a team."""
    uuid = required_uuid(raw)
    return Account(
        remote_id=uuid,
        name=text(raw, "display_name") or text(raw, "nickname") or text(raw, "username") or uuid,
        kind=ACCOUNT_KINDS.get(text(raw, "type"), "user"),
        url=html_link(raw),
    )


def workspace(raw: Json) -> WorkspaceRecord:
    """A workspace as /workspaces/{slug} gives it; `is_personal` exists since August 2026."""
    slug = _slug(raw)
    return WorkspaceRecord(
        remote_id=required_uuid(raw),
        slug=slug,
        name=text(raw, "name") or slug,
        url=html_link(raw),
        personal=raw.get("is_personal") is True,
    )


def workspace_access(raw: Json) -> WorkspaceRecord:
    """One item of /user/workspaces: a slug without a name, and whether we administer it."""
    administrator = raw.get("administrator")
    if not isinstance(administrator, bool):
        raise BadItem("administrator is not true or false")
    base = to_object(raw.get("workspace"))
    slug = _slug(base)
    return WorkspaceRecord(
        remote_id=required_uuid(base), slug=slug, name=slug, administrator=administrator
    )


def project(raw: Json) -> ProjectRecord:
    """A project; its key can change, its uuid cannot."""
    return ProjectRecord(
        remote_id=required_uuid(raw),
        key=required(raw, "key"),
        name=required(raw, "name"),
        private=raw.get("is_private") is not False,
        url=html_link(raw),
    )


def member(raw: Json) -> MemberRecord:
    """A workspace membership; `permission` comes only from the permissions listing."""
    person = account(to_object(raw.get("user")))
    return MemberRecord(
        remote_id=person.remote_id,
        name=person.name,
        permission=text(raw, "permission"),
        url=person.url,
    )


def repository(raw: Json) -> RepositoryRecord:
    """A repository; an empty one has no main branch, an old answer no workspace."""
    full_name = required(raw, "full_name")
    _, _, slug_in_name = full_name.partition("/")
    slug = text(raw, "slug") or slug_in_name
    if not SLUG.fullmatch(slug):
        raise BadItem("the repository has no usable slug")
    return RepositoryRecord(
        remote_id=required_uuid(raw),
        slug=slug,
        name=required(raw, "name"),
        full_name=full_name,
        url=html_link(raw),
        private=raw.get("is_private") is not False,
        main_branch=text(object_or_empty(raw, "mainbranch"), "name"),
        project_remote_id=uuid_or_empty(object_or_empty(raw, "project")),
        language=text(raw, "language"),
        size_bytes=bitbucket.count(raw, "size"),
        updated_at=bitbucket.iso_moment(raw.get("updated_on")),
        workspace_remote_id=uuid_or_empty(object_or_empty(raw, "workspace")),
    )


def foreign(item: object, workspace: WorkspaceRecord) -> bool:
    """Whether an item names another workspace than this; old answers name none but in full_name.

    The uuid decides where there is one, because a slug can be renamed between two pages.
    """
    if not isinstance(item, dict):
        return False
    uuid = object_or_empty(item, "workspace").get("uuid")
    if isinstance(uuid, str) and uuid:
        return uuid.lower() != workspace.remote_id.lower()
    owner, slash, _ = text(item, "full_name").partition("/")
    return bool(slash) and owner.lower() != workspace.slug.lower()


# ── Fields ────────────────────────────────────────────────────────────────────────────────────


def required_uuid(raw: Json) -> str:
    """The uuid of what is known by one; raises BadItem where it is missing or malformed."""
    uuid = uuid_or_empty(raw)
    if not uuid:
        raise BadItem("uuid is missing or malformed")
    return uuid


def uuid_or_empty(raw: Json) -> str:
    """The uuid of what is known by one; empty where it is missing or malformed."""
    uuid = raw.get("uuid")
    return uuid if isinstance(uuid, str) and UUID.fullmatch(uuid) else ""


def _slug(raw: Json) -> str:
    slug = raw.get("slug")
    if not isinstance(slug, str) or not SLUG.fullmatch(slug):
        raise BadItem("slug is missing or malformed")
    return slug


def html_link(raw: Json) -> str:
    """The page at Bitbucket that shows it."""
    return bitbucket.html_link(object_or_empty(object_or_empty(raw, "links"), "html").get("href"))
