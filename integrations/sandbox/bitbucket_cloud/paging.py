"""Pages of a list: `pagelen`, opaque `next` links, and the last page that has none.

A `next` link carries a `ctx` that only this server can read, so that nobody counts pages.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from integrations.sandbox.bitbucket_cloud import query
from integrations.sandbox.bitbucket_cloud.errors import failure

Json = dict[str, Any]


def dotted(item: Any, name: str) -> Any:
    """Look a dotted name up in a rendered item."""
    for part in name.split("."):
        if not isinstance(item, dict):
            return None
        item = item.get(part)
    return item


def anything(name: str) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Listing:
    """A whole list before it is cut into pages.

    `render` makes the JSON of one item; `value` and `is_known` serve `q` and `sort`. An uncounted
    list (commits) says neither size nor page. `hidden` fields are left out unless `fields` names
    them; `status` is 202 while the list is not complete yet.
    """

    items: Sequence[Any]
    render: Callable[[Any], Json] = lambda item: item
    value: Callable[[Any, str], Any] = dotted
    is_known: Callable[[str], bool] = anything
    default_pagelen: int = 10
    max_pagelen: int = 100
    filterable: bool = True
    counted: bool = True
    hidden: tuple[str, ...] = ()
    status: int = 200


def page(listing: Listing, parameters: dict[str, list[str]], address: str, key: str) -> Json:
    """Return one page of a listing. Raises ApiError for a bad pagelen, page, filter or sort key."""
    items = selected(listing, parameters)
    pagelen = page_length(listing, parameters)
    start = position(parameters, pagelen, f"{key}:{address}")
    if start and start >= len(items):
        raise failure(400, "Invalid page")
    answer: Json = {"values": [listing.render(item) for item in items[start : start + pagelen]]}
    answer["pagelen"] = pagelen
    if listing.counted:
        answer |= {"size": len(items), "page": start // pagelen + 1}
    if start + pagelen < len(items):
        rest = [
            (name, value)
            for name, values in parameters.items()
            if name not in {"page", "ctx"}
            for value in values
        ]
        ctx = sealed(start + pagelen, f"{key}:{address}")
        answer["next"] = f"{address}?{urlencode([*rest, ('ctx', ctx)])}"
    return answer


def selected(listing: Listing, parameters: dict[str, list[str]]) -> Sequence[Any]:
    items = listing.items
    if not listing.filterable:
        return items
    try:
        if parameters.get("q", [""])[0]:
            items = query.filtered(items, parameters["q"][0], listing.value, listing.is_known)
        if parameters.get("sort", [""])[0]:
            items = query.ordered(items, parameters["sort"][0], listing.value, listing.is_known)
    except (query.QueryRefused, TypeError) as refused:
        raise failure(400, f"Invalid query: {refused}") from refused
    return items


def page_length(listing: Listing, parameters: dict[str, list[str]]) -> int:
    text = parameters.get("pagelen", [str(listing.default_pagelen)])[0]
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= listing.max_pagelen:
        raise failure(400, "Invalid pagelen")
    return int(text)


def position(parameters: dict[str, list[str]], pagelen: int, key: str) -> int:
    if "ctx" in parameters:
        return opened(parameters["ctx"][0], key)
    text = parameters.get("page", ["1"])[0]
    if not text.isascii() or not text.isdigit() or len(text) > 9 or int(text) < 1:
        raise failure(400, "Invalid page")
    return (int(text) - 1) * pagelen


def sealed(start: int, key: str) -> str:
    """Hide a position: eight bytes of digest, then the position under a mask made from them."""
    plain = start.to_bytes(4, "big")
    mark = hashlib.blake2b(plain, key=key.encode()[-64:], digest_size=12).digest()
    mask = hashlib.blake2b(mark, key=key.encode()[-64:], digest_size=4).digest()
    hidden = bytes(a ^ b for a, b in zip(plain, mask, strict=True))
    return base64.urlsafe_b64encode(mark + hidden).decode().rstrip("=")


def opened(ctx: str, key: str) -> int:
    """Return the position in a ctx of this list. Raises ApiError for any other text."""
    try:
        raw = base64.urlsafe_b64decode(ctx + "=" * (-len(ctx) % 4))
    except ValueError as error:
        raise failure(400, "Invalid page") from error
    mask = hashlib.blake2b(raw[:12], key=key.encode()[-64:], digest_size=4).digest()
    start = int.from_bytes(bytes(a ^ b for a, b in zip(raw[12:], mask, strict=False)), "big")
    if len(raw) != 16 or sealed(start, key) != ctx:
        raise failure(400, "Invalid page")
    return start
