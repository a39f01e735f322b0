"""Tombstones of erased organizations, in the database and in a small file outside it.

A backup from before an erasure still has the wrapped data keys. Whoever restores it is told by the
file, which must not be restored with it: a worker destroys the keys again before its first job, and
web and api processes do not start until that was done. A tombstone is chained by HMAC under the
key `index`, so that nobody without it can bury an organization through the file.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from django.conf import settings

from portal import keyring, roles
from portal.keys import IndexKey, lp
from portal.models import Tombstone
from portal.phrases import plural
from portal.problem import Problem

GENESIS: Final = bytes(32)
LOCK: Final = 0x746F_6D62

_TABLE = """
CREATE TABLE IF NOT EXISTS tombstone (
    erased TEXT PRIMARY KEY, sequence INTEGER NOT NULL, keys TEXT NOT NULL, at TEXT NOT NULL,
    previous BLOB NOT NULL, hash BLOB NOT NULL) WITHOUT ROWID
"""


class Forged(Exception):
    """A tombstone in the file was not made by this installation."""


@dataclass(frozen=True, slots=True)
class Stone:
    """One tombstone as the file has it."""

    erased_id: UUID
    sequence: int
    keys: list[dict[str, Any]]
    at: datetime
    previous_hash: bytes
    hash: bytes


def path() -> Path:
    return Path(settings.TOMBSTONE_FILE)


# ── In the database ───────────────────────────────────────────────────────────────────────────


def bury(erased_id: UUID, keys: list[dict[str, Any]], at: datetime) -> Tombstone:
    """The organization's tombstone, at the end of the chain. Inside the destroying transaction."""
    with roles.connection().cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
    last = Tombstone.objects.order_by("-sequence").first()
    previous = bytes(last.hash) if last else GENESIS
    sequence = last.sequence + 1 if last else 1
    return Tombstone.objects.create(
        sequence=sequence,
        erased_id=erased_id,
        keys=keys,
        at=at,
        previous_hash=previous,
        hash=_chained(previous, sequence, erased_id, keys, at),
    )


def _chained(
    previous: bytes, sequence: int, erased_id: UUID, keys: list[dict[str, Any]], at: datetime
) -> bytes:
    _, key = keyring.current().find(IndexKey, "index")
    said = json.dumps(keys, sort_keys=True, separators=(",", ":"))
    when = at.isoformat()
    return key.digest(lp("portal/v1/tombstone", previous, sequence, erased_id, said, when))


def verify() -> tuple[int, str]:
    """How many tombstones of the database are in order, and what is wrong with the next."""
    previous, expected = GENESIS, 1
    for stone in Tombstone.objects.order_by("sequence"):
        right = _chained(previous, expected, stone.erased_id, stone.keys, stone.at)
        if stone.sequence != expected or bytes(stone.previous_hash) != previous:
            return expected - 1, "a tombstone is missing"
        if bytes(stone.hash) != right:
            return expected - 1, "a tombstone was changed"
        previous, expected = right, expected + 1
    return expected - 1, ""


# ── Outside the database ──────────────────────────────────────────────────────────────────────


def begin() -> None:
    """The file is there, empty if it is new. Raises OSError."""
    try:
        path().parent.mkdir(parents=True, exist_ok=True)
        _opened().close()
    except sqlite3.Error as error:
        raise OSError(f"The tombstones {path()} cannot be written ({error}).") from error


def adopt() -> int:
    """The file is there, with what the database knows; how many it has. Raises OSError."""
    begin()
    write_down()
    return len(list(standing()))


def missing() -> Iterator[Problem]:
    """A file that is not there would say that nothing was ever erased."""
    if not path().exists():
        yield Problem(
            f"The file of tombstones {path()} is missing.",
            "Bring it from where it was, or set TOMBSTONE_FILE. If there never was one or it is"
            " lost, `manage.py keys adopt_tombstones` begins it with what the database knows.",
        )


def behind() -> Iterator[Problem]:
    """The file lacks what was erased last: a backup restored from before that would not be told."""
    if not path().exists():
        return
    try:
        known = {stone.erased_id for stone in standing()}
    except OSError:
        return  # `unapplied` says so
    lacking = Tombstone.objects.exclude(erased_id__in=known).order_by("-at")
    newest = lacking.first()
    if newest is not None:
        what = plural(lacking.count(), "erased organization")
        yield Problem(
            f"The file of tombstones {path()} lacks {what}, the last of"
            f" {newest.at:%Y-%m-%d %H:%M} UTC.",
            "Start a worker, or run `manage.py keys apply_tombstones`: either writes them down.",
        )


def write_down() -> None:
    """The file has every tombstone of the database; raises OSError when it cannot be written."""
    rows = [
        (str(s.erased_id), s.sequence, json.dumps(s.keys), s.at.isoformat(),
         bytes(s.previous_hash), bytes(s.hash))
        for s in Tombstone.objects.all()
    ]  # fmt: skip
    if not rows:
        return
    try:
        path().parent.mkdir(parents=True, exist_ok=True)
        with closing(_opened()) as file, file:
            file.executemany("INSERT OR IGNORE INTO tombstone VALUES (?, ?, ?, ?, ?, ?)", rows)
    except sqlite3.Error as error:
        raise OSError(f"The tombstones {path()} cannot be written ({error}).") from error


def standing() -> Iterator[Stone]:
    """Every tombstone of the file; raises OSError when it cannot be read."""
    if not path().exists():
        return
    try:
        with closing(_opened()) as file:
            rows = file.execute("SELECT * FROM tombstone ORDER BY sequence, erased").fetchall()
    except sqlite3.Error as error:
        raise OSError(f"The tombstones {path()} cannot be read ({error}).") from error
    for erased, sequence, keys, at, previous, digest in rows:
        yield Stone(
            UUID(erased), sequence, json.loads(keys), datetime.fromisoformat(at), previous, digest
        )


def _opened() -> sqlite3.Connection:
    file = sqlite3.connect(path(), timeout=10)
    file.execute("PRAGMA synchronous = FULL")
    file.execute(_TABLE)
    return file


def unknown() -> list[Stone]:
    """Tombstones of the file that this database does not have: it is older than they are."""
    stones = {stone.erased_id: stone for stone in standing()}
    if not stones:
        return []
    with roles.connection().cursor() as cursor:
        cursor.execute("SELECT portal_unburied(%s::uuid[])", [list(stones)])
        return [stones[row[0]] for row in cursor.fetchall()]


def require_ours(stone: Stone) -> None:
    """Raises Forged unless this installation made the tombstone."""
    right = _chained(stone.previous_hash, stone.sequence, stone.erased_id, stone.keys, stone.at)
    if right != stone.hash:
        raise Forged(str(stone.erased_id))


def unapplied() -> Iterator[Problem]:
    """What keeps web and api processes from starting: an erasure that the database has not seen."""
    try:
        found = unknown()
    except OSError as error:
        yield Problem(str(error), "Mend the file, or restore it from where it is kept.")
        return
    if found:
        yield Problem(
            f"The database was restored from before {len(found)} organizations were erased.",
            "Start a worker, or run `manage.py keys apply_tombstones`: it erases them again.",
        )
