"""The role of the api process: access tokens of one organization at a time, and little beside."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any
from uuid import UUID

import pytest
from psycopg import sql
from psycopg.errors import RaiseException

from tests import catalogue
from tests.catalogue import REFUSED, Floor, readable, writable

ROLE = "portal_api"
SEALED = ("portal_sealedvalue", "portal_datakey")
# Never set in this session; or set before, and empty since.
NO_ORGANIZATION = ("UndefinedObject", "InvalidTextRepresentation")


@pytest.fixture
def domains(floor: Floor) -> Iterator[None]:
    """A and B each have a sealed value and a data key of every key domain."""
    planted: list[tuple[str, Any]] = []
    floor.admin.execute("SET session_replication_role = replica")
    for organization in (floor.a, floor.b):
        for domain in ("access", "grant", "mfa"):
            for table in SEALED:
                row = catalogue.row_of(floor.admin, table, "organization_id", organization)
                row |= {"domain": domain}
                floor.admin.execute(catalogue.insertion(table, row), row)
                planted.append((table, row["id"]))
    yield
    for table, key in planted:
        statement = sql.SQL("DELETE FROM {} WHERE id = %s").format(sql.Identifier(table))
        floor.admin.execute(statement, [key])
    floor.admin.execute("SET session_replication_role = origin")


@pytest.mark.parametrize("table", SEALED)
def test_it_sees_only_what_is_sealed_in_its_own_domain(
    floor: Floor, domains: None, table: str
) -> None:
    count = f"SELECT string_agg(DISTINCT domain, ',') FROM {table}"

    assert floor.attempt(ROLE, count, floor.a) == "access"
    of_b = f"SELECT count(*) FROM {table} WHERE organization_id = %(b)s"
    assert floor.attempt(ROLE, of_b, floor.a, b=floor.b) == 0
    assert floor.attempt(ROLE, count, None) in NO_ORGANIZATION


@pytest.mark.parametrize("table", SEALED)
def test_it_changes_nothing_that_is_sealed(floor: Floor, domains: None, table: str) -> None:
    row = catalogue.row_of(floor.admin, table, "organization_id", floor.a) | {"domain": "access"}
    for statement in (
        f"UPDATE {table} SET domain = 'access'",
        f"DELETE FROM {table}",
        f"SELECT id FROM {table} FOR UPDATE",
    ):
        assert floor.attempt(ROLE, statement, floor.a) == REFUSED, statement
    assert floor.attempt(ROLE, catalogue.insertion(table, row), floor.a, **row) == REFUSED


def test_it_reads_no_other_sealed_column(floor: Floor) -> None:
    """Bytes are seals, wrapped keys and hashes: these it may read, and no others."""
    found = {
        (table, column)
        for table, names in readable(floor, ROLE).items()
        for column in names
        if catalogue.columns(floor.admin, table)[column] == "bytea"
    }
    assert found <= {
        ("portal_sealedvalue", "blob"),
        ("portal_datakey", "wrapped"),
        ("portal_keycheck", "blob"),
        ("connections_servicekey", "hash"),  # of 256 random bits: nothing to guess
    }


def test_people_sessions_and_the_record_are_none_of_its_business(floor: Floor) -> None:
    seen = {table for table in readable(floor, ROLE) if not table.startswith("connections_")}

    assert seen == {
        *SEALED,
        "portal_keycheck",
        "portal_heartbeat",
        "portal_organization",
        "django_migrations",
    }
    written = {table for table, _ in writable(floor, ROLE)}
    assert {table for table in written if not table.startswith("connections_")} == {"portal_job"}
    for table in (*floor.tables.tenant, *floor.tables.others):
        assert floor.attempt(ROLE, f"DELETE FROM {table}", floor.a) == REFUSED, table


def job(floor: Floor, organization: UUID, kind: str) -> Any:
    row = catalogue.row_of(floor.admin, "portal_job", "organization_id", organization)
    row |= {"kind": kind}
    return floor.attempt(ROLE, catalogue.insertion("portal_job", row), floor.a, **row)


def test_it_asks_for_few_kinds_of_work_and_for_its_organization_only(floor: Floor) -> None:
    assert job(floor, floor.a, "refresh_credential") == 1
    assert job(floor, floor.b, "refresh_credential") == REFUSED
    for kind in ("erase_organization", "revoke_connection", "send_mail"):
        assert job(floor, floor.a, kind) == REFUSED
    assert floor.attempt(ROLE, "SELECT count(*) FROM portal_job", floor.a) == REFUSED


def test_a_database_without_the_role_says_who_makes_it(floor: Floor) -> None:
    """An upgrade whose administrator has not run roles.sql again stops at the migration."""
    migration = import_module("portal.migrations.0006_api_role")

    says = pytest.raises(RaiseException, match=r"administrator run portal/sql/roles\.sql again")
    with says, floor.admin.transaction():
        floor.admin.execute(f"ALTER ROLE {ROLE} RENAME TO portal_away")
        floor.admin.execute(migration.ROLE_EXISTS)
