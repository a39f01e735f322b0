"""The database as PostgreSQL describes it: tenant tables, their columns, and a row for each.

Rules are held against the catalogue and not against a list, so that no new table is forgotten.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from django.db import connections
from psycopg import sql
from psycopg.errors import InsufficientPrivilege
from psycopg.types.json import Json

from tests.servers import Servers

TENANTS = ("portal_app", "portal_api", "portal_worker")
OTHERS = ("portal_ingest", "portal_sweeper", "portal_support")
# Rows of other key domains: a role does not see them, not even in its own organization.
HIDDEN = {
    ("portal_app", "portal_datakey"),
    ("portal_api", "portal_datakey"),
    ("portal_api", "portal_sealedvalue"),
}
REFUSED = "refused"

Admin = psycopg.Connection[tuple[Any, ...]]

_COLUMNS = """
SELECT a.attname, format_type(a.atttypid, a.atttypmod)
  FROM pg_attribute a WHERE a.attrelid = %s::regclass AND a.attnum > 0 AND NOT a.attisdropped
 ORDER BY a.attnum
"""
_TABLES = """
SELECT c.relname, EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid
                          AND a.attname = 'organization_id' AND NOT a.attisdropped)
  FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
 ORDER BY 1
"""


@dataclass(frozen=True, slots=True)
class Tables:
    """`tenant` maps each table of organizations to the column that names the organization."""

    tenant: dict[str, str]
    others: frozenset[str]


def tables(admin: Admin) -> Tables:
    found = {str(row[0]): bool(row[1]) for row in admin.execute(_TABLES).fetchall()}
    tenant = {name: "organization_id" for name, has in found.items() if has}
    tenant["portal_organization"] = "id"
    return Tables(tenant, frozenset(found) - tenant.keys())


def columns(admin: Admin, table: str) -> dict[str, str]:
    """Column names with their types, in order."""
    return {str(name): str(kind) for name, kind in admin.execute(_COLUMNS, [table]).fetchall()}


def invented(kind: str) -> Any:
    """A value of this PostgreSQL type that no other row has."""
    if kind.endswith("[]"):
        return []
    if kind.startswith("character varying"):
        length = int(kind.partition("(")[2].rstrip(")") or 40)
        return secrets.token_hex(20)[:length]
    plain: dict[str, Any] = {
        "uuid": uuid4(),
        "text": secrets.token_hex(20),
        "boolean": True,
        "jsonb": Json({}),
        "bytea": secrets.token_bytes(32),
        "timestamp with time zone": "2026-01-01T00:00:00Z",
    }
    return plain.get(kind, secrets.randbelow(30_000) + 1)


def row_of(admin: Admin, table: str, column: str, organization: UUID) -> dict[str, Any]:
    """Values for a whole row of this organization."""
    row = {name: invented(kind) for name, kind in columns(admin, table).items()}
    return row | {column: organization}


def insertion(table: str, row: dict[str, Any]) -> sql.Composed:
    return sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
        sql.Identifier(table),
        sql.SQL(", ").join(map(sql.Identifier, row)),
        sql.SQL(", ").join(map(sql.Placeholder, row)),
    )


def relax(admin: Admin) -> None:
    """Invented rows fit: no checks, and no triggers for this administrator's own statements."""
    found = admin.execute(
        "SELECT conrelid::regclass::text, conname FROM pg_constraint WHERE contype = 'c'"
        " AND connamespace = 'public'::regnamespace"
    ).fetchall()
    for table, name in found:
        admin.execute(
            sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}").format(
                sql.Identifier(table), sql.Identifier(name)
            )
        )
    admin.execute("SET session_replication_role = replica")


def plant(admin: Admin, organization: UUID) -> dict[str, Any]:
    """A row of this organization in every tenant table; its id by table."""
    ids = {}
    for table, column in tables(admin).tenant.items():
        row = row_of(admin, table, column, organization)
        admin.execute(insertion(table, row), row)
        ids[table] = row["id"]
    return ids


@dataclass
class Floor:
    """One database with a row of A, of B and of the platform in every tenant table."""

    name: str
    admin: Admin
    roles: dict[str, psycopg.Connection[Any]]
    tables: Tables
    a: UUID
    b: UUID
    rows: dict[UUID, dict[str, Any]]

    def attempt(
        self, role: str, statement: sql.Composable | str, scope: UUID | None, /, **values: Any
    ) -> Any:
        """What comes of the statement: rows touched or read, or the refusal's class. Undone."""
        connection = self.roles[role]
        try:
            with connection.transaction(force_rollback=True), connection.cursor() as cursor:
                if scope:
                    cursor.execute(f"SET LOCAL app.organization_id = '{scope}'")
                    cursor.execute("SET LOCAL app.teams = '*'")
                cursor.execute(statement, values)  # type: ignore[arg-type]
                return cursor.fetchone()[0] if cursor.description else cursor.rowcount  # type: ignore[index]
        except psycopg.Error as error:
            return REFUSED if isinstance(error, InsufficientPrivilege) else type(error).__name__


@pytest.fixture(scope="session")
def floor(servers: Servers, django_db_setup: None) -> Iterator[Floor]:
    name = "tenancy_from_the_catalogue"
    servers.clone(name)
    host = connections["default"].settings_dict["HOST"]
    with servers.postgres.connect(name) as admin:
        relax(admin)
        a, b = uuid4(), uuid4()
        rows = {one: plant(admin, one) for one in (a, b)}
        admin.execute("SET session_replication_role = origin")
        roles = {
            role: psycopg.connect(host=host, user=role, dbname=name, autocommit=True)
            for role in ("portal_owner", *TENANTS, *OTHERS)
        }
        yield Floor(name, admin, roles, tables(admin), a, b, rows)
        for connection in roles.values():
            connection.close()
    servers.drop(name)


def readable(floor: Floor, role: str) -> dict[str, set[str]]:
    return granted(floor, role, "SELECT")


def writable(floor: Floor, role: str) -> set[tuple[str, str]]:
    return {
        (table, column)
        for verb in ("INSERT", "UPDATE")
        for table, found in granted(floor, role, verb).items()
        for column in found
    }


def granted(floor: Floor, role: str, verb: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    rows = floor.admin.execute(
        "SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
        " WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND a.attnum > 0"
        " AND NOT a.attisdropped AND has_column_privilege(%s, c.oid, a.attnum, %s)",
        [role, verb],
    ).fetchall()
    for table, column in rows:
        found.setdefault(str(table), set()).add(str(column))
    return found
