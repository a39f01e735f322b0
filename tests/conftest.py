"""What every test may ask for. The two fixtures on top replace pytest-django's of the same names.

A test that uses `db` or the mark `django_db` gets its own clone of a migrated template, so commits
are real, other processes see them, and nothing has to be undone.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from django.conf import settings
from django.template import Template
from django.test import override_settings
from pytest_django.plugin import DjangoDbBlocker

from connections import access
from connections.models import Connection
from portal import keyfile, keyring
from tests import keys, scenes
from tests.cases import Cast
from tests.catalogue import floor
from tests.connections.hooking import linked
from tests.scenes import Scene
from tests.servers import Servers, pointing_at
from tests.vendor import Vendor, vendor, vendor_process
from tests.works import Works

__all__ = ["floor", "vendor", "vendor_process"]

_numbers = itertools.count(1)
# How quick this machine is just now says nothing about what is tested.
hypothesis.settings.register_profile(
    "busy", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("busy")
_rendering = Template._render  # before Django's test environment wraps it


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
    servers.leave(name)


@pytest.fixture
def _django_db_helper(
    request: pytest.FixtureRequest,
    servers: Servers,
    django_db_setup: None,
    django_db_blocker: DjangoDbBlocker,
) -> Iterator[Scene | None]:
    """What `db` and the mark `django_db` stand on: a fresh database, an empty Valkey.

    A test that asks for a scene's fixture gets a clone of that scene.
    """
    name = f"test_{next(_numbers)}"
    scene = scenes.of(request)
    servers.clone(name, scenes.template(scene))
    servers.empty_valkey()
    with django_db_blocker.unblock(), pointing_at(name):
        yield scene
    servers.leave(name)


@pytest.fixture(scope="session", autouse=True)
def _quick(django_test_environment: None) -> Iterator[None]:
    """Pages in this process name static files as they lie in the source, for nothing was collected,
    and a password takes a tenth of a millisecond to hash instead of an eighth of a second. No copy
    of each template's context is kept for the test: tests read pages, as people do."""
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    storages = settings.STORAGES | {"staticfiles": plain}
    hashers = ["tests.works.QuickArgon2", *settings.PASSWORD_HASHERS[1:]]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Template, "_render", _rendering)
        with override_settings(STORAGES=storages, PASSWORD_HASHERS=hashers):
            yield


@pytest.fixture(scope="session")
def works_scene(
    servers: Servers, django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Scene:
    """Acme and its people, and the keys of their installation."""
    texts = keyring.generate()

    def make() -> tuple[dict[str, str], Works]:
        with held(texts):
            return texts, Works(Path())

    with django_db_blocker.unblock():
        return scenes.build(servers, "works", make)


@pytest.fixture
def works(db: None, _django_db_helper: Scene | None, tmp_path: Path) -> Iterator[Works]:
    """An organization with people, and a way to do what waits for workers."""
    scene = _django_db_helper
    if scene is None or not isinstance(scene.made, tuple):
        with installed(tmp_path) as made:
            yield made
        return
    texts, found, *_ = scene.again()
    found.worker_keys = written(texts, tmp_path)
    with held(texts):
        yield found


@pytest.fixture(scope="session")
def begin(
    servers: Servers,
    django_db_setup: None,
    django_db_blocker: DjangoDbBlocker,
    vendor_process: Vendor,
) -> Callable[[scenes.Making], Scene]:
    """Builds a scene from that of `works` and what is made there; each once."""

    @cache
    def build(make: scenes.Making) -> Scene:
        texts = keyring.generate()

        def made() -> tuple[dict[str, str], Works, Any, Any]:
            with held(texts), led_to(vendor_process):
                found = Works(Path())
                return texts, found, make(found, vendor_process), vendor_process.ask("/kept")

        with django_db_blocker.unblock():
            return scenes.build(servers, str(next(_numbers)), made)

    return build


@pytest.fixture(scope="session")
def account_scene(begin: Callable[[scenes.Making], Scene]) -> Scene:
    """Dana's account is linked: its repositories were read, and it may make webhooks."""
    return begin(linked)


@pytest.fixture
def account(works: Works, vendor: Vendor, account_scene: Scene) -> Connection:
    """Dana's account as Alice linked it."""
    found: Connection = account_scene.again()[2]
    return found


@pytest.fixture(scope="session")
def cast_scene(
    servers: Servers, django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Scene:
    """The people of Acme and of Globex, and the platform's."""
    with django_db_blocker.unblock():
        return scenes.build(servers, "cast", Cast)


@pytest.fixture(scope="module")
def module_works(
    module_database: None, vendor_process: Vendor, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Works]:
    """The same for a module whose tests share one database and the sandbox."""
    with led_to(vendor_process), installed(tmp_path_factory.mktemp("keys")) as made:
        yield made


@contextmanager
def led_to(vendor: Vendor) -> Iterator[None]:
    """The portal's calls come to the sandbox, which is in its first state before and after."""
    vendor.order("/reset")
    places = {"SANDBOX_ORIGINS": vendor.sandboxes, "CONNECTOR_ORIGINS": vendor.origins}
    with override_settings(**places):
        access.door.cache_clear()
        yield
    access.door.cache_clear()
    vendor.order("/reset")


@contextmanager
def installed(folder: Path) -> Iterator[Works]:
    """New keys are held, and the cast exists."""
    texts = keyring.generate()
    with held(texts):
        yield Works(written(texts, folder))


def held(texts: dict[str, str]) -> AbstractContextManager[None]:
    """Inside, this process holds all keys of the installation."""
    rings = {process: keyfile.parse(text, process) for process, text in texts.items()}
    return keys.holding(keys.everything(rings))


def written(texts: dict[str, str], folder: Path) -> Path:
    """The key files of the processes that tests start lie in the folder; the worker's."""
    for process in ("worker", "api", "ingest"):
        own = folder / f"{process}.json"
        own.write_text(texts[process])
        os.chmod(own, 0o600)
    return folder / "worker.json"
