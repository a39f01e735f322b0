"""What has to be true for the portal to work: one small check each, in the order to mend them.

Other rooms add theirs with `@check("…")` in a module that their AppConfig loads. A check yields the
problems it finds, and each says in one line what is wrong and what to do.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import redis
from django.apps import apps
from django.conf import settings
from django.db import DatabaseError, connections
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from portal import key_choice, keyfile, keyring, keystore, roles, tombstones
from portal.keyfile import HOLDS, KeyringRefused
from portal.models import Heartbeat
from portal.problem import Problem
from portal.tenancy import TenantModel

Check = Callable[[], Iterable[Problem]]

ALIVE: Final = timedelta(seconds=90)
_MIGRATE: Final = "Run `manage.py migrate --database owner`."

_checks: dict[str, Check] = {}


@dataclass(frozen=True, slots=True)
class Finding:
    """One check's name and what it found wrong."""

    name: str
    problems: tuple[Problem, ...]


def check(name: str) -> Callable[[Check], Check]:
    """Adds the function to what `examine` asks, under this name."""

    def add(function: Check) -> Check:
        _checks[name] = function
        return function

    return add


def examine(only: Collection[str] = ()) -> Iterator[Finding]:
    """Every check's finding, or these checks'; one that cannot reach the database says so."""
    for name, function in _checks.items():
        if only and name not in only:
            continue
        try:
            yield Finding(name, tuple(function()))
        except DatabaseError as error:
            unanswered = f"The database does not answer this ({type(error).__name__})."
            yield Finding(name, (Problem(unanswered, "Mend the lines above first."),))


# ── The database ──────────────────────────────────────────────────────────────────────────────


@check("database")
def database() -> Iterator[Problem]:
    """Every role reaches the database, as itself and without power over it."""
    # The api and ingest processes have no use for Django's "default" and leave it empty.
    served = {alias for alias, place in settings.DATABASES.items() if place.get("USER")}
    for alias in sorted(served - {"owner"}):
        try:
            with connections[alias].cursor() as cursor:
                cursor.execute(_POWERS)
                user, is_super, bypasses, owns = cursor.fetchone()
        except DatabaseError as error:
            yield Problem(
                f"The role of {alias!r} cannot reach the database ({_first_line(error)}).",
                "Start PostgreSQL, or mend DATABASE_URL and portal/sql/roles.sql.",
            )
            continue
        if is_super or bypasses or owns:
            yield Problem(
                f"The role {user} of {alias!r} has power over row-level security.",
                "Log in as the role that portal/sql/roles.sql made for it.",
            )


_POWERS: Final = """
    SELECT rolname, rolsuper, rolbypassrls,
           EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                   WHERE c.relowner = r.oid AND n.nspname = 'public')
    FROM pg_roles r WHERE rolname = current_user
"""


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:160]


@check("key files")
def key_leftovers() -> Iterator[Problem]:
    """No command that was killed has left a copy of a key file behind."""
    for half in keystore.leftovers(key_directory()):
        yield Problem(
            f"{half} is a copy of a key file.", "Run the `keys` command again, or delete it."
        )


@check("key provider")
def key_provider() -> Iterator[Problem]:
    """Vault or AWS KMS, if the settings name one, answers for each domain."""
    return key_choice.problems()


@check("migrations")
def migrations() -> Iterator[Problem]:
    """The tables are those of this version."""
    executor = MigrationExecutor(roles.connection())
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if plan:
        first = plan[0][0]
        yield Problem(
            f"{len(plan)} migrations wait, the first is {first.app_label}.{first.name}.", _MIGRATE
        )


@check("row-level security")
def row_security() -> Iterator[Problem]:
    """Every table of one organization's rows is fenced, for its owner too."""
    with roles.connection().cursor() as cursor:
        cursor.execute(_FENCED)
        fenced = {table for (table,) in cursor.fetchall()}
        cursor.execute(_TENANT_COLUMN)
        tenant = {table for (table,) in cursor.fetchall()}
    for model in apps.get_models():
        if issubclass(model, TenantModel):
            tenant.add(model._meta.db_table)
    for table in sorted(tenant - fenced):
        yield Problem(f"The table {table} has no forced row-level security.", _MIGRATE)


_FENCED: Final = """
    SELECT relname FROM pg_class c
    WHERE relrowsecurity AND relforcerowsecurity AND relnamespace = 'public'::regnamespace
      AND EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid)
"""
# The catalogue, not information_schema: that one hides columns from roles without a grant.
_TENANT_COLUMN: Final = """
    SELECT relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE a.attname = 'organization_id' AND relkind IN ('r', 'p')
      AND relnamespace = 'public'::regnamespace
"""


# ── Keys ──────────────────────────────────────────────────────────────────────────────────────


@check("keyring")
def keys() -> Iterator[Problem]:
    """This process's keys are right; asked by hand, the files beside each other are."""
    if HOLDS[settings.PROCESS]:
        yield from keyring.check_keyring()
        return
    for path, process in _key_files():
        try:
            ring = keyfile.parse(keyfile.read(path), process)
        except KeyringRefused as refused:
            yield Problem(f"{path.name}: {refused.problem.what}", refused.problem.remedy)
        else:
            yield from keyring.prove(ring)


def _key_files() -> Iterator[tuple[Path, str]]:
    """The files `init_keys` writes; all where at least one is, none on a host without keys."""
    directory = key_directory()
    files = [(directory / f"{process}.json", process) for process in HOLDS if HOLDS[process]]
    yield from files if any(path.exists() for path, _ in files) else ()


def key_directory() -> Path:
    """Where the keyring files lie: beside this process's own, or where `init_keys` writes them."""
    named = settings.KEYRING_FILE
    return Path(named).parent if named else Path(settings.KEYRING_DIR)


@check("tombstones")
def tombstone_file() -> Iterator[Problem]:
    """The file outside the database is there, and knows what the database knows."""
    with roles.using_role("worker"):
        yield from tombstones.missing()
        yield from tombstones.unapplied()
        yield from tombstones.behind()


# ── The rest ──────────────────────────────────────────────────────────────────────────────────


@check("valkey")
def valkey() -> Iterator[Problem]:
    """Hints, counters and cache have their server."""
    try:
        with redis.Redis.from_url(
            settings.REDIS_URL, socket_timeout=2, socket_connect_timeout=2
        ) as client:
            client.ping()
    except (redis.RedisError, OSError) as error:
        yield Problem(
            f"Valkey does not answer ({type(error).__name__}).", "Start it, or mend REDIS_URL."
        )


@check("worker")
def worker() -> Iterator[Problem]:
    """Somebody does the work that waits."""
    last = Heartbeat.objects.filter(kind="worker").order_by("-seen_at").first()
    if last is None:
        yield Problem("No worker has ever started.", "Start one: `celery -A portal worker`.")
    elif last.seen_at < timezone.now() - ALIVE:
        seen = f"{last.seen_at:%Y-%m-%d %H:%M} UTC"
        yield Problem(f"No worker has been seen since {seen}.", "Start one and read its log.")


@check("settings")
def production() -> Iterator[Problem]:
    """Nothing that eases development is on in production."""
    if settings.MODE != "production":
        return
    url = urlsplit(settings.REDIS_URL)
    wrong = {
        "DEBUG is on.": (settings.DEBUG, "Unset DEBUG."),
        "Sandbox addresses are allowed.": (
            bool(settings.SANDBOX_ORIGINS or settings.CONNECTOR_ORIGINS),
            "Unset SANDBOX_ORIGINS and CONNECTOR_ORIGINS.",
        ),
        "SECRET_KEY is too short or the one for development.": (
            len(settings.SECRET_KEY) < 32,
            "Set SECRET_KEY_FILE to a file with 50 random characters.",
        ),
        "ALLOWED_HOSTS allows every name.": ("*" in settings.ALLOWED_HOSTS, "Name the hosts."),
        "PORTAL_URL is not https.": (
            not settings.PORTAL_URL.startswith("https://"),
            "Put a TLS proxy in front and set PORTAL_URL to its address.",
        ),
        "API_URL is not https.": (
            settings.PROCESS == "api" and not settings.API_URL.startswith("https://"),
            "Put a TLS proxy in front of the api process and set API_URL to its address.",
        ),
        "HOOKS_URL is not https.": (
            settings.PROCESS == "ingest" and not settings.HOOKS_URL.startswith("https://"),
            "Put a TLS proxy in front of the ingest process and set HOOKS_URL to its address.",
        ),
        "Valkey is reached without TLS.": (
            url.scheme not in {"rediss", "unix"} and url.hostname not in {"localhost", "127.0.0.1"},
            "Use rediss:// in REDIS_URL.",
        ),
    }
    for what, (is_wrong, remedy) in wrong.items():
        if is_wrong:
            yield Problem(what, remedy)
