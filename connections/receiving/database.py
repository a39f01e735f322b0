"""One statement, one round trip, one transaction: how the ingest process speaks to PostgreSQL.

Its threads wait for senders, so they share a few lines. The driver is used as it is: Django's
wrapper is bound to a thread, and costs as much again as the statement's way there and back.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from typing import Any, Final

import psycopg
from django.db import connections

from portal import roles

log = logging.getLogger(__name__)

PATIENCE_SECONDS: Final = 5.0  # to connect, and for whoever is at the line
Rows = list[tuple[Any, ...]]


class Away(Exception):
    """The database did not do it, or did not say so; nothing may be promised."""


class Declined(Away):
    """The database is there and did not do this statement."""


class Line:
    """A connection of the role that speaks, made when it is needed, for one thread at a time."""

    def __init__(self) -> None:
        self._role = roles.current()
        self._lock = threading.Lock()
        self._raw: psycopg.Connection[tuple[Any, ...]] | None = None

    def rows(self, statement: str, values: Sequence[object]) -> Rows:
        """What the statement gives. Raises Away.

        A connection that turns out to be dead is replaced once: every statement here may run twice.
        """
        if not self._lock.acquire(timeout=PATIENCE_SECONDS):
            raise _away("Busy")
        try:
            try:
                return self._rows(statement, values)
            except psycopg.Error as error:
                if self._is_alive():
                    raise _declined(error) from None
            try:
                return self._rows(statement, values)
            except psycopg.Error as error:
                raise _away(type(error).__name__) from None
        finally:
            self._lock.release()

    def close(self) -> None:
        """Until it is used again."""
        with self._lock:
            if self._raw is not None:
                self._raw.close()

    def _rows(self, statement: str, values: Sequence[object]) -> Rows:
        if not self._is_alive():
            self._raw = _connect(self._role)
        assert self._raw is not None
        return self._raw.execute(statement, values).fetchall()

    def _is_alive(self) -> bool:
        return self._raw is not None and not self._raw.closed


def _connect(role: str) -> psycopg.Connection[tuple[Any, ...]]:
    """What is sent and read are Python's own types, not Django's."""
    known = connections[role].get_connection_params()
    wanted = {"connect_timeout": int(PATIENCE_SECONDS)} | known
    for of_django in ("cursor_factory", "context"):
        wanted.pop(of_django, None)
    return psycopg.connect(autocommit=True, **wanted)


def _declined(error: Exception) -> Declined:
    log.error("ingest.database_declined", extra={"error": type(error).__name__})
    return Declined(type(error).__name__)


def _away(reason: str) -> Away:
    log.error("ingest.database_away", extra={"error": reason})
    return Away(reason)
