"""The portal's own processes: what each is called with, and the environment it gets."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import secrets
import signal
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from launcher import children
from launcher.layout import Layout

# What the sandbox is started with, when the environment says it.
SANDBOX_OPTIONS = {"SANDBOX_REPOSITORIES": "--repositories", "REQUESTS_PER_HOUR": "--rate-limit"}
# Bitbucket allows an account 1,000; with fewer than this the first five minutes end in a wait.
DEMO_REQUESTS = "5000"
# The vendors' real origins, and the loopback address where the sandbox stands in for each:
# integrations/sandbox/vendors.py says the same.
VENDOR_ORIGINS = {
    "https://api.bitbucket.org": "127.0.0.1",
    "https://bitbucket.org": "127.0.0.1",
    "https://auth.atlassian.com": "127.0.0.11",
    "https://api.atlassian.com": "127.0.0.12",
    "https://acme.atlassian.net": "127.0.0.13",
    "https://fjord.atlassian.net": "127.0.0.14",
    "https://nowhere.atlassian.net": "127.0.0.15",
    "https://acme.app.spacelift.io": "127.0.0.21",
    "https://fjord.app.spacelift.io": "127.0.0.22",
    "https://acme.jetbrains.space": "127.0.0.31",
    "https://space.fjord.example": "127.0.0.32",
}
USUAL_PORT = 8000
SANDBOX_PORTS = (8801, 8802)
WEB_THREADS = 4
INGEST_THREADS = 64  # most of them wait for senders; connections/receiving/slots.py counts on it
API_THREADS = 4  # more only contend for two cores: the slowest answers take longer, none is sooner
WORKER_THREADS = 8  # vendors are waited for, so threads do; a pool of processes costs 40 MB each


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the parts listen: all on loopback unless the person said otherwise."""

    host: str
    web: int
    api: int
    ingest: int
    sandbox: int
    control: int

    @property
    def url(self) -> str:
        """`localhost` by name, because passkeys refuse bare addresses."""
        return f"http://localhost:{self.web}"

    @property
    def api_url(self) -> str:
        return f"http://localhost:{self.api}"

    @property
    def hooks_url(self) -> str:
        return f"http://localhost:{self.ingest}"

    @property
    def sandbox_url(self) -> str:
        return f"http://127.0.0.1:{self.sandbox}"

    @property
    def vendor_origins(self) -> dict[str, str]:
        """Where the sandbox stands in for each vendor's origin."""
        return {real: f"http://{at}:{self.sandbox}" for real, at in VENDOR_ORIGINS.items()}

    @property
    def control_url(self) -> str:
        return f"http://127.0.0.1:{self.control}"


def addresses(
    host: str, port: int | None, api_port: int | None = None, hooks_port: int | None = None
) -> Addresses:
    """The usual ports, or free ones where a port was named or somebody is there already.

    The API listens on the next port after the pages', webhooks come in on the one after that. A
    port that the person named is not replaced; SystemExit says that it is taken.
    """
    for option, named in (("--port", port), ("--api-port", api_port), ("--hooks-port", hooks_port)):
        if named and not is_free(host, named):
            raise SystemExit(f"Port {named} is taken. Choose another one: bin/run {option} …")
    web = port or (USUAL_PORT if is_free(host, USUAL_PORT) else free_port())
    api = api_port or (web + 1 if is_free(host, web + 1) else free_port())
    hooks = hooks_port or (web + 2 if is_free(host, web + 2) and api != web + 2 else free_port())
    if web == USUAL_PORT and all(is_free("127.0.0.1", usual) for usual in SANDBOX_PORTS):
        return Addresses(host, web, api, hooks, *SANDBOX_PORTS)
    return Addresses(host, web, api, hooks, free_port(), free_port())


def is_free(host: str, port: int) -> bool:
    with socket.socket() as door:
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            door.bind((host, port))
        except OSError:
            return False
    return True


def free_port() -> int:
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        port: int = door.getsockname()[1]
    return port


# ── The environment ───────────────────────────────────────────────────────────────────────────


def shared(
    layout: Layout, at: Addresses, database: str, valkey: str, *, sandbox: bool
) -> dict[str, str]:
    """What every process of the portal gets; what the person has set stays as it is."""
    ours = {
        "PORTAL_MODE": "development",
        "PORTAL_URL": at.url,
        "API_URL": at.api_url,
        "HOOKS_URL": at.hooks_url,
        "DATABASE_URL": database,
        "REDIS_URL": valkey,
        "SECRET_KEY_FILE": str(secret_key(layout)),
        "MAIL_DIR": str(layout.folder("mail", layout.portal)),
        "SPOOL_DIR": str(layout.folder("spool", layout.portal)),
        "STATIC_ROOT": str(layout.folder("static", layout.portal, 0o755)),
        "HIGH_WATER_FILE": str(layout.folder("marks", layout.portal) / "high_water.sqlite3"),
        "HOME": str(layout.folder("home", layout.portal)),
        "DJANGO_SETTINGS_MODULE": "portal.settings",
        "PYTHONUNBUFFERED": "1",
        "LC_ALL": "C.UTF-8",
    }
    if sandbox:
        ours["SANDBOX_ORIGINS"] = ",".join(dict.fromkeys(at.vendor_origins.values()))
        ours["REQUESTS_PER_HOUR"] = DEMO_REQUESTS
        ours["CONNECTOR_ORIGINS"] = json.dumps(at.vendor_origins)
    kept = {key: value for key, value in os.environ.items() if key != "HOME"}
    return ours | kept | {children.MARK: str(layout.var)}


def secret_key(layout: Layout, name: str = "secret_key") -> Path:
    """Django's own key, made at the first start."""
    path = layout.folder("keys", layout.portal) / name
    if not path.exists():
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(50))
        if os.geteuid() == 0:
            os.chown(path, layout.portal.uid, layout.portal.gid)
    return path


def keyrings(layout: Layout) -> Path:
    """The folder with each process's keyring file."""
    return Path(os.environ.get("KEYRING_DIR") or layout.var / "keys")


def for_process(process: str, layout: Layout, environment: Mapping[str, str]) -> dict[str, str]:
    """The environment of one process: its name and only its own keys."""
    own = {"PORTAL_PROCESS": process, "KEYRING_DIR": str(keyrings(layout))}
    if process in ("web", "api", "ingest", "worker"):
        own["KEYRING_FILE"] = str(keyrings(layout) / f"{process}.json")
    alone = process in ("api", "ingest")
    if alone and environment.get("SECRET_KEY_FILE") == str(secret_key(layout)):
        # The pages' one seals sessions; the api's signs where a list goes on.
        own["SECRET_KEY_FILE"] = str(secret_key(layout, f"{process}_secret_key"))
    return {**environment, **own}


# ── The processes ─────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Program:
    """One process of the portal, with how to tell that it is up."""

    name: str
    arguments: tuple[str, ...]
    layout: Layout
    environment: Mapping[str, str]
    is_ready: Callable[[], bool]
    stop_signal: signal.Signals = signal.SIGTERM
    when_we_die: signal.Signals = signal.SIGTERM

    def prepare(self) -> None:
        """Nothing: a program of the portal leaves nothing behind."""

    def spawn(self, log: Path) -> children.Child:
        return children.spawn(
            [self.layout.python, "-m", *self.arguments],
            log=log,
            account=self.layout.portal,
            environment=self.environment,
            cwd=self.layout.root,
            when_we_die=self.when_we_die,
        )


def sandbox(layout: Layout, at: Addresses, environment: Mapping[str, str]) -> Program:
    """It is the vendors' side, so it gets no address, path or key of ours."""
    state = layout.folder("sandbox", layout.portal) / "state.json"
    arguments = ["integrations.sandbox", "--port", str(at.sandbox)]
    arguments += ["--control-port", str(at.control), "--state", str(state)]
    arguments += ["--callback", f"{environment['PORTAL_URL']}/oauth/bitbucket-cloud/callback"]
    for name, option in SANDBOX_OPTIONS.items():
        arguments += [option, environment[name]] if name in environment else []
    plain = {key: environment[key] for key in ("PATH", "HOME", "LC_ALL", children.MARK)}
    return Program(
        "sandbox",
        tuple(arguments),
        layout,
        plain,
        lambda: answers(at.sandbox) and answers(at.control),
    )


def web(layout: Layout, at: Addresses, environment: Mapping[str, str]) -> Program:
    return served("web", layout, at.host, at.web, WEB_THREADS, environment, "/accounts/login/")


def api(layout: Layout, at: Addresses, environment: Mapping[str, str]) -> Program:
    threads = int(environment.get("API_THREADS", API_THREADS))
    return served("api", layout, at.host, at.api, threads, environment, "/api/v1/")


def ingest(layout: Layout, at: Addresses, environment: Mapping[str, str]) -> Program:
    threads = int(environment.get("INGEST_THREADS", INGEST_THREADS))
    return served("ingest", layout, at.host, at.ingest, threads, environment, "/hooks/v1/")


def served(
    name: str,
    layout: Layout,
    host: str,
    port: int,
    threads: int,
    environment: Mapping[str, str],
    path: str,
) -> Program:
    """A process that answers HTTP; it is up once it answers at this path."""
    arguments = ["granian", "portal.wsgi:application", "--interface", "wsgi", "--no-ws"]
    arguments += ["--host", host, "--port", str(port), "--http", "1", "--workers", "1"]
    arguments += ["--blocking-threads", str(threads), "--workers-kill-timeout", "5"]
    own = for_process(name, layout, environment)
    return Program(name, tuple(arguments), layout, own, lambda: serves(port, path))


def worker(layout: Layout, environment: Mapping[str, str]) -> Program:
    arguments = ["celery", "--app", "portal", "--quiet", "worker", "--loglevel", "INFO"]
    arguments += ["--pool", "threads", "--concurrency", str(WORKER_THREADS)]
    arguments += ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    own = for_process("worker", layout, environment)
    return Program(
        "worker",
        tuple(arguments),
        layout,
        own,
        lambda: True,
        # Work is in rows, so a worker may be cut off; waiting for its tasks would outlive us.
        when_we_die=signal.SIGKILL,
    )


def tick(layout: Layout, environment: Mapping[str, str]) -> Program:
    arguments = ("celery", "--app", "portal", "--quiet", "beat", "--loglevel", "INFO")
    own = for_process("tick", layout, environment)
    return Program(
        "tick", (*arguments, "--pidfile="), layout, own, lambda: True, when_we_die=signal.SIGKILL
    )


def answers(port: int) -> bool:
    """Whether somebody listens on this port of loopback."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def serves(port: int, path: str) -> bool:
    """Whether the process answers a request; its first one loads everything."""
    if not answers(port):
        return False
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    with contextlib.suppress(OSError, http.client.HTTPException), contextlib.closing(connection):
        connection.request("GET", path, headers={"Host": "localhost"})
        return connection.getresponse().status < 500
    return False
