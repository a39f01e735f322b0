"""Spaces and pages of one site; identifiers are numbers that are written as text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]


@dataclass(slots=True)
class Space:
    """`closed_to` are people who do not see it."""

    id: str
    key: str
    name: str
    author: str
    created: float
    alias: str = ""
    kind: str = "global"
    status: str = "current"
    homepage: str = ""
    closed_to: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Page:
    id: str
    space: str
    title: str
    body: str
    author: str
    created: float
    parent: str = ""
    status: str = "current"
    version: int = 1
    message: str = ""
    changed: float = 0.0
    changed_by: str = ""
    labels: list[str] = field(default_factory=list)
    properties: list[Json] = field(default_factory=list)
    comments: list[Json] = field(default_factory=list)


class ConfluenceSite:
    """What one site holds."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.spaces: dict[str, Space] = {}  # by id
        self.pages: dict[str, Page] = {}  # by id
        self.last_id = 98_300
        self._now = now

    def next_id(self) -> str:
        self.last_id += 1
        return str(self.last_id)

    def add_space(self, key: str, name: str, author: str, **more: Any) -> Space:
        made = Space(self.next_id(), key, name, author, self._now(), **more)
        made.alias = made.alias or key
        self.spaces[made.id] = made
        made.homepage = self.add_page(made, f"{name} home", "<p>Welcome.</p>", author).id
        return made

    def add_page(self, space: Space, title: str, body: str, author: str, parent: str = "") -> Page:
        now = self._now()
        made = Page(
            self.next_id(), space.id, title, body, author, now, parent=parent, changed=now,
            changed_by=author,
        )  # fmt: skip
        self.pages[made.id] = made
        return made

    def titled(self, space: str, title: str) -> Page | None:
        """Find a living page of a space by its title: there is at most one."""
        for page in self.pages.values():
            if (page.space, page.title, page.status) == (space, title, "current"):
                return page
        return None
