"""What many tests begin with: built once in a session, by the flows, and cloned for each test.

A test still gets a database of its own that nobody else has touched. What a scene holds in Python
is copied for each test, because tests change what they are given.

A module whose tests begin alike says so by `@scenes.begun` on the fixture that makes it.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.servers import TEMPLATE, Servers, pointing_at
from tests.vendor import Vendor
from tests.works import Works

# Fixtures that begin on the scene of the session's fixture `<name>_scene`.
NAMES = ("account", "works", "cast")
Making = Callable[[Works, Vendor], Any]
_begun: dict[int, Making] = {}  # by the identity of the fixture


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


def begun(make: Making) -> Any:
    """A fixture of a module whose tests begin where `make` ends: it is called once. The sandbox
    knows what it granted then."""

    @pytest.fixture
    def beginning(works: Works, vendor: Vendor, _django_db_helper: Scene) -> Any:
        *_, made, kept = _django_db_helper.again()
        vendor.order("/kept", **kept)
        return made

    _begun[id(beginning)] = make
    return beginning


def of(request: pytest.FixtureRequest) -> Scene | None:
    """The scene that this test's database is a clone of; None begins with an empty one."""
    fixtures = (getattr(request.module, name, None) for name in request.fixturenames)
    if make := next((_begun[id(one)] for one in fixtures if id(one) in _begun), None):
        return request.getfixturevalue("begin")(make)  # type: ignore[no-any-return]
    wanted = next((name for name in NAMES if name in request.fixturenames), None)
    found: Scene | None = request.getfixturevalue(f"{wanted}_scene") if wanted else None
    return found


def template(scene: Scene | None) -> str:
    return scene.name if scene else TEMPLATE
