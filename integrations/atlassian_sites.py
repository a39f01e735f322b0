"""The sites of Atlassian's cloud: which ones a consent opened, told apart by their scopes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from connections.contracts import (
    Answer,
    Api,
    Page,
    PlaceRights,
    Rejected,
    WorkspaceRecord,
)
from connections.errors import AccessDenied
from integrations import answers
from integrations.answers import BadItem, Json, required, text, to_object
from integrations.atlassian import CLOUD_ID, RESOURCES, SITE

LONGEST_URL = 500
ACCOUNT = frozenset({"read:me"})  # whoever answers for a consent has it

Fields = Mapping[str, str]


def sites(api: Api, product: str) -> Page:
    """The sites with this product that the consent opened.

    The same site is listed once for each product, told apart by scopes alone
    (https://developer.atlassian.com/cloud/jira/platform/oauth-2-3lo-apps/).
    """
    found: dict[str, WorkspaceRecord] = {}
    rejected: list[Rejected] = []
    for item in listed(api.get(RESOURCES)):
        try:
            raw = to_object(item)
            if any(is_of(product, scope) for scope in words(raw)):
                record = site(raw)
                found[record.remote_id] = record
        except BadItem as error:
            rejected.append(Rejected("a site", str(error)))
    return Page(tuple(found.values()), None, total=len(found), rejected=tuple(rejected))


def first_site(api: Api, product: str, fields: Fields) -> str:
    """The cloud id of the site of a token, or of the first one that a consent opened."""
    if CLOUD_ID in fields:
        return fields[CLOUD_ID]
    for record in sites(api, product).records:
        if isinstance(record, WorkspaceRecord):
            return record.remote_id
    raise AccessDenied(f"No site with {product.capitalize()} was allowed.")


def consented(api: Api, product: str) -> frozenset[str]:
    """All scopes of this product that some site opened to, and those of the account."""
    found = {
        w for item in listed(api.get(RESOURCES)) if isinstance(item, dict) for w in words(item)
    }
    return frozenset(w for w in found if is_of(product, w) or is_of("", w)) | ACCOUNT


def rights(api: Api, product: str, known: Sequence[WorkspaceRecord]) -> tuple[PlaceRights, ...]:
    """What the consent allows at each site, in the site's own words; who consented may be asked."""
    held: dict[str, frozenset[str]] = {}
    for item in listed(api.get(RESOURCES)):
        if isinstance(item, dict) and isinstance(item.get("id"), str):
            here = frozenset(w for w in words(item) if is_of(product, w) or is_of("", w))
            held[item["id"]] = held.get(item["id"], ACCOUNT) | here
    return tuple(
        PlaceRights(each.slug, each.name, held.get(each.remote_id, ACCOUNT), each.slug)
        for each in known
    )


def site(raw: Json) -> WorkspaceRecord:
    """A site by its cloud id; its name is the first label of its address."""
    url = answers.html_link(raw.get("url"))[:LONGEST_URL]
    host = urlsplit(url).hostname or ""
    return WorkspaceRecord(
        remote_id=required(raw, "id"),
        slug=host.partition(".")[0] or text(raw, "name") or required(raw, "id"),
        name=text(raw, "name") or host or required(raw, "id"),
        url=url,
    )


def own_site(fields: Fields, title: str = "") -> WorkspaceRecord:
    """The one site that a form named and a lookup found."""
    return WorkspaceRecord(
        remote_id=fields[CLOUD_ID],
        slug=fields[SITE],
        name=title or fields[SITE],
        url=f"https://{fields[SITE]}.atlassian.net",
    )


def listed(answer: Answer) -> Iterable[Any]:
    """The answer's JSON list; raises UnexpectedResponse when it is none."""
    if not isinstance(answer.body, list):
        raise answers.unexpected(answer, "The answer is not a list.")
    return answer.body


def words(raw: Json) -> tuple[str, ...]:
    """The scopes of a site; none where they cannot be read."""
    scopes = raw.get("scopes")
    return tuple(w for w in scopes if isinstance(w, str)) if isinstance(scopes, list) else ()


def is_of(product: str, scope: str) -> bool:
    """Whether a scope is of this product; "" asks for those of the account."""
    last = scope.rpartition(":")[2]
    if not product:
        return scope in {"read:me", "read:account", "offline_access"}
    if last in {"jira", "confluence"}:
        return last == product
    return product in re.split(r"[:.\-]", last)
