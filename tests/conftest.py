"""What every test may ask for. The two fixtures on top replace pytest-django's of the same names.

A test that uses `db` or the mark `django_db` gets its own clone of a migrated template, so commits
are real, other processes see them, and nothing has to be undone.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from pytest_django.plugin import DjangoDbBlocker

from tests.live import LivePortal
from tests.servers import Servers, pointing_at

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def django_db_setup(
    servers: Servers, django_test_environment: None, django_db_blocker: DjangoDbBlocker
) -> None:
    """PostgreSQL runs and holds the migrated template."""
    with django_db_blocker.unblock():
        servers.start_database()


@pytest.fixture
def _django_db_helper(
    servers: Servers, django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[None]:
    """What `db` and the mark `django_db` stand on: a fresh database, an empty Valkey."""
    name = f"test_{next(_numbers)}"
    servers.clone(name)
    servers.empty_valkey()
    with django_db_blocker.unblock(), pointing_at(name):
        yield
    servers.drop(name)


@pytest.fixture(scope="session")
def live_portal(servers: Servers) -> Iterator[LivePortal]:
    """A portal with all its processes, one for the session: each journey brings its own people."""
    portal = LivePortal(servers.root)
    yield portal
    portal.stop()
