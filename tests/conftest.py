"""What every test may ask for. The two fixtures on top replace pytest-django's of the same names.

A test that uses `db` or the mark `django_db` gets its own clone of a migrated template, so commits
are real, other processes see them, and nothing has to be undone.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.conf import settings
from django.test import override_settings
from pytest_django.plugin import DjangoDbBlocker

from connections import access
from portal import keyfile, keyring
from tests import keys
from tests.catalogue import floor
from tests.live import LivePortal
from tests.servers import Servers, pointing_at
from tests.vendor import VENDORS, Vendor, vendor, vendor_process
from tests.works import Works

__all__ = ["floor", "vendor", "vendor_process"]

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def django_db_setup(
    servers: Servers, django_test_environment: None, django_db_blocker: DjangoDbBlocker
) -> None:
    """PostgreSQL runs and holds the migrated template."""
    with django_db_blocker.unblock():
        servers.start_database()


@pytest.fixture(scope="module")
def module_database(
    servers: Servers, django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[None]:
    """One database for a module whose tests may see each other's rows; they do not ask for `db`."""
    name = f"test_{next(_numbers)}"
    servers.clone(name)
    servers.empty_valkey()
    with django_db_blocker.unblock(), pointing_at(name):
        yield
    servers.drop(name)


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


@pytest.fixture(scope="session", autouse=True)
def _quick() -> Iterator[None]:
    """Pages in this process name static files as they lie in the source, for nothing was collected,
    and a password takes a tenth of a millisecond to hash instead of an eighth of a second."""
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    storages = settings.STORAGES | {"staticfiles": plain}
    hashers = ["tests.works.QuickArgon2", *settings.PASSWORD_HASHERS[1:]]
    with override_settings(STORAGES=storages, PASSWORD_HASHERS=hashers):
        yield


@pytest.fixture(scope="session")
def live_portal(servers: Servers) -> Iterator[LivePortal]:
    """A portal with all its processes, one for the session: each journey brings its own people."""
    portal = LivePortal(servers.root)
    yield portal
    portal.stop()


@pytest.fixture
def works(db: None, tmp_path: Path) -> Iterator[Works]:
    """An organization with people, and a way to do what waits for workers."""
    with installed(tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def module_works(
    module_database: None, vendor_process: Vendor, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Works]:
    """The same for a module whose tests share one database and the sandbox."""
    vendor_process.order("/reset")
    leading = dict.fromkeys(VENDORS, vendor_process.url)
    with override_settings(SANDBOX_ORIGINS=[vendor_process.url], CONNECTOR_ORIGINS=leading):
        access.door.cache_clear()
        with installed(tmp_path_factory.mktemp("keys")) as made:
            yield made
    access.door.cache_clear()


@contextmanager
def installed(folder: Path) -> Iterator[Works]:
    """New keys are held, and the cast exists."""
    texts = keyring.generate()
    rings = {process: keyfile.parse(text, process) for process, text in texts.items()}
    for process in ("worker", "api"):
        own = folder / f"{process}.json"
        own.write_text(texts[process])
        os.chmod(own, 0o600)
    worker_file = folder / "worker.json"
    with keys.holding(keys.everything(rings)):
        yield Works(worker_file)
