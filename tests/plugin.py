"""Gives the tests real servers: loaded by `-p tests.plugin`, before Django reads its settings.

The environment is set at once; PostgreSQL itself starts when the first test asks for a database
(conftest.py).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "bin")]

from tests import guard  # noqa: E402  (bin/ had to be named first)
from tests.servers import Servers  # noqa: E402

JOURNEYS = "tests/journeys"

_running = pytest.StashKey[Servers]()


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None]:
    """Valkey runs and the environment names every part before pytest-django loads the settings."""
    servers = Servers(ROOT)
    early_config.stash[_running] = servers
    early_config.add_cleanup(servers.stop)
    servers.start()
    os.environ.update(servers.environment())
    guard.watch()
    return (yield)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "live: talks to a real vendor; run by `-m live` only")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """On two cores a file's tests stay together, and so do all journeys: they share a portal."""
    for item in items:
        path = item.path.relative_to(ROOT)
        group = path.parent if path.is_relative_to(JOURNEYS) else path
        item.add_marker(pytest.mark.xdist_group(str(group)))
    items.sort(key=lambda item: not item.path.is_relative_to(ROOT / JOURNEYS))


@pytest.fixture(scope="session")
def servers(request: pytest.FixtureRequest) -> Servers:
    """The servers of this test session."""
    return request.config.stash[_running]


@pytest.fixture(autouse=True)
def _stays_on_this_machine(request: pytest.FixtureRequest) -> Generator[None]:
    """A test that reached beyond loopback fails even if the code swallowed the refusal."""
    if request.node.get_closest_marker("live"):
        with guard.lifted():
            yield
        return
    with guard.refusals() as refused:
        yield
    assert not refused, f"reached beyond loopback: {refused}"
