"""What Confluence lets one read: spaces, who may do what there, pages, people, search."""

from __future__ import annotations

import re
from typing import Any

from integrations.sandbox.atlassian.errors import confluence, confluence_v1
from integrations.sandbox.confluence import render
from integrations.sandbox.confluence.place import Place, cursor, position
from integrations.sandbox.confluence.world import Page
from integrations.sandbox.http import Response, json_response

Json = dict[str, Any]
CLAUSE = re.compile(r'(space|type|label|title|text)\s*(=|~|in)\s*(\([^)]*\)|"[^"]*"|[\w-]+)', re.I)
OPERATIONS = (("read", "space"), ("create", "page"), ("delete", "page"), ("administer", "space"))


def spaces(place: Place) -> Response:
    call = place.call
    ids, keys = split(call.first("ids")), split(call.first("keys"))
    kind, status = call.first("type"), call.first("status")
    return place.listing(
        render.space(space)
        for space in place.spaces()
        if (not ids or space.id in ids)
        and (not keys or {space.key, space.alias} & keys)
        and kind in {"", space.kind}
        and status in {"", space.status}
    )


def space(place: Place) -> Response:
    return json_response({**render.space(place.space()), "_links": base(place)})


def permissions(place: Place) -> Response:
    """List who may do what in a space: its author everything, the other members less."""
    found = place.space()
    rows: list[Json] = []
    for who in place.call.site.members:
        if who in found.closed_to:
            continue
        allowed = OPERATIONS if who == found.author else OPERATIONS[:2]
        for key, target in allowed:
            rows.append(
                {
                    "id": str(1000 + len(rows)),
                    "principal": {"type": "user", "id": who},
                    "operation": {"key": key, "targetType": target},
                }
            )
    return place.listing(rows)


def pages(place: Place) -> Response:
    call = place.call
    ids, of = split(call.first("id")), split(call.first("space-id"))
    title = call.first("title")
    return place.listing(
        render.page(page, call.first("body-format"))
        for page in place.data.pages.values()
        if page.status == "current"
        and place.sees(page)
        and (not ids or page.id in ids)
        and (not of or page.space in of)
        and title in {"", page.title}
    )


def pages_of_space(place: Place) -> Response:
    found, title = place.space(), place.call.first("title")
    return place.listing(
        render.page(page, place.call.first("body-format"))
        for page in place.data.pages.values()
        if page.space == found.id and page.status == "current" and title in {"", page.title}
    )


def page(place: Place) -> Response:
    shown = render.page(place.page(), place.call.first("body-format"))
    return json_response({**shown, "_links": {**shown["_links"], **base(place)}})


def labels(place: Place) -> Response:
    names = place.page().labels
    return place.listing(render.label(name, 500 + i) for i, name in enumerate(names))


def properties(place: Place) -> Response:
    key = place.call.first("key")
    return place.listing(each for each in place.page().properties if key in {"", each["key"]})


def comments(place: Place) -> Response:
    return place.listing(place.page().comments)


def current_user(place: Place) -> Response:
    account = place.call.account
    if account is None or account.account_id not in place.call.site.members:
        raise confluence_v1(403, "Current user not permitted to use Confluence")
    return json_response(render.user(place.call, account))


def user(place: Place) -> Response:
    place.person()
    account = place.call.world.account(place.call.first("accountId"))
    if account is None or account.account_id not in place.call.site.members:
        raise confluence_v1(404, "No user found with this account id")
    return json_response(render.user(place.call, account))


def search(place: Place) -> Response:
    """Search pages by a little CQL: space, type, label, title; `_links.next` is relative."""
    call = place.call
    cql = call.first("cql")
    if not cql:
        raise confluence_v1(400, "Could not parse cql : ")
    place.person()
    pages = place.data.pages.values()
    found = [p for p in pages if p.status == "current" and place.sees(p) and meets(place, p, cql)]
    limit, start = call.number("limit", 25, 250), position(call.first("cursor"))
    links: Json = {"base": f"{call.site.url}/wiki", "context": "/wiki", "self": call.base}
    if start + limit < len(found):
        links["next"] = f"/rest/api/search?cql={cql}&limit={limit}&cursor={cursor(start + limit)}"
    shown = [result(each) for each in found[start : start + limit]]
    return json_response(
        {
            "results": shown,
            "start": start,
            "limit": limit,
            "size": len(shown),
            "totalSize": len(found),
            "cqlQuery": cql,
            "searchDuration": 7,
            "_links": links,
        }
    )


def result(one: Page) -> Json:
    return {
        "content": {
            "id": one.id,
            "type": "page",
            "status": one.status,
            "title": one.title,
            "_links": {"webui": f"/pages/viewpage.action?pageId={one.id}"},
            "_expandable": {},
        },
        "title": one.title,
        "excerpt": "",
        "url": f"/pages/viewpage.action?pageId={one.id}",
        "breadcrumbs": [],
        "entityType": "content",
        "iconCssClass": "aui-icon content-type-page",
        "lastModified": render.moment(one.changed),
        "score": 0.0,
    }


def meets(place: Place, page: Page, cql: str) -> bool:
    """Whether a page fulfils each clause that we understand."""
    space = place.data.spaces[page.space]
    has: dict[str, set[str]] = {
        "space": {space.key.lower(), space.alias.lower()},
        "type": {"page"},
        "label": set(page.labels),
    }
    for name, operator, value in CLAUSE.findall(cql):
        wanted = {each.strip(' "').lower() for each in value.strip("()").split(",")}
        if name.lower() in has:
            met = bool(has[name.lower()] & wanted)
        else:
            text = f"{page.title} {page.body}".lower()
            met = all(each in text if operator == "~" else each == page.title.lower()
                      for each in wanted)  # fmt: skip
        if not met:
            return False
    return True


def split(text: str) -> set[str]:
    return {part for part in text.split(",") if part}


def base(place: Place) -> Json:
    return {"base": f"{place.call.site.url}/wiki"}


def gone(place: Place) -> Response:
    """Say that reading content by the first API was removed."""
    raise confluence(410, "GONE", "This API has been removed. Use the v2 API instead.")
