"""Rows of the journeys' database, read and written as its administrator: for what no page tells."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import psycopg
from launcher.postgres import SUPERUSER

from tests.live import LivePortal

Rows = list[tuple[Any, ...]]


@contextmanager
def database(portal: LivePortal) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    """Row security does not bind the administrator, nor do triggers while it fills tables."""
    parts = urlsplit(portal.environment["DATABASE_URL"])
    with psycopg.connect(
        host=parse_qs(parts.query)["host"][0],
        user=SUPERUSER,
        dbname=parts.path.strip("/"),
        autocommit=True,
        options="-c session_replication_role=replica",
    ) as connection:
        yield connection


def asked(portal: LivePortal, query: str, *values: object) -> Rows:
    with database(portal) as connection:
        found = connection.execute(query.encode(), values)
        return found.fetchall() if found.description else []
