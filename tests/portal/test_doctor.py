"""The doctor says in one line what is wrong and what to do."""

from __future__ import annotations

import io
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import connections
from django.utils import timezone

from portal import doctor, erasing, keyring, tenancy, tombstones
from portal.models import Heartbeat, Organization
from portal.roles import using_role
from tests import keys

pytestmark = pytest.mark.django_db


@pytest.fixture
def healthy(settings, tmp_path):
    """A web process whose installation lacks nothing."""
    settings.TOMBSTONE_FILE = str(tmp_path / "tombstones.sqlite3")
    tombstones.begin()
    rings = keys.rings()
    with using_role("owner"):
        keyring.plant(list(rings.values()))
    with using_role("worker"):
        Heartbeat.objects.create(kind="worker", host="here", pid=1)
    settings.PROCESS = "web"
    with keys.holding(rings["web"]):
        yield


def ask():
    out, code = io.StringIO(), 0
    try:
        call_command("doctor", stdout=out, no_color=True)
    except SystemExit as ended:
        code = ended.code
    return code, out.getvalue().splitlines()


def wrong(name):
    """The lines about this check."""
    code, lines = ask()
    found = [line for line in lines if line.startswith(f"wrong  {name}: ")]
    assert code == 1
    assert found
    return "\n".join(found)


def as_owner(statement):
    with connections["owner"].cursor() as cursor:
        cursor.execute(statement)


def test_a_healthy_installation_is_one_good_line_per_check(healthy):
    code, lines = ask()

    assert [line for line in lines if not line.startswith("right  ")] == []
    assert code == 0
    assert {"right  database", "right  row-level security", "right  keyring"} <= set(lines)


def test_a_file_of_tombstones_that_is_missing_or_behind_is_named(healthy):
    gone = Organization(slug="gone", name="Gone")
    with tenancy.acting_for(gone), tenancy.transaction():
        gone.save(force_insert=True)
    worker = using_role("worker"), keys.holding(keys.rings()["worker"])
    with worker[0], worker[1], tenancy.acting_for(gone), tenancy.transaction():
        erasing.destroy()
    said = wrong("tombstones")
    assert "lacks 1 erased organization, the last of 20" in said
    assert "keys apply_tombstones" in said

    tombstones.path().unlink()
    said = wrong("tombstones")
    assert f"{tombstones.path()} is missing" in said and "lacks" not in said
    with using_role("worker"):
        tombstones.adopt()
    assert "right  tombstones" in ask()[1]


def test_a_table_without_row_level_security_is_named(healthy):
    as_owner("ALTER TABLE portal_sealedvalue NO FORCE ROW LEVEL SECURITY")
    as_owner("ALTER TABLE portal_job DISABLE ROW LEVEL SECURITY")

    said = wrong("row-level security")

    assert "portal_sealedvalue" in said and "portal_job" in said


def test_a_table_nobody_modelled_is_found_by_its_column(healthy):
    as_owner("CREATE TABLE forgotten (organization_id uuid)")

    assert "forgotten" in wrong("row-level security")


def test_a_role_that_owns_a_table_is_named(healthy):
    as_owner("GRANT CREATE ON SCHEMA public TO portal_worker")
    with connections["worker"].cursor() as cursor:
        cursor.execute("CREATE TABLE mine ()")

    assert "portal_worker" in wrong("database")


def test_waiting_migrations_are_counted(healthy):
    as_owner("DELETE FROM django_migrations WHERE app = 'sessions'")

    assert "1 migrations wait, the first is sessions.0001_initial" in wrong("migrations")


def test_wrong_keys_are_told(healthy):
    with keys.holding(keys.rings()["web"]):
        assert "fingerprint" in wrong("keyring")


def test_by_hand_the_key_files_are_looked_at(healthy, settings, tmp_path):
    settings.PROCESS, settings.KEYRING_FILE = "manage", str(tmp_path / "web.json")
    Path(tmp_path / "web.json").write_text("{}")
    Path(tmp_path / "web.json").chmod(0o644)

    said = wrong("keyring")

    assert "web.json: The keyring" in said and "chmod 0400" in said
    assert "worker.json: There is no keyring" in said


def test_a_silent_valkey_is_told(healthy, settings):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"

    assert "Valkey does not answer" in wrong("valkey")


def test_a_worker_that_never_came_and_one_that_went_are_told(healthy):
    with using_role("worker"):
        Heartbeat.objects.update(seen_at=timezone.now() - timedelta(minutes=5))
    assert "No worker has been seen since" in wrong("worker")

    with using_role("worker"):
        Heartbeat.objects.all().delete()
    assert "No worker has ever started" in wrong("worker")


def test_c13_what_eases_development_is_wrong_in_production(healthy, settings):
    settings.MODE, settings.DEBUG = "production", True
    settings.SANDBOX_ORIGINS = ["http://127.0.0.1:8801"]
    settings.ALLOWED_HOSTS, settings.SECRET_KEY = ["*"], "development-only"
    settings.PORTAL_URL, settings.REDIS_URL = "http://portal.example", "redis://cache.example/0"

    found = [problem.what for problem in doctor.production()]

    assert len(found) == 6
    settings.PROCESS, settings.API_URL = "api", "http://api.example"
    assert "API_URL is not https." in {problem.what for problem in doctor.production()}
    settings.MODE = "development"
    assert list(doctor.production()) == []


def test_without_a_database_every_check_still_has_its_line(healthy, settings):
    names = {alias: connections.settings[alias]["NAME"] for alias in connections}
    for alias in connections:
        connections[alias].close()
        connections.settings[alias]["NAME"] = "absent"
    try:
        code, lines = ask()
    finally:
        for alias, name in names.items():
            connections[alias].close()
            connections.settings[alias]["NAME"] = name

    assert code == 1
    assert any("cannot reach the database" in line for line in lines)
    assert "right  valkey" in lines
    assert not any("Traceback" in line for line in lines)
