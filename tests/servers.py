"""The servers of one test session: throw-away PostgreSQL and Valkey, and the migrated template."""

from __future__ import annotations

import ast
import hashlib
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
import redis
from django.core.management import call_command
from django.db import connections
from launcher import children, layout
from launcher.postgres import Postgres
from launcher.valkey import Valkey
from psycopg import sql

TEMPLATE = "portal"  # so that bin/run finds its database in a copy of the folder
KEPT_TEMPLATES = 3
ROOM = 1 << 30


class Servers:
    """What one session runs; everything lies in a temporary folder and is gone afterwards."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.layout = layout.plan(root, layout.temporary())
        self.logs = self.layout.folder("log", mode=0o755)
        self.memory = in_memory(self.layout)
        self.postgres = Postgres(self.layout, for_tests=True)
        self.valkey = Valkey(self.layout)
        self.running: list[tuple[Postgres | Valkey, children.Child]] = []
        self._admin: psycopg.Connection[tuple[object, ...]] | None = None
        self._client = redis.Redis.from_url(self.valkey.url)
        self._left: str | None = None

    def environment(self) -> dict[str, str]:
        """What the settings read; every part of it is ours, whatever the shell had set."""
        mail = self.layout.folder("mail", self.layout.portal)
        return {
            "PORTAL_MODE": "development",
            "PORTAL_PROCESS": "web",
            "DJANGO_SETTINGS_MODULE": "portal.settings",
            "DATABASE_URL": self.postgres.url("postgres"),
            "REDIS_URL": self.valkey.url,
            "HOOKS_URL": "http://localhost:8002",
            "SECRET_KEY": "a key of the tests",
            "MAIL_DIR": str(mail),
            "SPOOL_DIR": str(self.layout.folder("spool", self.layout.portal)),
            "HIGH_WATER_FILE": str(self.layout.folder("marks") / "high_water.sqlite3"),
            "POSTGRES_TOOLS": str(self.postgres.bin),
            "STATIC_ROOT": str(self.layout.folder("static", self.layout.portal)),
        }

    def start(self) -> None:
        self._start(self.valkey)

    def start_database(self) -> None:
        """PostgreSQL runs with a template that has every migration; call once."""
        kept = self.kept_template()
        if kept.exists():
            copy(kept, self.postgres.folder)
            self._start(self.postgres)
            self._list_catalogs()
            return
        self._start(self.postgres)
        self.postgres.make_database(TEMPLATE)
        with pointing_at(TEMPLATE):
            call_command("migrate", database="owner", verbosity=0, interactive=False)
        self._forget_shared_list()
        self._keep_template(kept)
        self._list_catalogs()

    def _start(self, server: Postgres | Valkey) -> None:
        server.prepare()
        log = self.logs / f"{server.name}.log"
        child = server.spawn(log)
        self.running.append((server, child))
        if not children.wait_until(server.is_ready, child, 60):
            raise SystemExit(f"{server.name} did not start: {log.read_text()[-1000:]}")

    @contextmanager
    def database_away(self) -> Iterator[None]:
        """Inside, PostgreSQL is stopped and takes no connection; afterwards it runs again."""
        server, child = next(pair for pair in self.running if pair[0] is self.postgres)
        self.running.remove((server, child))
        children.stop(child, server.stop_signal, 10)
        self._admin = None
        try:
            yield
        finally:
            self._start(server)
            for alias in connections:
                connections[alias].close()

    def crash_database(self) -> None:
        """PostgreSQL is killed with all its backends, and runs again."""
        server, child = next(pair for pair in self.running if pair[0] is self.postgres)
        self.running.remove((server, child))
        children.kill_session(child.pid)
        child.wait()
        time.sleep(1)  # its backends see that it is gone, and let go of what they share
        self._admin = None
        self._start(server)
        for alias in connections:
            connections[alias].close()

    def stop(self) -> None:
        self._client.close()
        while self.running:
            server, child = self.running.pop()
            children.stop(child, server.stop_signal, 10)
        shutil.rmtree(self.layout.var, ignore_errors=True)
        if self.memory:
            shutil.rmtree(self.memory, ignore_errors=True)

    # ── Databases ─────────────────────────────────────────────────────────────────────────────

    def clone(self, name: str, template: str = TEMPLATE) -> None:
        """A database like the template; who may connect is not copied and is said again."""
        roles = sql.SQL(", ").join(map(sql.Identifier, ("portal_owner", *APPLICATION_ROLES)))
        self._run(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} OWNER portal_owner STRATEGY {}").format(
                sql.Identifier(name), sql.Identifier(template), sql.SQL(STRATEGY)
            ),
            sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(name)),
            sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(sql.Identifier(name), roles),
        )

    def drop(self, name: str) -> None:
        self._run(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    def leave(self, name: str) -> None:
        """This database is dropped when the next one is left: a server that still ends the last
        connections would let us wait for a tenth of a second each time."""
        former, self._left = self._left, name
        if former:
            self.drop(former)

    def _run(self, *statements: sql.Composed) -> None:
        """As the superuser, over one connection that stays open until the server stops."""
        if self._admin is None or self._admin.closed:
            self._admin = self.postgres.connect()
        for statement in statements:
            self._admin.execute(statement)

    def empty_valkey(self) -> None:
        """Over one client for the session: each new one reads the library's metadata from disk."""
        self._client.flushall()

    # ── The template is kept between sessions: making it takes seconds, copying it a moment ─────

    def kept_template(self) -> Path:
        return self.root / "var" / "templates" / f"{os.geteuid()}-{self._fingerprint()}"

    def begun(self) -> Path | None:
        """A folder for a portal whose database has all migrations already; None if none is kept."""
        kept = self.kept_template()
        if not kept.exists():
            return None
        place = layout.plan(self.root, layout.temporary())
        copy(kept, place.folder("postgres", place.servers))
        return place.var

    def _fingerprint(self) -> str:
        """Changes with whatever the migrated database depends on."""
        digest = hashlib.sha256(self.postgres.version.encode())
        for path in sorted(self._sources()):
            digest.update(path.read_bytes())
        return digest.hexdigest()[:16]

    def _sources(self) -> set[Path]:
        migrations = {*self.root.glob("*/migrations/*.py")}
        imported = {path for each in migrations for path in ours(self.root, each)}
        named = ("requirements.txt", "portal/sql/roles.sql", "tests/servers.py")
        fixed = {self.root / name for name in named}
        return migrations | imported | fixed | {*self.root.glob("*/models/*.py")}

    def _forget_shared_list(self) -> None:
        """Who owns what, and may do what with it, stays in the template's own catalogs. The list of
        that across databases only serves DROP ROLE: its 2,000 rows were half the work of a clone.
        """
        with self.postgres.connect(TEMPLATE) as admin:
            admin.execute(
                "DELETE FROM pg_shdepend d USING pg_database b"
                " WHERE b.oid = d.dbid AND b.datname = current_database()"
            )
            admin.execute("VACUUM pg_shdepend")
            admin.execute("REINDEX TABLE pg_shdepend")

    def _list_catalogs(self) -> None:
        """The first to connect after a start writes a list of catalogs beside the template's files:
        it is copied with them, and nobody writes it again in each clone."""
        self.postgres.connect(TEMPLATE).close()

    def _keep_template(self, kept: Path) -> None:
        """Copy the stopped server's folder aside; without a writable var/ nothing is kept."""
        server, child = self.running.pop()
        children.stop(child, server.stop_signal, 10)
        half = kept.with_name(f"{kept.name}.{os.getpid()}")
        with suppress(OSError, subprocess.CalledProcessError):
            kept.parent.mkdir(parents=True, exist_ok=True)
            half.mkdir()
            copy(self.postgres.folder, half)
            with suppress(OSError):
                half.rename(kept)
            shutil.rmtree(half, ignore_errors=True)
            for old in sorted(kept.parent.iterdir(), key=age)[KEPT_TEMPLATES:]:
                shutil.rmtree(old, ignore_errors=True)
        self._start(server)


APPLICATION_ROLES = (
    *("portal_app", "portal_api", "portal_ingest", "portal_worker"),
    *("portal_sweeper", "portal_support"),
)
STRATEGY = "file_copy"


def in_memory(place: layout.Layout) -> Path | None:
    """Where PostgreSQL's files lie in memory, if there is room: a clone takes 40 ms there, and up
    to a second on a busy disk."""
    memory = Path("/dev/shm")
    layout.sweep(place.var.parent)
    if not memory.is_dir():
        return None
    layout.sweep(memory)
    if min(shutil.disk_usage(memory).free, available()) < ROOM:
        return None
    found = layout.temporary(memory)
    (place.var / "postgres").symlink_to(found)
    return found


def available() -> int:
    """Bytes of memory that can be had: of a folder in memory the limit may be beyond them."""
    found = re.search(r"^MemAvailable: +(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


def copy(source: Path, target: Path) -> None:
    """What is in one folder is in the other, with owners and modes."""
    subprocess.run(["cp", "-a", f"{source}/.", str(target)], check=True)


def age(path: Path) -> float:
    """Orders paths, the newest first."""
    return -path.stat().st_mtime


def ours(root: Path, path: Path) -> Iterator[Path]:
    """The modules of the portal that this file imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            base = root / node.module.replace(".", "/")
            candidates = [base.with_suffix(".py"), *(base / f"{n.name}.py" for n in node.names)]
            yield from (found for found in candidates if found.is_file())


@contextmanager
def pointing_at(name: str) -> Iterator[None]:
    """Every alias leads to this database; the threads of a test share the settings it changes."""
    _point_at(name)
    try:
        yield
    finally:
        _point_at("postgres")


def _point_at(name: str) -> None:
    for alias in connections:
        connections[alias].close()
        connections.settings[alias]["NAME"] = name
