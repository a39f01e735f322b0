"""`manage.py preflight`: what it says of an old database before anything is done to it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import StringIO
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from django.core.management import call_command
from django.db import connections
from pytest_django.plugin import DjangoDbBlocker

from portal import (
    preflight,
    preflight_now,
    preflight_rates,
    preflight_statements,
    version,
    work,
)
from portal.preflight_effects import Seen, Verdict, Work
from portal.preflight_plan import Planned, steps
from portal.preflight_schema import Schema
from tests.servers import Servers
from tests.upgrades.databases import DUMPS, Database, restored

FIRST = DUMPS[0]


@pytest.fixture(scope="module")
def old(
    servers: Servers, django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[Database]:
    with restored(servers, FIRST, django_db_blocker) as database:
        yield database


@pytest.fixture(scope="module")
def told(old: Database) -> dict[str, Any]:
    """What the command says of the oldest dump, and with which code it leaves."""
    out = StringIO()
    with pytest.raises(SystemExit) as left:
        call_command("preflight", "--json", "--longest-wait=0.2", stdout=out)
    found: dict[str, Any] = json.loads(out.getvalue())
    return found | {"code": left.value.code}


def migration(told: dict[str, Any], name: str) -> dict[str, Any]:
    return next(each for each in told["migrations"] if each["name"] == name)


def test_it_names_tables_locks_and_times(told: dict[str, Any]) -> None:
    held = {each["table"]: each for each in migration(told, "connections.0006_refresh")["held"]}

    connection = held["connections_connection"]
    assert connection["lock"] == "ACCESS EXCLUSIVE"
    assert 0 < connection["seconds"]["low"] < connection["seconds"]["high"]
    assert held["portal_organization"]["lock"] == "SHARE ROW EXCLUSIVE"
    assert "connections_breaker" not in held  # it makes that one: nobody waits


def test_it_says_what_the_version_before_would_stumble_over(told: dict[str, Any]) -> None:
    """Migrations before the promise were not yet held to it; that is how they look."""
    assert told["code"] == 1
    assert any("connections_connection.looks" in each for each in told["dangers"])
    assert any("api_kinds" in each for each in told["dangers"])


def test_it_counts_the_connections_that_are_touched(told: dict[str, Any], old: Database) -> None:
    waits, changed = told["touched"]

    assert (waits["count"], waits["organizations"]) == (1, 1)
    assert waits["parts"] == {"bitbucket-cloud": 1}
    assert changed["parts"] == {"connections_credential": 1}


def test_it_changes_nothing(told: dict[str, Any], old: Database) -> None:
    with connections["owner"].cursor() as cursor:
        cursor.execute("SELECT to_regclass('portal_preflight_measure')")
        assert cursor.fetchone() == (None,)
        cursor.execute("SELECT max(name) FROM django_migrations WHERE app = 'connections'")
        assert cursor.fetchone() == ("0005_counts",)


def holding() -> dict[str, Verdict]:
    owner = connections["owner"]
    found = preflight_now.long_transactions(owner, ["connections_connection"], 0.2)
    return {each.what: each.verdict for each in found}


def verdict(found: dict[str, Verdict], words: str) -> Verdict:
    return next(verdict for what, verdict in found.items() if words in what)


def session(old: Database, name: str) -> psycopg.Connection[Any]:
    server = old.servers.postgres
    return psycopg.connect(server.url(old.name), application_name=name, user="portal_worker")


def test_whoever_holds_a_table_for_long_is_named(old: Database) -> None:
    with session(old, "worker connections 0005 portal 0003") as holder:
        holder.execute("SELECT 1 FROM django_migrations")
        before = holding()
        holder.execute(f"SET LOCAL app.organization_id = '{uuid4()}'")
        holder.execute("SELECT 1 FROM connections_connection")
        found = holding()

    assert before == {}
    assert verdict(found, "has kept connections_connection") is Verdict.DANGER


def test_running_versions_are_told_apart(old: Database) -> None:
    names = ("api connections 0005 portal 0003", "worker connections 0004 portal 0003", "tick")
    held = [session(old, name) for name in (*names, f"web {version.schema()}")]
    told = preflight_now.versions(connections["owner"], waits=True)
    found = {each.what: each.verdict for each in told}
    for each in held:
        each.close()

    assert verdict(found, "api has 1 session") is Verdict.FINE
    assert verdict(found, "worker has 1 session of code for connections 0004") is Verdict.DANGER
    assert verdict(found, "tick has 1 session that say") is Verdict.NOTE
    assert verdict(found, f"of code for {version.schema()}") is Verdict.DANGER


def test_jobs_that_only_old_workers_do_are_counted(old: Database) -> None:
    statement = (
        "INSERT INTO portal_job (id, organization_id, kind, ref, priority, run_at, attempts,"
        " max_attempts, last_error, request_id, created_at)"
        " SELECT gen_random_uuid(), id, 'of_old', '{}', 50, now(), 0, 8, '', '', now()"
        " FROM portal_organization LIMIT 1"
    )
    with old.servers.postgres.connect(old.name) as superuser:
        superuser.execute(statement)
    assert "of_old" not in work.known()
    found = {each.what: each.verdict for each in preflight_now.jobs()}
    assert verdict(found, "1 job of the kind “of_old”") is Verdict.DANGER


def test_a_long_wait_is_a_danger(old: Database) -> None:
    schema = Schema(connections["owner"])
    slow = preflight_rates.Rates(dict.fromkeys(Work, 1.0))  # a row in a second
    sql = ("CREATE INDEX slow ON portal_user (name)", "UPDATE portal_user SET name = ''")
    (step,) = steps([Planned("portal.0099_slow", sql, True, {})], schema, slow)

    waits = list(preflight.waits((step,), longest=3))

    assert [each.verdict for each in waits] == [Verdict.DANGER]
    assert "portal_user" in waits[0].what and "writes wait" in waits[0].what


READ = {
    'ALTER TABLE "portal_user" ADD COLUMN "x" text NULL': Verdict.FINE,
    'ALTER TABLE "portal_user" ADD COLUMN "x" int DEFAULT 0 NOT NULL': Verdict.FINE,
    'ALTER TABLE "portal_user" ADD COLUMN "x" int NOT NULL': Verdict.DANGER,
    'ALTER TABLE "portal_user" ADD COLUMN "x" int NULL, DROP COLUMN "name"': Verdict.DANGER,
    'ALTER TABLE "portal_user" ALTER COLUMN "name" TYPE varchar(900)': Verdict.FINE,
    'ALTER TABLE "portal_user" ALTER COLUMN "name" TYPE varchar(3)': Verdict.DANGER,
    'ALTER TABLE "portal_user" ALTER COLUMN "name" SET NOT NULL': Verdict.DANGER,
    'ALTER TABLE "portal_user" RENAME COLUMN "name" TO "called"': Verdict.DANGER,
    "ALTER TABLE portal_user ADD CONSTRAINT c CHECK (name <> '') NOT VALID": Verdict.DANGER,
    'ALTER TABLE portal_user ADD CONSTRAINT c UNIQUE ("id", "name")': Verdict.FINE,
    'ALTER TABLE portal_user ADD CONSTRAINT c UNIQUE ("name")': Verdict.DANGER,
    "ALTER TABLE portal_user VALIDATE CONSTRAINT c": Verdict.FINE,
    "CREATE INDEX CONCURRENTLY i ON portal_user (name)": Verdict.FINE,
    "CREATE UNIQUE INDEX i ON portal_user (lower(name))": Verdict.DANGER,
    "DROP FUNCTION portal_memberships_of(uuid)": Verdict.DANGER,
    "CREATE OR REPLACE FUNCTION portal_memberships_of(a uuid) RETURNS int": Verdict.NOTE,
    "CREATE POLICY p ON portal_team FOR SELECT TO portal_app USING (true)": Verdict.FINE,
    "CREATE POLICY p ON portal_team AS RESTRICTIVE USING (false)": Verdict.DANGER,
    "REVOKE SELECT ON portal_team FROM portal_app": Verdict.DANGER,
    "UPDATE portal_user SET name = ''": Verdict.NOTE,
    "TRUNCATE portal_user": Verdict.DANGER,
    "DO $$ BEGIN IF false THEN RAISE EXCEPTION 'no'; END IF; END $$": Verdict.FINE,
    "DO $$ BEGIN EXECUTE 'DROP TABLE portal_user'; END $$": Verdict.DANGER,
    "CLUSTER portal_user": Verdict.DANGER,
    "-- THIS OPERATION CANNOT BE WRITTEN AS SQL": Verdict.DANGER,
}


@pytest.mark.parametrize("sql", READ)
def test_a_statement_is_judged(sql: str, old: Database) -> None:
    seen = Seen(Schema(connections["owner"]))

    assert max(each.verdict for each in preflight_statements.read(sql, seen, {})) is READ[sql]


def test_what_is_new_is_nobodys_and_a_reason_counts(old: Database) -> None:
    seen = Seen(Schema(connections["owner"]))
    said: list[Verdict] = []
    for sql in (
        'CREATE TABLE "portal_new" ("id" uuid NOT NULL PRIMARY KEY, "name" text NOT NULL)',
        'ALTER TABLE "portal_new" ADD CONSTRAINT "u" UNIQUE ("name")',
        'ALTER TABLE "portal_user" ADD COLUMN "n" uuid NULL',
        'CREATE UNIQUE INDEX "i" ON "portal_user" ("n")',
        'ALTER TABLE "portal_user" ADD CONSTRAINT "argued" CHECK ("name" <> \'\')',
    ):
        effects = preflight_statements.read(sql, seen, {"argued": "Nobody has an empty name."})
        said.append(max(each.verdict for each in effects))

    assert said == [Verdict.FINE] * 4 + [Verdict.NOTE]
