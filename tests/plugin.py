"""Gives the tests real servers: loaded by `-p tests.plugin`, before Django reads its settings.

The environment is set at once; PostgreSQL itself starts when the first test asks for a database
(conftest.py).
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadFileScheduling

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "bin")]

from tests import guard  # noqa: E402  (bin/ had to be named first)
from tests.servers import Servers  # noqa: E402

JOURNEYS = "tests/journeys/"
PROOFS = "tests/prove/"
# What mostly waits: for leases to end, for sweeps, for clocks that run faster.
PATIENT = (
    *(PROOFS, "tests/connections/test_work_processes.py"),
    *("tests/abuse/test_queue_Q", "tests/connections/test_crashes"),
    *("tests/portal/test_key_crashes.py", "tests/portal/test_notices_mail.py"),
)
# What one worker is busy with for long: begun last, it would leave the other core idle at the end.
LONG = (
    *("tests/test_urls.py", "tests/abuse/test_forms_F.py", "tests/abuse/test_text_X.py"),
    *("tests/portal/test_components.py", "tests/upgrades/", "tests/test_tenancy", "tests/bench/"),
)
YOUNG = (10_000, 20, 20)  # objects, then rounds, until the collector looks

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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Journeys and proofs come first, as one worker is busy with them for minutes, then other long
    files: what is small is left for the end, when all workers are to be done at once."""
    first = (JOURNEYS, PROOFS, *LONG)
    places = {item: [item.nodeid.startswith(part) for part in first] for item in items}
    items.sort(key=lambda item: places[item], reverse=True)


def pytest_collection_finish() -> None:
    """What is there before the first test stays, so it is not searched for garbage each time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*YOUNG)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling:
    return ByFile(config, log)


class ByFile(LoadFileScheduling):  # type: ignore[misc]  # xdist has no types
    """On two cores a file's tests stay together, and so do all journeys: they share a portal. Each
    proof stands on a stage of its own, and alone.

    Of several workers the last takes what mostly waits, and joins the others when that is done.
    """

    def _split_scope(self, nodeid: str) -> str:
        if nodeid.startswith(PROOFS):
            return nodeid
        file = nodeid.partition("::")[0]
        return JOURNEYS if file.startswith(JOURNEYS) else file

    def _is_patient(self, node: Any) -> bool:
        return len(self.nodes) > 2 and node is self.nodes[-1]

    def _next_for(self, node: Any) -> str | None:
        """The file that this worker takes next: of its own sort while there are such."""
        wanted = self._is_patient(node)
        fitting = (scope for scope in self.workqueue if scope.startswith(PATIENT) is wanted)
        return next(fitting, None)

    def _reschedule(self, node: Any) -> None:
        """A worker takes a file when it is free for it. xdist's takes one while it still has two
        tests to run, and when these are long the file waits though others are idle."""
        if not self.workqueue or self._pending_of(self.assigned_work[node]) <= 1:
            super()._reschedule(node)

    def _assign_work_unit(self, node: Any) -> None:
        if scope := self._next_for(node):
            self.workqueue.move_to_end(scope, last=False)
        super()._assign_work_unit(node)


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
