"""What repositories need of a vendor's people, workspaces and repositories, whatever else they are.

`uuid` is what survives a rename; at Data Center it is a number.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, TypeVar

from integrations.sandbox.code.contents import Contents


class User(Protocol):
    @property
    def uuid(self) -> str: ...

    @property
    def nickname(self) -> str: ...

    @property
    def display_name(self) -> str: ...

    @property
    def email(self) -> str: ...


class Repository(Protocol):
    """`planted_on` is when its seeded history ends, empty for one that somebody made."""

    mainbranch: str | None
    updated_on: str

    @property
    def uuid(self) -> str: ...

    @property
    def slug(self) -> str: ...

    @property
    def number(self) -> int: ...

    @property
    def planted_on(self) -> str: ...


class Workspace(Protocol):
    """`founders` wrote its seeded history; `members` are known by whatever finds a user."""

    @property
    def slug(self) -> str: ...

    @property
    def founders(self) -> tuple[str, ...]: ...

    @property
    def members(self) -> Mapping[str, str]: ...


class People(Protocol):
    """Where somebody is found by anything that names them."""

    def user(self, identifier: str) -> User | None: ...


class Place(Protocol):
    """One repository with its contents, as a vendor shows it."""

    @property
    def repository(self) -> Repository: ...

    @property
    def contents(self) -> Contents: ...


W = TypeVar("W", bound=Workspace)
R = TypeVar("R", bound=Repository)
P = TypeVar("P", bound=Place)
U = TypeVar("U", bound=User)
