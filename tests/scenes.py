"""What many tests begin with: built once in a session, by the flows, and cloned for each test.

A test still gets a database of its own that nobody else has touched. What a scene holds in Python
is copied for each test, because tests change what they are given.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.servers import TEMPLATE, Servers, pointing_at

# Fixtures that begin on the scene of the session's fixture `<name>_scene`.
NAMES = ("account", "works", "cast")


@dataclass(frozen=True, slots=True)
class Scene:
    """A database to clone, and what its making returned."""

    name: str
    made: Any

    def again(self) -> Any:
        """What was made, as it was then."""
        return copy.deepcopy(self.made)


def build(servers: Servers, name: str, make: Callable[[], Any]) -> Scene:
    """The scene of this name, made on a fresh clone of the migrated template."""
    database = f"scene_{name}"
    servers.clone(database)
    with pointing_at(database):
        return Scene(database, make())


def of(request: pytest.FixtureRequest) -> Scene | None:
    """The scene that this test's database is a clone of; None begins with an empty one."""
    wanted = next((name for name in NAMES if name in request.fixturenames), None)
    found: Scene | None = request.getfixturevalue(f"{wanted}_scene") if wanted else None
    return found


def template(scene: Scene | None) -> str:
    return scene.name if scene else TEMPLATE
