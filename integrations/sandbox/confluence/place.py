"""One call to a Confluence site, what it may see there, and how lists go on."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from integrations.sandbox.atlassian.call import Call
from integrations.sandbox.atlassian.errors import confluence, confluence_v1
from integrations.sandbox.atlassian.world import Account
from integrations.sandbox.confluence.world import ConfluenceSite, Page, Space
from integrations.sandbox.http import Response, json_response

Json = dict[str, Any]
DEFAULT, MOST = 25, 250


@dataclass(frozen=True, slots=True)
class Place:
    """A call and the site's data."""

    call: Call
    data: ConfluenceSite

    def person(self) -> Account:
        """Return who calls. Raises ApiError 401 for a stranger or somebody of no account here."""
        account = self.call.account
        if account is None or account.account_id not in self.call.site.members:
            raise confluence(401, "UNAUTHORIZED", "Unauthorized; scope does not match")
        return account

    def spaces(self) -> list[Space]:
        who = self.person().account_id
        return [space for space in self.data.spaces.values() if who not in space.closed_to]

    def space(self) -> Space:
        for space in self.spaces():
            if space.id == self.call.ids["space"]:
                return space
        raise confluence(404, "NOT_FOUND", "Space not found")

    def sees(self, page: Page) -> bool:
        return any(space.id == page.space for space in self.spaces())

    def page(self) -> Page:
        found = self.data.pages.get(self.call.ids["page"])
        if found is None or found.status != "current" or not self.sees(found):
            raise confluence(404, "NOT_FOUND", "Page not found")
        return found

    def page_v1(self) -> Page:
        """Return the page in a path of the first API, whose refusals read otherwise."""
        self.person()
        found = self.data.pages.get(self.call.ids["page"])
        if found is None or not self.sees(found):
            raise confluence_v1(404, f"No content found with id: {self.call.ids['page']}")
        return found

    def listing(self, rows: Iterable[Json]) -> Response:
        """Cut a list by `limit` and an opaque `cursor`; the next page's link is relative."""
        found, call = list(rows), self.call
        limit = call.number("limit", DEFAULT, 10**9)
        if not 1 <= limit <= MOST:
            raise confluence(400, "INVALID_REQUEST_PARAMETER", f"limit must be 1 to {MOST}")
        start = position(call.first("cursor"))
        links: Json = {"base": f"{call.site.url}/wiki"}
        headers = {}
        if start + limit < len(found):
            kept = {
                name: values
                for name, values in call.request.parameters.items()
                if name not in {"cursor", "limit"}
            }
            query = urlencode({**kept, "limit": limit, "cursor": cursor(start + limit)}, doseq=True)
            path = call.request.path.partition("/wiki/")[2]
            links["next"] = f"/wiki/{path}?{query}"
            headers["Link"] = f'<{links["next"]}>; rel="next"'
        body = {"results": found[start : start + limit], "_links": links}
        return json_response(body, 200, headers)


def cursor(start: int) -> str:
    return base64.urlsafe_b64encode(f'{{"at":{start}}}'.encode()).decode()


def position(text: str) -> int:
    if not text:
        return 0
    try:
        inner = base64.urlsafe_b64decode(text).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        inner = ""
    number = inner.removeprefix('{"at":').removesuffix("}")
    if not number.isdecimal():
        raise confluence(400, "INVALID_REQUEST_PARAMETER", "Provided cursor is invalid")
    return int(number)
