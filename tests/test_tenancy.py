"""Row-level security, tried on every tenant table by every login role, straight from the catalogue.

The rows are made up from the column types, so a table added tomorrow is tried tomorrow.
"""

from __future__ import annotations

import psycopg
import pytest
from psycopg import sql
from psycopg.errors import ForeignKeyViolation, InsufficientPrivilege

from tests import catalogue
from tests.catalogue import HIDDEN, REFUSED, TENANTS, Floor

# What belongs to no organization, and why that is right.
NOBODYS = {
    "portal_user": "a person may belong to several organizations",
    "portal_schedule": "what every installation does, whoever is here",
    "portal_bounce": "a person's address, which refuses our mail",
    "portal_heartbeat": "a process serves everybody",
    "portal_keycheck": "sentinels prove keys and hold nothing",
    "portal_tombstone": "what is left of an organization that is gone",
    "django_session": "a browser signs in before it enters an organization",
    "django_content_type": "Django's list of models",
    "django_migrations": "Django's list of migrations",
    "auth_permission": "Django's; unused, nobody is granted it",
    "auth_group": "Django's; unused, nobody is granted it",
    "auth_group_permissions": "Django's; unused, nobody is granted it",
    "account_emailaddress": "a person's addresses",
    "account_emailconfirmation": "a person's addresses",
    "mfa_authenticator": "a person's second step, sealed",
    "usersessions_usersession": "a person's sessions",
    "socialaccount_socialapp": "sign-in services of the whole platform",
    "socialaccount_socialaccount": "a person's sign-in service",
    "socialaccount_socialtoken": "stays empty: allauth is told to keep no token",
}
# Keys between tenant tables that name the parent alone, and why that is right.
PLAIN_KEYS = {
    "connection_consumer": "a consumer may be the platform's; a foreign one is not visible (below)",
}


def statements(floor: Floor, table: str, column: str) -> dict[str, sql.Composed]:
    """Every way to touch B's row of this table that a tenant's session has."""
    t, c = sql.Identifier(table), sql.Identifier(column)
    parts = {"t": t, "c": c}
    return {
        "select": sql.SQL("SELECT count(*) FROM {t} WHERE {c} = %(b)s").format(**parts),
        "by id": sql.SQL("SELECT count(*) FROM {t} WHERE id = %(id)s").format(**parts),
        "cte": sql.SQL(
            "WITH seen AS (SELECT {c} AS o FROM {t}) SELECT count(*) FROM seen WHERE o = %(b)s"
        ).format(**parts),
        "subquery": sql.SQL(
            "SELECT count(*) FROM portal_user RIGHT JOIN"
            " (SELECT {c} AS o FROM {t}) AS x ON true WHERE x.o = %(b)s"
        ).format(**parts),
        "union": sql.SQL(
            "SELECT count(*) FROM (SELECT {c} AS o FROM {t} UNION ALL SELECT {c} FROM {t}) AS x"
            " WHERE o = %(b)s"
        ).format(**parts),
        "lock": sql.SQL(
            "SELECT count(*) FROM (SELECT id FROM {t} WHERE {c} = %(b)s FOR UPDATE) AS x"
        ).format(**parts),
        "update": sql.SQL("UPDATE {t} SET {c} = {c} WHERE id = %(id)s").format(**parts),
        "take": sql.SQL("UPDATE {t} SET {c} = %(a)s WHERE {c} = %(b)s").format(**parts),
        "delete": sql.SQL("DELETE FROM {t} WHERE {c} = %(b)s").format(**parts),
    }


class TestEveryTenantTable:
    def test_each_table_belongs_to_organizations_or_says_why_not(self, floor: Floor) -> None:
        assert floor.tables.others == NOBODYS.keys()

    def test_row_security_is_on_and_forced(self, floor: Floor) -> None:
        on = floor.admin.execute(
            "SELECT relname FROM pg_class WHERE relrowsecurity AND relforcerowsecurity"
            " AND relnamespace = 'public'::regnamespace"
        ).fetchall()
        assert {row[0] for row in on} == floor.tables.tenant.keys()

    def test_each_policy_asks_for_the_organization(self, floor: Floor) -> None:
        """Only the sweeper's and the lookups' policies see across; their columns are granted."""
        found = floor.admin.execute(
            "SELECT tablename, policyname, roles, coalesce(qual, '') || coalesce(with_check, '')"
            " FROM pg_policies WHERE schemaname = 'public' AND permissive = 'PERMISSIVE'"
        ).fetchall()
        across = {"{portal_sweeper}", "{portal_lookup}"}
        for table, name, roles, asks in found:
            wide = "{" + ",".join(roles) + "}" in across
            assert wide or "app.organization_id" in asks, (table, name)
            assert "missing" not in asks and ", true)" not in asks, (table, name)

    def test_nothing_of_b_is_seen_or_changed_from_a(self, floor: Floor) -> None:
        for role in TENANTS:
            for table, column in floor.tables.tenant.items():
                values = {"a": floor.a, "b": floor.b, "id": floor.rows[floor.b][table]}
                for way, statement in statements(floor, table, column).items():
                    got = floor.attempt(role, statement, floor.a, **values)
                    assert got in (0, REFUSED), (role, table, way, got)

    def test_a_sees_its_own_row_wherever_it_may_read(self, floor: Floor) -> None:
        """Otherwise the zeros above would prove nothing."""
        seen = 0
        for role in TENANTS:
            for table, column in floor.tables.tenant.items():
                count = sql.SQL("SELECT count(id) FROM {} WHERE {} = %(a)s").format(
                    sql.Identifier(table), sql.Identifier(column)
                )
                got = floor.attempt(role, count, floor.a, a=floor.a)
                if got == REFUSED:
                    continue
                assert got == (0 if (role, table) in HIDDEN else 1), (role, table)
                seen += 1
        assert seen >= 40

    @pytest.mark.parametrize("state", ["fresh", "after a scope"])
    def test_without_an_organization_each_command_is_an_error(
        self, floor: Floor, state: str
    ) -> None:
        for role in (*TENANTS, "portal_owner"):
            for table, column in floor.tables.tenant.items():
                if state == "after a scope":
                    floor.attempt(role, "SELECT 1", floor.a)
                values = {"a": floor.a, "b": floor.b, "id": floor.rows[floor.b][table]}
                for way, statement in statements(floor, table, column).items():
                    got = floor.attempt(role, statement, None, **values)
                    assert isinstance(got, str), (role, table, way, got)

    def test_a_row_for_b_is_refused(self, floor: Floor) -> None:
        for role in TENANTS:
            for table, column in floor.tables.tenant.items():
                row = catalogue.row_of(floor.admin, table, column, floor.b)
                insert = catalogue.insertion(table, row)
                assert floor.attempt(role, insert, floor.a, **row) == REFUSED, (role, table)

    def test_a_row_does_not_move_to_b(self, floor: Floor) -> None:
        for role in TENANTS:
            for table, column in floor.tables.tenant.items():
                move = sql.SQL("UPDATE {t} SET {c} = %(b)s WHERE id = %(id)s").format(
                    t=sql.Identifier(table), c=sql.Identifier(column)
                )
                own = floor.rows[floor.a][table]
                got = floor.attempt(role, move, floor.a, b=floor.b, id=own)
                unseen = (role, table) in HIDDEN and got == 0
                assert got == REFUSED or unseen, (role, table, got)

    def test_an_upsert_does_not_reach_b(self, floor: Floor) -> None:
        for role in TENANTS:
            for table, column in floor.tables.tenant.items():
                row = catalogue.row_of(floor.admin, table, column, floor.a)
                row["id"] = floor.rows[floor.b][table]
                upsert = catalogue.insertion(table, row) + sql.SQL(
                    " ON CONFLICT (id) DO UPDATE SET {c} = excluded.{c}"
                ).format(c=sql.Identifier(column))
                got = floor.attempt(role, upsert, floor.a, **row)
                assert got == REFUSED, (role, table, got)

    def test_copy_shows_and_brings_nothing_of_b(self, floor: Floor) -> None:
        for role in TENANTS:
            for table, column in floor.tables.tenant.items():
                out = sql.SQL("COPY (SELECT 1 FROM {} WHERE {} = {}) TO STDOUT").format(
                    sql.Identifier(table), sql.Identifier(column), sql.Literal(floor.b)
                )
                assert copied(floor, role, out) in ("", REFUSED), (role, table)
                into = sql.SQL("COPY {} FROM STDIN").format(sql.Identifier(table))
                assert copied(floor, role, into) != "", (role, table)


def copied(floor: Floor, role: str, statement: sql.Composed) -> str:
    connection = floor.roles[role]
    try:
        with connection.transaction(force_rollback=True), connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL app.organization_id = '{floor.a}'")
            cursor.execute("SET LOCAL app.teams = '*'")
            with cursor.copy(statement) as copy:
                return b"".join(bytes(part) for part in copy).decode()
    except InsufficientPrivilege:
        return REFUSED
    except psycopg.Error as error:
        return type(error).__name__


class TestKeysBetweenTables:
    def test_each_key_between_tenant_tables_is_composite(self, floor: Floor) -> None:
        for name, table, target, names in foreign_keys(floor):
            if target in floor.tables.tenant and target != "portal_organization":
                assert "organization_id" in names or name in PLAIN_KEYS, (name, table, names)

    def test_a_child_of_a_cannot_hang_under_a_parent_of_b(self, floor: Floor) -> None:
        """As the administrator, whom row security does not hold: the key alone refuses."""
        tried = 0
        for name, table, target, names in foreign_keys(floor):
            if "organization_id" not in names or len(names) != 2:
                continue
            column = next(each for each in names if each != "organization_id")
            graft = sql.SQL("UPDATE {t} SET {c} = {parent} WHERE id = {id}").format(
                t=sql.Identifier(table),
                c=sql.Identifier(column),
                parent=sql.Literal(floor.rows[floor.b][target]),
                id=sql.Literal(floor.rows[floor.a][table]),
            )
            with pytest.raises(ForeignKeyViolation), floor.admin.transaction():
                floor.admin.execute(graft)
                floor.admin.execute(
                    sql.SQL("SET CONSTRAINTS {} IMMEDIATE").format(sql.Identifier(name))
                )
            tried += 1
        assert tried >= 15

    def test_each_relation_of_the_models_has_its_key(self, floor: Floor) -> None:
        """`db_constraint=False` leaves the key to SQL; this finds one that was forgotten."""
        keyed = {(table, name) for _, table, _, names in foreign_keys(floor) for name in names}
        for table in floor.tables.tenant:
            for column in catalogue.columns(floor.admin, table):
                if column.endswith("remote_id"):
                    continue  # the vendor's
                if column.endswith("_id") and (table, column) not in keyed:
                    assert (table, column) in WITHOUT_KEY, (table, column)


# Columns that end in _id and have no foreign key, and why that is right.
WITHOUT_KEY = {
    ("portal_auditevent", "actor_id"): "the record outlives its people",
    ("portal_auditevent", "subject_id"): "the record outlives its subjects",
    ("portal_auditevent", "request_id"): "a text",
    ("portal_job", "request_id"): "a text",
    ("portal_notice", "subject_id"): "a notice outlives what it is about",
    ("portal_approval", "subject_id"): "an approval outlives what it is about",
    ("portal_erasure", "asked_by_id"): "the erasure outlives its people",
    ("connections_push", "delivery_id"): "who pushed outlives the message that told it",
    ("portal_erasure", "confirmed_by_id"): "the erasure outlives its people",
    ("portal_sealedvalue", "row_id"): "points into the table it names; the seal is bound to it",
    ("portal_intake", "row_id"): "points into the table it names; the seal is bound to it",
    ("connections_hook", "round_id"): "marks what one round is about; a round is no row",
    ("connections_hookplan", "round_id"): "marks what one round is about; a round is no row",
    ("connections_hookplan", "test_id"): "the sender's id of a test",
    ("connections_connection", "account_id"): "the vendor's",
    ("connections_consumer", "client_id"): "the vendor's",
    ("connections_verification", "account_id"): "the vendor's",
    ("connections_pendinglink", "consumer_id"): "may be the platform's; lives ten minutes",
    ("connections_lease", "organization_id"): "the record outlives what it tells about",
    ("connections_lease", "service_key_id"): "the record outlives what it tells about",
    ("connections_lease", "connection_id"): "the record outlives what it tells about",
    ("connections_lease", "request_id"): "a text",
    ("connections_refreshattempt", "organization_id"): "the ledger outlives what it tells about",
    ("connections_refreshattempt", "connection_id"): "the ledger outlives what it tells about",
    ("connections_refreshattempt", "credential_id"): "the ledger outlives what it tells about",
    ("connections_heldback", "connection_id"): "a restored database may lack the connection",
    ("connections_importbatch", "campaign_id"): "a finished campaign may be gone before it",
    ("connections_importrow", "consumer_id"): "may be the platform's; matters for a week",
    ("connections_importrow", "credential_id"): "remembers what it gave, also when that is gone",
    ("connections_credential", "token_id"): "the vendor's",
    ("connections_replacement", "old_token_id"): "the vendor's",
    ("connections_replacement", "old_id"): "remembers what it replaced, also when that is gone",
    ("connections_replacement", "new_id"): "known before there is a row of it",
    ("connections_export", "approval_id"): "on record; the file expires before the approval",
    ("connections_connection", "budget_id"): "the platform's",
    ("connections_streamstate", "pass_id"): "a mark",
    ("connections_delivery", "organization_id"): "an arrival locks nobody's row",
    ("connections_delivery", "endpoint_id"): "an arrival locks nobody's row",
    ("connections_delivery", "connection_id"): "an arrival locks nobody's row",
    ("connections_delivery", "sender_id"): "the vendor's",
    ("connections_delivery", "repository_id"): "a delivery outlives what it tells of",
    ("connections_delivery", "deed_id"): "a delivery outlives what was decided of it",
    ("connections_deliveryclaim", "organization_id"): "a claim locks nobody's row",
    ("connections_inboxdeed", "delivery_id"): "the deed outlives its delivery",
    ("connections_inboxdeed", "undoes_id"): "either deed may go first",
    ("connections_inboxdeed", "asked_by_id"): "the deed outlives its people",
}


def foreign_keys(floor: Floor) -> list[tuple[str, str, str, list[str]]]:
    """(constraint, table, target, the table's columns) of each foreign key of a tenant table."""
    found = floor.admin.execute(
        "SELECT conname, conrelid::regclass::text, confrelid::regclass::text,"
        " ARRAY(SELECT attname::text FROM pg_attribute WHERE attrelid = conrelid"
        " AND attnum = ANY (conkey)) FROM pg_constraint WHERE contype = 'f'"
        " AND connamespace = 'public'::regnamespace"
    ).fetchall()
    return [row for row in found if row[1] in floor.tables.tenant]
