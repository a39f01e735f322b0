"""What Confluence lets one write: pages, their labels and properties, comments."""

from __future__ import annotations

import re
from typing import Any

from integrations.sandbox.atlassian.errors import confluence, confluence_v1
from integrations.sandbox.confluence import render
from integrations.sandbox.confluence.place import Place
from integrations.sandbox.confluence.world import Page
from integrations.sandbox.http import Response, json_response

Json = dict[str, Any]
LONGEST = 5 * 1024 * 1024
FORMATS = {"storage", "atlas_doc_format", "wiki"}
FORBIDDEN = re.compile(r"[:;.,?&\[\]()#^*@!'`]")


def nothing() -> Response:
    return Response(204)


def create(place: Place) -> Response:
    wish = checked(place)
    space = place.data.spaces.get(str(wish.get("spaceId", "")))
    if space is None or space not in place.spaces():
        raise confluence(404, "NOT_FOUND", "Space not found")
    title = str(wish.get("title") or "")
    if not title:
        raise confluence(400, "INVALID_REQUEST_PARAMETER", "A page must have a title")
    if place.data.titled(space.id, title):
        said = "A page with this title already exists: A page already exists with the same TITLE"
        raise confluence(400, "INVALID_REQUEST_PARAMETER", f"{said} in this space")
    parent = str(wish.get("parentId") or space.homepage)
    made = place.data.add_page(space, title, text(wish), place.person().account_id, parent)
    return json_response(render.page(made, "storage"))


def update(place: Place) -> Response:
    """Update a page; the version has to be the next one, or it is a conflict."""
    page, wish = place.page(), checked(place)
    for name in ("id", "status", "title", "body", "version"):
        if not wish.get(name):
            raise confluence(400, "INVALID_REQUEST_PARAMETER", f"'{name}' must not be null")
    if str(wish["id"]) != page.id:
        raise confluence(400, "INVALID_REQUEST_PARAMETER", "Page ids do not match")
    given = wish["version"].get("number")
    switches = place.call.switches
    if switches.edit_conflicts > 0:
        switches.edit_conflicts -= 1
        raise confluence(409, "CONFLICT", "Version conflict: the page was updated meanwhile")
    if given != page.version + 1:
        raise stale("page", page.version, given)
    other = place.data.titled(page.space, str(wish["title"]))
    if other is not None and other is not page:
        raise confluence(409, "CONFLICT", "A page already exists with the same title")
    page.title, page.body = str(wish["title"]), text(wish)
    page.version, page.message = given, str(wish["version"].get("message") or "")
    page.changed, page.changed_by = place.call.now, place.person().account_id
    return json_response(render.page(page, "storage"))


def stale(what: str, current: int, given: object) -> Exception:
    said = f"Version must be incremented when updating a {what}."
    title = f"{said} Current Version: [{current}]. Provided version: [{given}]"
    return confluence(409, "CONFLICT", title)


def checked(place: Place) -> Json:
    if len(place.call.request.body) > LONGEST:
        raise confluence(413, "PAYLOAD_TOO_LARGE", "The request is too large")
    return place.call.object()


def text(wish: Json) -> str:
    body: Any = wish.get("body") or {}
    if isinstance(body, dict) and "representation" in body:
        if body["representation"] not in FORMATS:
            raise confluence(400, "INVALID_REQUEST_PARAMETER", "Unknown representation")
        return str(body.get("value") or "")
    nested = body.get("storage") if isinstance(body, dict) else None
    return str(nested.get("value") or "") if isinstance(nested, dict) else ""


def delete(place: Place) -> Response:
    place.page().status = "trashed"
    return nothing()


# ── properties and comments ───────────────────────────────────────────────────────────────────


def add_property(place: Place) -> Response:
    page, wish = place.page(), place.call.object()
    key = str(wish.get("key") or "")
    if not key or any(each["key"] == key for each in page.properties):
        said = f"Property with key {key} already exists" if key else "'key' must not be null"
        raise confluence(400, "INVALID_REQUEST_PARAMETER", said)
    made = {
        "id": place.data.next_id(),
        "key": key,
        "value": wish.get("value"),
        "version": property_version(place, 1),
    }
    page.properties.append(made)
    return json_response(made)


def change_property(place: Place) -> Response:
    wish, found = place.call.object(), one_property(place)
    given = (wish.get("version") or {}).get("number")
    if given != found["version"]["number"] + 1:
        raise stale("property", found["version"]["number"], given)
    found |= {"value": wish.get("value"), "version": property_version(place, given)}
    return json_response(found)


def remove_property(place: Place) -> Response:
    place.page().properties.remove(one_property(place))
    return nothing()


def one_property(place: Place) -> Json:
    for each in place.page().properties:
        if each["id"] == place.call.ids["property"]:
            return each
    raise confluence(404, "NOT_FOUND", "Property not found")


def property_version(place: Place, number: int) -> Json:
    return {
        "createdAt": render.moment(place.call.now),
        "message": "",
        "number": number,
        "minorEdit": False,
        "authorId": place.person().account_id,
    }


def comment(place: Place) -> Response:
    wish = checked(place)
    page = place.data.pages.get(str(wish.get("pageId", "")))
    if page is None or not place.sees(page):
        raise confluence(404, "NOT_FOUND", "Page not found")
    made = {
        "id": place.data.next_id(),
        "status": "current",
        "title": f"Re: {page.title}",
        "pageId": page.id,
        "version": property_version(place, 1),
        "body": {"storage": {"representation": "storage", "value": text(wish)}},
        "_links": {"webui": f"/pages/viewpage.action?pageId={page.id}"},
    }
    page.comments.append(made)
    return json_response(made, 201)


# ── labels, which only the first API writes ───────────────────────────────────────────────────


def add_labels(place: Place) -> Response:
    """Add labels; one with a space in it becomes several, as there."""
    page, wish = place.page_v1(), place.call.json()
    rows = wish if isinstance(wish, list) else [wish]
    for row in rows:
        name = str(row.get("name") or "") if isinstance(row, dict) else ""
        if not name or FORBIDDEN.search(name):
            raise confluence_v1(400, f"Invalid label name: {name}")
        for part in name.lower().split():
            if part not in page.labels:
                page.labels.append(part)
    return json_response(label_list(place, page))


def label_list(place: Place, page: Page) -> Json:
    found = [
        {**render.label(name, 500 + number), "label": name}
        for number, name in enumerate(page.labels)
    ]
    links = {"self": f"{place.call.base}/wiki/rest/api/content/{page.id}/label"}
    return {
        "results": found,
        "start": 0,
        "limit": 200,
        "size": len(found),
        "_links": links,
    }


def remove_label(place: Place) -> Response:
    page, name = place.page_v1(), place.call.ids.get("label") or place.call.first("name")
    if name not in page.labels:
        raise confluence_v1(404, "The label does not exist on this content")
    page.labels.remove(name)
    return nothing()
