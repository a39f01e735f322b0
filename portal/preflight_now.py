"""What goes on in the database now: long transactions, copies, running versions, waiting jobs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from django.db import DatabaseError, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from portal import version, work
from portal.phrases import plural
from portal.preflight_effects import Verdict

LAGGING: Final = 256 << 20  # bytes that a copy has not got yet

# Sessions of other roles show their locks to everybody, but not since when they are open: whoever
# is seen twice in the same transaction has been there for the time between.
_HOLDERS: Final = """
SELECT l.virtualtransaction, l.pid, coalesce(a.application_name, ''), a.usename,
       l.relation::regclass::text
  FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
 WHERE l.granted AND l.pid <> pg_backend_pid() AND a.usename IS NOT NULL
   AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
   AND l.relation = ANY (SELECT c.oid FROM pg_class c
                          WHERE c.relname = ANY (%s) AND c.relnamespace = 'public'::regnamespace)
"""
_PREPARED: Final = """
SELECT gid, extract(epoch FROM now() - prepared)::int FROM pg_prepared_xacts
 WHERE database = current_database()
"""
_COPIES: Final = """
SELECT coalesce(application_name, ''), pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)::bigint
  FROM pg_stat_replication
"""
_SLOTS: Final = """
SELECT slot_name, active, pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::bigint
  FROM pg_replication_slots
"""
_SESSIONS: Final = """
SELECT application_name, count(*) FROM pg_stat_activity
 WHERE datname = current_database() AND split_part(application_name, ' ', 1) = ANY (%s)
 GROUP BY 1 ORDER BY 1
"""
_APPLIED: Final = "SELECT app, max(left(name, 4)) FROM django_migrations GROUP BY 1"
_JOBS: Final = "SELECT kind, count(*) FROM portal_job WHERE done_at IS NULL GROUP BY 1 ORDER BY 1"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is so now, and what to do about it."""

    verdict: Verdict
    what: str
    remedy: str = ""


def look(
    connection: BaseDatabaseWrapper, locked: list[str], *, patience: float, waits: bool
) -> Iterator[Finding]:
    """Everything that this moment says for or against beginning; `waits` when migrations do."""
    standby = _rows(connection, "SELECT pg_is_in_recovery()")[0][0]
    if standby:
        yield Finding(Verdict.DANGER, "This server is a standby.", "Name the primary.")
        return
    yield from long_transactions(connection, locked, patience)
    yield from copies(connection)
    yield from versions(connection, waits=waits)
    yield from jobs()


def _rows(connection: BaseDatabaseWrapper, sql: str, *values: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values or None)
        return list(cursor.fetchall())


# ── Who holds what a migration wants ──────────────────────────────────────────────────────────


def long_transactions(
    connection: BaseDatabaseWrapper, locked: list[str], patience: float
) -> Iterator[Finding]:
    """Whoever keeps one of these tables for as long as `patience` keeps everybody behind it."""
    for gid, seconds in _rows(connection, _PREPARED):
        yield Finding(
            Verdict.DANGER,
            f"The prepared transaction “{gid}” has been open for {plural(seconds, 'second')}.",
            "Commit or roll it back.",
        )
    first = _rows(connection, _HOLDERS, locked) if locked else []
    if not first:
        return
    time.sleep(patience)
    begun = {row[0] for row in first}
    still = [row for row in _rows(connection, _HOLDERS, locked) if row[0] in begun]
    tables: dict[tuple[int, str, str], set[str]] = {}
    for _, pid, name, user, table in still:
        tables.setdefault((pid, name, user), set()).add(table)
    for (pid, name, user), kept in sorted(tables.items()):
        yield Finding(
            Verdict.DANGER,
            f"Session {pid} of {user} ({name or 'no name'}) has kept {', '.join(sorted(kept))}"
            f" in one transaction for over {patience:g} seconds.",
            "Let it end; meanwhile the migration would wait, and everybody behind it.",
        )


# ── Copies of the database ────────────────────────────────────────────────────────────────────


def copies(connection: BaseDatabaseWrapper) -> Iterator[Finding]:
    """How far standbys are behind, as far as this role may know."""
    for name, lag in _rows(connection, _COPIES):
        if lag is None:
            yield Finding(
                Verdict.NOTE,
                f"How far the standby “{name}” is behind is not shown to this role.",
                "Look yourself, or grant pg_read_all_stats to portal_owner.",
            )
        else:
            yield _lagging(f"The standby “{name}”", int(lag))
    for name, active, lag in _rows(connection, _SLOTS):
        title = f"The replication slot “{name}”{'' if active else ', which nobody reads,'}"
        yield _lagging(title, int(lag or 0))


def _lagging(title: str, lag: int) -> Finding:
    behind = f"{title} is {lag / (1 << 20):,.1f} MiB behind."
    if lag < LAGGING:
        return Finding(Verdict.FINE, behind)
    return Finding(Verdict.DANGER, behind, "Let it catch up first: an upgrade writes more.")


# ── Who runs, and what waits ──────────────────────────────────────────────────────────────────


def versions(connection: BaseDatabaseWrapper, *, waits: bool) -> Iterator[Finding]:
    """Every session says which schema its code was made for: this one, or long gone."""
    new = version.schema()
    floors = new.split()[::2]
    applied = {app: number for app, number in _rows(connection, _APPLIED) if app in floors}
    old = version.spelled(applied)
    yield Finding(Verdict.FINE, f"The database is at {old or 'nothing'}, this code is for {new}.")
    for name, count in _rows(connection, _SESSIONS, list(version.SERVING)):
        process, _, its = name.partition(" ")
        yield _version(process, its, count, old=old, new=new if waits else "")


def _version(process: str, its: str, count: int, *, old: str, new: str) -> Finding:
    sessions = f"{process} has {plural(count, 'session')}"
    if not its:
        return Finding(
            Verdict.NOTE,
            f"{sessions} that say no version: it is older than this command.",
            "Make sure that it is the version just before this one.",
        )
    if its == old:
        return Finding(Verdict.FINE, f"{sessions} of the version that the database is at.")
    remedy = "Stop it until the migrations have run." if its == new else "Stop it, or upgrade it."
    return Finding(Verdict.DANGER, f"{sessions} of code for {its}.", remedy)


def jobs() -> Iterator[Finding]:
    """Jobs that only older workers can do should be done before those stop."""
    try:
        waiting = _rows(connections["sweeper"], _JOBS)
    except DatabaseError:
        yield Finding(
            Verdict.NOTE, "The waiting jobs were not seen.", "Let portal_sweeper log in here."
        )
        return
    known, total = work.known(), sum(count for _, count in waiting)
    yield Finding(
        Verdict.FINE,
        f"{plural(total, 'job')} of {plural(len(waiting), 'kind')} in the queue.",
    )
    for kind, count in waiting:
        if kind not in known:
            yield Finding(
                Verdict.DANGER,
                f"{plural(count, 'job')} of the kind “{kind}”, which this version does not know.",
                "Let the running workers do them first.",
            )
