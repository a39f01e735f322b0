"""bin/run: brings the portal up on this machine and keeps it running until Ctrl-C."""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from launcher import check, children, layout, prepare, programs
from launcher.layout import Layout
from launcher.postgres import Postgres
from launcher.programs import Addresses
from launcher.supervisor import StartFailed, Supervisor
from launcher.valkey import Valkey

EPILOG = """environment:
  DATABASE_URL   use this PostgreSQL (15 or newer) instead of starting one; its administrator
                 has run portal/sql/roles.sql. Not with --check
  REDIS_URL      use this Redis or Valkey instead of starting one
  KEYRING_DIR    the folder with the processes' key files, instead of var/keys
  PORTAL_URL     the address people use, when it is not http://localhost:<port>
  API_URL        the address other services use, when it is not http://localhost:<api port>
  HOOKS_URL      the address vendors send webhooks to, when it is not http://localhost:<hooks port>

All data lies in var/ (or --var). Remove that folder to start from nothing; keep a copy of var/keys.
"""


def main(root: Path, arguments: list[str]) -> int:
    options = parsed(arguments)
    # SIGINT too: a shell starts background commands with it ignored.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    clock = Clock()
    try:
        with ExitStack() as stack:
            place = stack.enter_context(
                throw_away(root) if options.check else ours(root, options.var)
            )
            supervisor = Supervisor(place, clock.say)
            stack.callback(finish, supervisor)
            up = bring_up(supervisor, options)
            if options.check:
                check.walk_through(up.environment, supervisor)
                return 0
            greet(up, place, sandbox=not options.no_sandbox)
            supervisor.watch()
    except KeyboardInterrupt:
        return 0
    except (StartFailed, check.CheckFailed) as failure:
        print(f"\n{failure}", file=sys.stderr)
    return 1


def parsed(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="bin/run",
        description="Brings the portal up; Ctrl-C stops it.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--host", default="127.0.0.1", help="listen here (default: %(default)s)")
    parser.add_argument(
        "--port", type=int, help="listen on this port (default: 8000, or a free one)"
    )
    parser.add_argument(
        "--api-port", type=int, help="serve the API on this port (default: the next one)"
    )
    parser.add_argument(
        "--hooks-port", type=int, help="take webhooks in on this port (default: the one after it)"
    )
    parser.add_argument(
        "--no-sandbox", action="store_true", help="link the real vendors, not the sandbox"
    )
    parser.add_argument("--var", type=Path, default="var", help="keep data in this folder")
    parser.add_argument("--no-seed", action="store_true", help="start without the example people")
    parser.add_argument(
        "--check",
        action="store_true",
        help="bring all up beside whatever runs, walk the main journey over HTTP, and stop",
    )
    options = parser.parse_args(arguments)
    if options.check and os.environ.get("DATABASE_URL"):
        parser.error(
            "--check makes a person and an organization, so it starts a database of its own. "
            "Unset DATABASE_URL first."
        )
    return options


class Clock:
    """Says what happens, each line with the seconds since the start."""

    def __init__(self) -> None:
        self.start = time.monotonic()

    def say(self, text: str) -> None:
        print(f"{time.monotonic() - self.start:6.1f} s  {text}", flush=True)


# ── The folder ────────────────────────────────────────────────────────────────────────────────


@contextmanager
def ours(root: Path, var: Path) -> Iterator[Layout]:
    """The checkout's own var/, or another folder, for one bin/run at a time."""
    place = layout.plan(root, root / var)
    with (place.var / "lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SystemExit(f"A portal is running already on the data of {place.var}.") from None
        left = children.end_leftovers(place.folder("pids", mode=0o755), place.var)
        if left:
            print(f"· ended {left} processes that an earlier run had left behind", flush=True)
        yield place


@contextmanager
def throw_away(root: Path) -> Iterator[Layout]:
    """A temporary var/, gone afterwards; when something went wrong it stays, its path said."""
    place = layout.plan(root, layout.temporary())
    try:
        yield place
    except (StartFailed, check.CheckFailed):
        print(f"\nThe logs are in {place.var / 'log'}; remove {place.var} afterwards.", flush=True)
        raise
    except KeyboardInterrupt:
        shutil.rmtree(place.var, ignore_errors=True)
        raise
    shutil.rmtree(place.var, ignore_errors=True)


# ── Up and down ───────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Up:
    """A running portal: where it listens, what its processes were told, what the start told us."""

    at: Addresses
    environment: dict[str, str]
    notices: list[str]


def bring_up(supervisor: Supervisor, options: argparse.Namespace) -> Up:
    """Everything runs and answers; raises StartFailed with the reason when it does not."""
    place, say = supervisor.layout, supervisor.say
    if place.portal.uid == 0:
        say(f"running as root: {place.servers.name} cannot read this checkout and its Python")
    port = programs.free_port() if options.check and not options.port else options.port
    at = programs.addresses(options.host, port, options.api_port, options.hooks_port)
    database, valkey = start_servers(supervisor)
    environment = programs.shared(place, at, database, valkey, sandbox=not options.no_sandbox)
    if options.check:
        environment.setdefault("SANDBOX_REPOSITORIES", "60")  # enough for each step
    sandbox = programs.sandbox(place, at, environment)
    consumers: dict[str, str] = {}
    if not options.no_sandbox:
        supervisor.start(sandbox)
        supervisor.wait(sandbox, 30)
        consumers = prepare.demo_consumers(at)
    seed = not options.no_seed
    notices = prepare.run(place, environment, seed=seed, consumers=consumers if seed else {})
    say("database, keys and static files are ready")
    served = [
        program(place, at, environment) for program in (programs.web, programs.api, programs.ingest)
    ]
    others = programs.worker(place, environment), programs.tick(place, environment)
    for program in (*served, *others):
        supervisor.start(program)
    for program in served:
        supervisor.wait(program, 60)
    supervisor.look()
    beside = "" if options.no_sandbox else ", and the sandbox"
    say(f"web, api, ingest, worker and tick are up{beside}")
    return Up(at, environment, notices)


def start_servers(supervisor: Supervisor) -> tuple[str, str]:
    """The addresses of PostgreSQL and Valkey: those of the environment, or ours, started."""
    place = supervisor.layout
    database, valkey = os.environ.get("DATABASE_URL"), os.environ.get("REDIS_URL")
    postgres_server = None if database else Postgres(place)
    valkey_server = None if valkey else Valkey(place)
    started = [server for server in (postgres_server, valkey_server) if server]
    for server in started:
        supervisor.start(server)
    for server in started:
        supervisor.wait(server, 60)
        supervisor.say(f"{type(server).__name__} {server.version} is up")
    if postgres_server:
        postgres_server.make_database()
        database = postgres_server.url()
    return database or "", valkey or (valkey_server.url if valkey_server else "")


def finish(supervisor: Supervisor) -> None:
    if supervisor.kept:
        supervisor.say("stopping")
    (supervisor.layout.var / "environment.json").unlink(missing_ok=True)
    supervisor.stop()
    supervisor.say("everything is stopped")


def greet(up: Up, place: Layout, *, sandbox: bool) -> None:
    """Say where the portal is, whom to sign in as and how to stop it; note it for bin/manage."""
    note = place.var / "environment.json"
    note.touch(mode=0o600)
    note.write_text(json.dumps(prepare.differences(up.environment) | control(up.at)))
    lines = ["", f"  The portal is at  {up.environment['PORTAL_URL']}"]
    lines += [f"  Its API is at     {up.environment['API_URL']}/api/v1/"]
    lines += [f"  Webhooks come to  {up.environment['HOOKS_URL']}/hooks/v1/…", ""]
    lines += [f"  {line}" for line in up.notices]
    lines += [
        f"  Mail is written to  {up.environment['MAIL_DIR']}",
        f"  Logs are in         {place.var / 'log'}",
    ]
    if sandbox:
        tokens = place.var / "log" / "sandbox.log"
        lines += [f"  Bitbucket is played by the sandbox; tokens to try are in {tokens}"]
    print("\n".join([*lines, "", "  Ctrl-C stops everything.", ""]), flush=True)


def control(at: Addresses) -> dict[str, str]:
    """Where the sandbox takes orders for faults: for tests and rehearsals, not for the portal."""
    return {"SANDBOX_CONTROL": at.control_url}
