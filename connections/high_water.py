"""High-water marks outside the database: what was last received for each connection.

A database restored from a backup does not know that its refresh tokens were spent since. The marks
lie in a small SQLite file on the worker's own volume and are compared with the database when a
worker starts (`flows/restore.py`). They hold ids, names, numbers and times, no secret.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from uuid import UUID

from django.conf import settings

log = logging.getLogger(__name__)

_lock = threading.Lock()

_TABLE = """
CREATE TABLE IF NOT EXISTS mark (
    connection TEXT PRIMARY KEY, organization TEXT NOT NULL, name TEXT NOT NULL,
    credential TEXT NOT NULL, generation INTEGER NOT NULL, received_at TEXT NOT NULL,
    linked_at TEXT NOT NULL, revoked INTEGER NOT NULL) WITHOUT ROWID
"""
# A newer link, or what the same one received later; a revocation is the last word on its link.
_RISE = """
INSERT INTO mark VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (connection) DO UPDATE SET
    credential = excluded.credential, generation = excluded.generation, name = excluded.name,
    received_at = excluded.received_at, linked_at = excluded.linked_at, revoked = excluded.revoked
WHERE (excluded.linked_at, excluded.revoked, excluded.received_at)
    > (mark.linked_at, mark.revoked, mark.received_at)
"""


@dataclass(frozen=True, slots=True)
class Mark:
    """How far one connection had come: which credential, its generation, and since when."""

    connection_id: UUID
    organization_id: UUID
    name: str
    credential_id: UUID
    generation: int
    received_at: datetime
    linked_at: datetime
    revoked: bool = False


def rise(marks: Iterable[Mark]) -> None:
    """The marks stand at least this high, on disk. Call it after the commit.

    A disk that cannot be written is logged and does not stop the work: what is lost is the warning
    after a restore, which `doctor` says.
    """
    try:
        with _lock, _kept_open(path()) as file:
            file.executemany(_RISE, map(_row, marks))
    except (sqlite3.Error, OSError) as error:
        _kept_open.cache_clear()
        log.error("high_water.not_written", extra={"error": str(error)[:200]})


def lower(connection_ids: Iterable[UUID]) -> None:
    """These connections have no mark any more: what it warned of was told."""
    with closing(_opened()) as file, file:
        file.executemany(
            "DELETE FROM mark WHERE connection = ?", [(str(one),) for one in connection_ids]
        )


def forget(organization_id: UUID) -> None:
    """The organization has no mark any more: it was erased."""
    if not path().exists():
        return
    with closing(_opened()) as file, file:
        file.execute("DELETE FROM mark WHERE organization = ?", (str(organization_id),))


def standing() -> Iterator[Mark]:
    """Every mark, an organization's together; raises OSError when the file cannot be read."""
    if not path().exists():
        return
    try:
        with closing(_opened()) as file:
            for row in file.execute("SELECT * FROM mark ORDER BY organization, connection"):
                yield _mark(row)
    except sqlite3.Error as error:
        raise OSError(f"The high-water marks {path()} cannot be read ({error}).") from error


def path() -> Path:
    return Path(settings.HIGH_WATER_FILE)


@lru_cache(maxsize=1)
def _kept_open(path: Path) -> sqlite3.Connection:
    """The file for this process's writings, one thread at a time."""
    return _opened()


def _opened() -> sqlite3.Connection:
    path().parent.mkdir(parents=True, exist_ok=True)
    file = sqlite3.connect(path(), timeout=10, check_same_thread=False)
    file.execute("PRAGMA journal_mode = WAL")
    file.execute("PRAGMA synchronous = FULL")
    file.execute(_TABLE)
    return file


def _row(mark: Mark) -> tuple[str | int, ...]:
    return (
        str(mark.connection_id),
        str(mark.organization_id),
        mark.name,
        str(mark.credential_id),
        mark.generation,
        mark.received_at.isoformat(timespec="microseconds"),
        mark.linked_at.isoformat(timespec="microseconds"),
        int(mark.revoked),
    )


def _mark(row: tuple[str | int, ...]) -> Mark:
    connection, organization, name, credential, generation, received_at, linked_at, revoked = row
    return Mark(
        connection_id=UUID(str(connection)),
        organization_id=UUID(str(organization)),
        name=str(name),
        credential_id=UUID(str(credential)),
        generation=int(generation),
        received_at=datetime.fromisoformat(str(received_at)),
        linked_at=datetime.fromisoformat(str(linked_at)),
        revoked=bool(revoked),
    )
