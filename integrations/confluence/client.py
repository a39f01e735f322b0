"""Confluence's calls: who we are, and which spaces there are."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qs, quote, urlsplit

from connections.contracts import (
    Account,
    Answer,
    Api,
    Ask,
    Container,
    Page,
    ProjectRecord,
    WorkspaceRecord,
)
from integrations import answers, atlassian
from integrations.answers import Json, object_or_empty, required, text

PAGE_SIZE = 250
PRODUCT = "confluence"
LONGEST_CURSOR = 2000

CURRENT_USER = "wiki/rest/api/user/current"
SPACES = "wiki/api/v2/spaces?limit={size}&status=current&sort=id"
PROOFS = {
    "spaces-read": "wiki/api/v2/spaces?limit=1",
    "pages-read": "wiki/api/v2/pages?limit=1",
    "search": "wiki/rest/api/search?cql=type%3Dpage&limit=1",
}

Fields = Mapping[str, str]


# ── Who ───────────────────────────────────────────────────────────────────────────────────────


def current_user(api: Api) -> Account:
    """Whose token this is, asked at its one site."""
    return answers.one(api.get(CURRENT_USER), atlassian.account)


def me(api: Api) -> Account:
    """Who consented."""
    return answers.one(api.get(atlassian.ME), atlassian.account)


# ── Spaces ────────────────────────────────────────────────────────────────────────────────────


def spaces(api: Api, container: Container, fields: Fields, ask: Ask) -> Page:
    """A page of a site's spaces.

    The link to the next page leaves out the gateway's part of the address, so only its cursor is
    taken (https://developer.atlassian.com/cloud/confluence/rest/v2/intro/).
    """
    after = f"&cursor={quote(ask.checkpoint, safe='')}" if ask.checkpoint else ""
    site = container.workspace
    answer = api.get(
        atlassian.at(fields, PRODUCT, site.remote_id, SPACES.format(size=PAGE_SIZE) + after)
    )
    told = answers.body(answer)
    results = told.get("results")
    if not isinstance(results, list):
        raise answers.unexpected(answer, "The page has no list of results.")
    found, rejected = answers.records(
        results, lambda raw: space(raw, site), lambda raw: text(raw, "id")
    )
    return Page(records=found, checkpoint=_cursor(answer, told), rejected=rejected)


def _cursor(answer: Answer, told: Json) -> str | None:
    link = object_or_empty(told, "_links").get("next")
    if link is None:
        return None
    if not isinstance(link, str):
        raise answers.unexpected(answer, "The link to the next page is none.")
    found = parse_qs(urlsplit(link).query).get("cursor", [])
    if len(found) != 1 or not found[0] or len(found[0]) > LONGEST_CURSOR:
        raise answers.unexpected(answer, "The link to the next page has no cursor.")
    return found[0]


def space(raw: Json, site: WorkspaceRecord) -> ProjectRecord:
    """A space by its number, which pages ask for; keys can have aliases."""
    key = text(raw, "currentActiveAlias") or required(raw, "key")
    path = object_or_empty(raw, "_links").get("webui")
    is_path = isinstance(path, str) and path.startswith("/") and site.url
    return ProjectRecord(
        remote_id=required(raw, "id"),
        key=key,
        name=required(raw, "name"),
        private=True,
        url=answers.html_link(f"{site.url}/wiki{path}") if is_path else "",
    )
