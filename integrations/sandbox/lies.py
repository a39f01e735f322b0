"""Answers that look right and are not: spoiled bodies and dishonest `next` links."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from integrations.sandbox.http import Request, Response, json_response

JSON_HEADERS = {"Content-Type": "application/json; charset=utf-8"}
MESSAGES = {
    400: "Bad request",
    401: "Token is invalid, expired, or not supported for this endpoint.",
    402: "This feature is not part of your plan.",
    403: "Forbidden",
    404: "Resource not found",
    451: "Unavailable for legal reasons",
}
LISTS = ("values", "results", "issues", "edges", "spaces", "data")  # what a page's list is called
WRONG_VALUES: dict[type, Any] = {str: 17, int: "seventeen", bool: "yes", dict: [], list: {}}


def error(code: int) -> Response:
    """Answer in Bitbucket's error envelope; 410 is the answer of its removed endpoints."""
    if code == 410:
        return gone("CHANGE-2770")
    message = MESSAGES.get(code, "Something went wrong")
    return json_response({"type": "error", "error": {"message": message}}, code)


def gone(change: str) -> Response:
    place = {
        "announcement_url": f"https://developer.atlassian.com/cloud/bitbucket/changelog#{change}"
    }
    inner = {
        "message": f"{change} - Functionality has been deprecated",
        "detail": "Please read the changelog entry for more details.",
        "data": place,
    }
    return json_response({"type": "error", "error": inner, "data": place}, 410)


def raw(response: Response, text: str) -> Response:
    return Response(response.status, text.encode(), {**response.headers, **JSON_HEADERS})


def changed(response: Response, change: Callable[[Any], Any]) -> Response:
    """Apply `change` to the decoded body; what is not JSON stays as it is."""
    try:
        value = json.loads(response.body)
    except ValueError:
        return response
    return raw(response, json.dumps(change(value), ensure_ascii=False))


def listing(value: Any) -> tuple[dict[str, Any], str] | None:
    """Return the object that holds a page's list, and what the vendor calls the list there."""
    waiting = [value]
    for one in waiting:
        if isinstance(one, dict):
            for name in LISTS:
                if isinstance(one.get(name), list):
                    return one, name
            waiting.extend(one.values())
    return None


def items(change: Callable[[dict[str, Any]], Any]) -> Callable[[Response], Response]:
    """Spoil every second item of a page, or the object itself when the answer is no page."""

    def spoil(value: Any) -> Any:
        found = listing(value)
        if found is None:
            return change(value)
        page, name = found
        page[name] = [
            inside(change, item) if index % 2 == 0 else item
            for index, item in enumerate(page[name])
        ]
        return value

    return lambda response: changed(response, spoil)


def inside(change: Callable[[dict[str, Any]], Any], item: Any) -> Any:
    """Change an item; in GraphQL it is the node that an edge leads to."""
    if isinstance(item, dict) and isinstance(item.get("node"), dict):
        return {**item, "node": change(item["node"])}
    return change(item)


def wrong_types(item: dict[str, Any]) -> dict[str, Any]:
    return {name: WRONG_VALUES.get(type(value), value) for name, value in item.items()}


def null_values(item: dict[str, Any]) -> dict[str, Any]:
    return dict.fromkeys(item)


def without_uuid(item: dict[str, Any]) -> dict[str, Any]:
    """Leave out what identifies the item: Cloud's uuid, Data Center's id."""
    kept = {name: value for name, value in item.items() if name != "uuid"}
    return {n: v for n, v in kept.items() if n != "id"} if "uuid" not in item else kept


def foreign(item: dict[str, Any]) -> dict[str, Any]:
    """Claim that the item belongs to another workspace."""
    if isinstance(item.get("project"), dict) and "id" in item["project"]:  # a Data Center's
        return {**item, "project": {**item["project"], "id": 999_999, "key": "ELSEWHERE"}}
    elsewhere = {"type": "workspace", "uuid": "{00000000-0000-4000-8000-00000000dead}"}
    slug = str(item.get("full_name", "x/x")).rpartition("/")[2]
    return {**item, "full_name": f"elsewhere/{slug}", "workspace": elsewhere}


def twice(response: Response) -> Response:
    """Say every key of the outermost object twice, the second time with null."""
    text = response.body.decode()
    keys = json.loads(text)
    extra = "".join(f", {json.dumps(key)}: null" for key in keys) if isinstance(keys, dict) else ""
    return raw(response, text.rstrip()[:-1] + extra + "}")


def listed(spoil: Callable[[dict[str, Any], str], object]) -> Callable[[Response], Response]:
    """Spoil the list of a page where it stands."""

    def change(value: Any) -> Any:
        found = listing(value)
        if found is not None:
            spoil(*found)
        return value

    return lambda response: changed(response, change)


def instead(other: Any) -> Callable[[Response], Response]:
    return listed(lambda page, name: page.update({name: other}))


def next_number(page: dict[str, Any], name: str) -> None:
    """Say in each way that pages are named that the next one is where none can be."""
    page.update(next=17, isLastPage=False, nextPageStart="seventeen")
    if isinstance(page.get("pageInfo"), dict):
        page["pageInfo"] |= {"hasNextPage": True, "endCursor": 17}


def whole(text: str) -> Callable[[Response], Response]:
    return lambda response: raw(response, text)


LIES: dict[str, Callable[[Response], Response]] = {
    "wrong_types": items(wrong_types),
    "null_values": items(null_values),
    "no_uuid": items(without_uuid),
    "null_name": items(lambda item: {**item, "name": None}),
    "big_description": items(lambda item: {**item, "description": "d" * 1024 * 1024}),
    "extra_fields": items(lambda item: {**item, "is_staff": True, "новое": {"a": [1]}}),
    "foreign_workspace": items(foreign),
    "strings_for_items": items(lambda item: "not an object"),
    "duplicate_items": listed(lambda page, name: page.update({name: page[name] * 2})),
    "duplicate_keys": twice,
    "values_missing": listed(lambda page, name: page.pop(name)),
    "values_null": instead(None),
    "values_object": instead({"0": {}}),
    "values_empty": listed(lambda page, name: page.update({name: [], "size": 0})),
    "next_number": listed(next_number),
    "array": whole("[]"),
    "string": whole('"ok"'),
    "number": whole("42"),
    "null": whole("null"),
    "true": whole("true"),
    "nan": whole('{"values": [], "size": NaN, "page": Infinity, "pagelen": 1e999}'),
    "giant_number": whole('{"values": [], "size": 1' + "0" * 400 + "}"),
    "deep": whole('{"values": ' + "[" * 100_000 + "]" * 100_000 + "}"),
    "truncated": lambda response: raw(response, response.body.decode()[: len(response.body) // 2]),
    "surrogate": whole('{"values": [{"name": "\\ud800", "slug": "a\\u0000b"}]}'),
}


# ── Pages that lead astray: (answer, request, how often this fault has struck) → answer ──


def leading(response: Response, link: str) -> Response:
    return changed(response, lambda value: {**value, "next": link})


def next_foreign(response: Response, request: Request, hit: int) -> Response:
    return leading(response, f"http://127.0.0.2:9{request.path}?ctx=stolen")


def next_self(response: Response, request: Request, hit: int) -> Response:
    return leading(response, f"{request.origin}{request.path}?{request.query}")


def next_loop(response: Response, request: Request, hit: int) -> Response:
    """Go round in a ring of three pages."""
    return leading(response, f"{request.origin}{request.path}?page=1&ring={hit % 3}")


def next_endless(response: Response, request: Request, hit: int) -> Response:
    return leading(response, f"{request.origin}{request.path}?page=1&never={hit}")


NEXT: dict[str, Callable[[Response, Request, int], Response]] = {
    "next_foreign": next_foreign,
    "next_self": next_self,
    "next_loop": next_loop,
    "next_endless": next_endless,
}
