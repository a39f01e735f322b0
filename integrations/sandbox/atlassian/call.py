"""One request to a product's API as its endpoints see it, and the table that leads it there."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from integrations.sandbox.atlassian.errors import gateway
from integrations.sandbox.atlassian.identity import Identity
from integrations.sandbox.atlassian.switches import Switches
from integrations.sandbox.atlassian.world import Account, Site, World
from integrations.sandbox.http import Request, Response

Json = dict[str, Any]
Sets = tuple[tuple[str, ...], ...]
Endpoint = Callable[["Call"], Response]


@dataclass(frozen=True, slots=True)
class Call:
    """`base` is the address below which the product's paths lie, without a slash at its end."""

    request: Request
    identity: Identity
    site: Site
    world: World
    switches: Switches
    now: float
    base: str
    ids: dict[str, str] = field(default_factory=dict)

    @property
    def account(self) -> Account | None:
        return self.identity.account

    def first(self, name: str, default: str = "") -> str:
        return self.request.parameters.get(name, [default])[0]

    def number(self, name: str, default: int, most: int) -> int:
        """Return a query parameter that is a number of at least nought; another is a 400."""
        text = self.first(name, str(default))
        if not text.isascii() or not text.isdecimal():
            raise gateway(400, f"{name} must be a number")
        return min(int(text), most)

    def json(self) -> Any:
        """Return the decoded body. Raises ApiError 400."""
        try:
            return json.loads(self.request.body)
        except ValueError as error:
            raise gateway(400, "There was an error parsing JSON.") from error

    def object(self) -> Json:
        """Return the JSON object of the body. Raises ApiError 400."""
        value = self.json()
        if not isinstance(value, dict):
            raise gateway(400, "Can not deserialize the body: an object is expected.")
        return value


@dataclass(frozen=True, slots=True)
class Route:
    """`scopes` are sets of which one has to be granted whole; a classic token needs none."""

    method: str
    template: str
    endpoint: Endpoint
    scopes: Sets = ()
    cost: int = 1

    def match(self, path: str) -> dict[str, str] | None:
        found = pattern(self.template).fullmatch(path)
        return {k: unquote(v) for k, v in found.groupdict().items()} if found else None


def pattern(template: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", template))


def find(routes: Iterable[Route], method: str, path: str) -> tuple[Route, dict[str, str]] | None:
    """Return the route of a path, or of another method at it when this one has none."""
    for route in routes:
        if route.method == method and (ids := route.match(path)) is not None:
            return route, ids
    return None


def methods(routes: Iterable[Route], path: str) -> list[str]:
    return sorted({route.method for route in routes if route.match(path) is not None})
