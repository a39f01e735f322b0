"""What the benchmarks play on: real servers whose commits reach the disk, and a database."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.db import connections
from launcher.postgres import Postgres

from tests.servers import Servers, pointing_at

ROOT = Path(__file__).resolve().parents[2]
DATABASE = "portal_bench"


def database_name() -> str:
    """The database that every alias leads to at present."""
    return str(connections["default"].settings_dict["NAME"])


class DurableServers(Servers):
    """As in the tests, but each commit reaches the disk: the price is part of what is measured."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.postgres = Postgres(self.layout)


@contextmanager
def servers() -> Iterator[DurableServers]:
    """PostgreSQL and Valkey run and the environment names them; all gone afterwards."""
    running = DurableServers(ROOT)
    try:
        running.start()
        os.environ.update(running.environment())
        yield running
    finally:
        running.stop()


@contextmanager
def database(running: Servers) -> Iterator[None]:
    """A migrated database of this benchmark's own, that every alias leads to."""
    running.clone(DATABASE)
    with pointing_at(DATABASE):
        yield
    running.drop(DATABASE)
