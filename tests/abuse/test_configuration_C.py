"""Abuse cases C: keys and settings that are wrong, and sealed values that somebody moved."""

from __future__ import annotations

import base64
import importlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from django import conf
from django.db import connections
from django.test import Client

from connections.models import Connection, Credential, RefreshAttempt, Verification
from portal import doctor, keyfile, keyring, roles, startup, tenancy, vault
from portal.keyfile import KeyringRefused
from portal.secret import Secret
from tests.abuse.bench import Bench
from tests.servers import Servers

ROOT = Path(__file__).resolve().parent.parent.parent


# ── The keyring ───────────────────────────────────────────────────────────────────────────────


def changed(process: str, change: Callable[[dict[str, Any]], object]) -> str:
    content = json.loads(keyring.generate()[process])
    change(content)
    return json.dumps(content)


def with_key(text: str) -> Callable[[dict[str, Any]], object]:
    return lambda ring: ring["grant"]["keys"].update({"1": text})


def encoded(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        pytest.param(lambda ring: ring.pop("grant"), "'grant'", id="C01-missing"),
        pytest.param(with_key(encoded(os.urandom(31))), "grant/v1", id="C01-31-bytes"),
        pytest.param(with_key(encoded(bytes(32))), "grant/v1", id="C01-zero"),
        pytest.param(with_key(encoded(os.urandom(32)) + "\n"), "grant/v1", id="C01-newline"),
        pytest.param(lambda ring: ring["grant"].update(active=2), "v2", id="C01-version"),
        pytest.param(lambda ring: ring.update(mfa=ring["grant"]), "'mfa'", id="C03-worker"),
    ],
)
def test_a_wrong_key_is_named_and_not_shown(
    change: Callable[[dict[str, Any]], object], named: str
) -> None:
    text = changed("worker", change)
    with pytest.raises(KeyringRefused) as refused:
        keyfile.parse(text, "worker")
    assert named in str(refused.value)
    for domain in json.loads(text).values():
        for key in domain["keys"].values():
            assert key.strip() not in str(refused.value)


def test_C03_the_web_process_is_refused_the_workers_keys() -> None:
    with pytest.raises(KeyringRefused):
        keyfile.parse(keyring.generate()["worker"], "web")


# ── Sealed values, changed by somebody who may write to every table ───────────────────────────


@pytest.fixture
def admin(bench: Bench, servers: Servers) -> Iterator[Any]:
    """Writes as the administrator; afterwards every sealed value and data key is as it was."""
    name = connections["default"].settings_dict["NAME"]
    with servers.postgres.connect(name) as superuser:
        superuser.execute(
            "CREATE TEMP TABLE kept AS SELECT id, domain, blob FROM portal_sealedvalue"
        )
        superuser.execute("CREATE TEMP TABLE keys AS SELECT id, wrapped FROM portal_datakey")
        # The column itself takes sealed values only; somebody with this power could change that.
        superuser.execute("ALTER TABLE portal_sealedvalue DROP CONSTRAINT IF EXISTS"
                          " sealed_value_is_sealed")  # fmt: skip
        yield superuser
        restore(superuser)


ACCESS = "field = 'access' AND table_name = 'connections_credential'"
BREAKS = [
    pytest.param(
        f"UPDATE portal_sealedvalue SET blob = (SELECT blob FROM portal_sealedvalue WHERE"
        f" table_name = 'connections_consumer' LIMIT 1) WHERE {ACCESS}",
        id="C04-row",
    ),
    pytest.param(
        f"UPDATE portal_sealedvalue SET blob = (SELECT blob FROM portal_sealedvalue WHERE"
        f" field = 'refresh' LIMIT 1) WHERE {ACCESS}",
        id="C04-field",
    ),
    pytest.param(f"UPDATE portal_sealedvalue SET domain = 'grant' WHERE {ACCESS}", id="C04-domain"),
    pytest.param(
        f"UPDATE portal_sealedvalue SET blob = substring(blob for 40) WHERE {ACCESS}", id="C05-cut"
    ),
    pytest.param(
        f"UPDATE portal_sealedvalue SET blob = set_byte(blob, 30, get_byte(blob, 30) # 1)"
        f" WHERE {ACCESS}",
        id="C05-bit",
    ),
    pytest.param(f"UPDATE portal_sealedvalue SET blob = 'P1' WHERE {ACCESS}", id="C05-empty"),
    pytest.param(
        f"UPDATE portal_sealedvalue SET blob = 'P1 a plain token' WHERE {ACCESS}", id="C05-plain"
    ),
    pytest.param(
        "UPDATE portal_datakey SET wrapped = (SELECT wrapped FROM portal_datakey"
        " WHERE domain = 'access' AND organization_id = %(other)s) WHERE domain = 'access'",
        id="C06",
    ),
    pytest.param(
        f"UPDATE portal_sealedvalue SET blob = set_byte(blob, 2, 9) WHERE {ACCESS}", id="C07-suite"
    ),
    pytest.param(
        f"UPDATE portal_sealedvalue SET blob = set_byte(blob, 6, 9) WHERE {ACCESS}",
        id="C07-version",
    ),
]


@pytest.fixture(scope="module")
def other(bench: Bench) -> UUID:
    """Another organization with a data key of its own."""
    made = bench.works.organization("globex")
    place = vault.Place(made.id, "connections_credential", uuid4(), "access", "access")
    with roles.using_role("worker"), tenancy.acting_for(made), tenancy.transaction():
        vault.keep(place, Secret("a secret of globex"))
    return made.id


@pytest.mark.parametrize("statement", BREAKS)
def test_a_changed_seal_is_a_fault_with_a_name(
    statement: str, bench: Bench, other: UUID, admin: Any, caplog: pytest.LogCaptureFixture
) -> None:
    asked = len(bench.vendor.requests())
    admin.execute(statement.encode(), {"other": other})
    assert bench.verify().outcome == Verification.Outcome.FAILED
    assert bench.connection.last_error == "crypto_error"
    assert bench.connection.state == Connection.State.ACTIVE, "it says nothing of the grant"
    assert len(bench.vendor.requests()) == asked, "nothing was sent"
    assert "seal.broken" in caplog.messages
    assert "plain token" not in caplog.text

    restore(admin)
    assert bench.verify().outcome == Verification.Outcome.PASSED
    assert bench.connection.last_error == ""


def restore(admin: Any) -> None:
    admin.execute(
        "UPDATE portal_sealedvalue s SET domain = k.domain, blob = k.blob"
        " FROM kept k WHERE k.id = s.id"
    )
    admin.execute("UPDATE portal_datakey d SET wrapped = k.wrapped FROM keys k WHERE k.id = d.id")


def test_C04_a_broken_consumer_loses_no_connection(bench: Bench, admin: Any) -> None:
    """Each renewal of each connection needs it."""
    admin.execute(
        b"UPDATE portal_sealedvalue SET blob = 'P1 gone' WHERE table_name = 'connections_consumer'"
    )
    with bench.works.inside():
        Credential.objects.update(expires_at="2026-01-01T00:00:00Z")
    bench.verify()
    assert bench.connection.last_error == "crypto_error"
    bench.is_well()
    restore(admin)
    assert bench.verify().outcome == Verification.Outcome.PASSED
    with bench.works.inside():
        assert RefreshAttempt.objects.filter(decision="became_current").exists()


# ── Settings of production ────────────────────────────────────────────────────────────────────

RIGHT = {
    "PORTAL_MODE": "production",
    "PORTAL_PROCESS": "web",
    "PORTAL_URL": "https://portal.example",
    "ALLOWED_HOSTS": "portal.example",
    "SECRET_KEY": "k" * 50,
    "REDIS_URL": "rediss://valkey.example/0",
    "DATABASE_URL": "postgresql://portal_owner@db.example/portal",
}
CODE = "import django; django.setup(); from portal import doctor; print(*doctor.production())"


def refusal(environment: dict[str, str]) -> str:
    """What a process says that starts with this environment; nothing when all is right."""
    done = subprocess.run(
        [sys.executable, "-c", CODE], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    return (done.stdout + done.stderr[-300:]).strip()


def refusal_of_a_copy(environment: dict[str, str]) -> str:
    """The same of a copy of this process, which reads its settings anew."""
    heard, said = os.pipe()
    if (pid := os.fork()) == 0:
        with suppress(BaseException):
            os.write(said, told_anew(environment).encode())
            os._exit(0)
        os._exit(1)
    os.close(said)
    with os.fdopen(heard) as words:
        found = words.read()
    assert os.waitpid(pid, 0)[1] == 0
    return found


def told_anew(environment: dict[str, str]) -> str:
    os.environ.clear()
    os.environ.update(environment)
    try:
        importlib.reload(importlib.import_module("portal.settings"))
        conf.settings._wrapped = conf.Settings("portal.settings")
        return " ".join(map(str, doctor.production()))
    except BaseException as error:
        return f"{type(error).__name__}: {error}"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param({}, "", id="C13-right"),
        pytest.param({"DEBUG": "1"}, "DEBUG", id="C13-debug"),
        pytest.param({"SECRET_KEY": None}, "SECRET_KEY", id="C13-no-key"),
        pytest.param({"SECRET_KEY": "development-only"}, "SECRET_KEY", id="C13-default-key"),
        pytest.param({"ALLOWED_HOSTS": "*"}, "ALLOWED_HOSTS", id="C13-hosts"),
        pytest.param({"PORTAL_URL": "http://portal.example"}, "PORTAL_URL", id="C13-http"),
        pytest.param({"DATABASE_URL": "sqlite:///x"}, "DATABASE_URL", id="C13-sqlite"),
        pytest.param({"REDIS_URL": "redis://valkey.example/0"}, "TLS", id="C13-redis"),
        pytest.param({"SANDBOX_ORIGINS": "http://127.0.0.1:1"}, "SANDBOX", id="C13-sandbox"),
    ],
)
def test_production_refuses(change: dict[str, str | None], said: str) -> None:
    environment = {name: value for name, value in (RIGHT | change).items() if value is not None}
    environment |= {"DJANGO_SETTINGS_MODULE": "portal.settings", "PATH": os.environ["PATH"]}
    told = refusal_of_a_copy(environment) if change else refusal(environment)
    assert (said in told) if said else told == ""
    assert "k" * 50 not in told


def test_C13_a_superuser_or_a_table_without_fence_stops_the_start(
    bench: Bench, servers: Servers, settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.PRODUCTION, settings.MODE = True, "production"
    name = connections["default"].settings_dict["NAME"]
    with servers.postgres.connect(name) as superuser:
        superuser.execute(b"ALTER TABLE portal_team NO FORCE ROW LEVEL SECURITY")
        superuser.execute(b"ALTER ROLE portal_app BYPASSRLS")
        try:
            problems = " ".join(str(p) for check in startup.DEMANDED for p in check())
        finally:
            superuser.execute(b"ALTER ROLE portal_app NOBYPASSRLS")
            superuser.execute(b"ALTER TABLE portal_team FORCE ROW LEVEL SECURITY")
    assert "portal_team has no forced row-level security" in problems
    assert "portal_app" in problems
    assert not list(doctor.row_security())


def test_C14_an_error_page_shows_nothing_of_the_process(bench: Bench, servers: Servers) -> None:
    name = connections["default"].settings_dict["NAME"]
    with servers.postgres.connect(name) as superuser:
        superuser.execute(b"ALTER TABLE django_session RENAME TO away")
        try:
            client = Client(raise_request_exception=False)
            client.cookies["session"] = "s" * 32
            page = client.get("/organizations/")
        finally:
            superuser.execute(b"ALTER TABLE away RENAME TO django_session")
    assert page.status_code == 500
    for value in (os.environ["DATABASE_URL"], os.environ["SECRET_KEY"], "Traceback", "psycopg"):
        assert value.encode() not in page.content
