"""Which database role speaks: web, worker, sweeper and support log in as different roles.

A process has its own role; a piece of code that needs another one says so for its duration. The
router then sends every query of that code through the role's own connection. Row-level security
and column grants, not this file, are what hold a role back.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from django.conf import settings
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

_role: ContextVar[str | None] = ContextVar("database_role", default=None)


def current() -> str:
    """The alias that queries use now."""
    return _role.get() or settings.DATABASE_ROLE


@contextmanager
def using_role(alias: str) -> Iterator[None]:
    """Queries inside go through this alias: `default` (web), `worker`, `sweeper` or `support`."""
    token = _role.set(alias)
    try:
        yield
    finally:
        _role.reset(token)


def connection() -> BaseDatabaseWrapper:
    """The database connection of the role that speaks now."""
    return connections[current()]


class RoleRouter:
    """Django's database router; all aliases are one database, so relations are always allowed."""

    def db_for_read(self, model: type, **hints: Any) -> str:
        return current()

    def db_for_write(self, model: type, **hints: Any) -> str:
        return current()

    def allow_relation(self, one: object, other: object, **hints: Any) -> bool:
        return True

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool:
        return db == "owner"
