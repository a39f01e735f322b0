"""Migration operations that put row-level security and grants on a table (trust.md §4.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.db.migrations.operations import RunSQL

CURRENT = "(SELECT current_setting('app.organization_id')::uuid)"
# Asked once a statement; NULL means every team. A list of uuids is compared without making text of
# each row's, and PostgreSQL guesses well how many rows are left.
_ENTERED = (
    "(SELECT CASE WHEN current_setting('app.teams') <> '*'"
    " THEN string_to_array(current_setting('app.teams'), ',')::uuid[] END)::uuid[]"
)
# Whose rows are seen: the organization's own, and those of the teams that were entered.
TEAMS = f"team_id IS NULL OR coalesce(team_id = ANY ({_ENTERED}), true)"
READ_WRITE = "SELECT, INSERT, UPDATE, DELETE"
APPEND = "SELECT, INSERT"
TENANT_ROLES = ("portal_app", "portal_worker")


def tenant_table(
    table: str,
    *,
    grants: Mapping[str, str] | None = None,
    column: str = "organization_id",
    platform_readable: bool = False,
    support: Sequence[str] = (),
    sweeper: Sequence[str] = (),
) -> RunSQL:
    """Row-level security by organization; without `grants` both tenant roles read and write.

    `platform_readable` shows the platform's own rows to everybody (consumers). `support` and
    `sweeper` list the columns those roles may read in the organization they entered, and in all
    organizations, respectively.
    """
    grants = grants or dict.fromkeys(TENANT_ROLES, READ_WRITE)
    reads = f"{column} = {CURRENT}"
    if platform_readable:
        reads = f"({reads} OR {column} = '00000000-0000-0000-0000-000000000000')"
    roles = ", ".join(grants)
    sql: list[Any] = [
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
        f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
        f"CREATE POLICY tenant_read ON {table} FOR SELECT TO {roles} USING ({reads})",
        f"CREATE POLICY tenant_insert ON {table} FOR INSERT TO {roles}"
        f" WITH CHECK ({column} = {CURRENT})",
        f"CREATE POLICY tenant_update ON {table} FOR UPDATE TO {roles}"
        f" USING ({column} = {CURRENT}) WITH CHECK ({column} = {CURRENT})",
        f"CREATE POLICY tenant_delete ON {table} FOR DELETE TO {roles}"
        f" USING ({column} = {CURRENT})",
        # Migrations of data run as the owner, organization by organization.
        f"CREATE POLICY owner ON {table} TO portal_owner USING ({column} = {CURRENT})"
        f" WITH CHECK ({column} = {CURRENT})",
    ]
    sql += [f"GRANT {verbs} ON {table} TO {role}" for role, verbs in grants.items()]
    if support:
        sql += [
            f"CREATE POLICY support ON {table} FOR SELECT TO portal_support USING ({reads})",
            f"GRANT SELECT ({', '.join(support)}) ON {table} TO portal_support",
        ]
    if sweeper:
        sql += [
            f"CREATE POLICY sweeper ON {table} FOR SELECT TO portal_sweeper USING (true)",
            f"GRANT SELECT ({', '.join(sweeper)}) ON {table} TO portal_sweeper",
        ]
    return RunSQL(sql, RunSQL.noop)


def global_table(table: str, grants: Mapping[str, str] | None = None) -> RunSQL:
    """Grants on a table that belongs to no organization (users, sessions, Django's own)."""
    grants = grants or dict.fromkeys(TENANT_ROLES, READ_WRITE)
    return RunSQL(
        [f"GRANT {verbs} ON {table} TO {role}" for role, verbs in grants.items()], RunSQL.noop
    )


# Only what is left of an erased organization may go, and only through `portal_erase_rows`.
REFUSE_CHANGE = (
    "CREATE OR REPLACE FUNCTION portal_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
    " IF TG_OP = 'DELETE' AND current_user = 'portal_lookup'"
    " AND TG_TABLE_NAME <> 'portal_tombstone' THEN"
    " IF EXISTS (SELECT FROM portal_tombstone t WHERE t.erased_id = OLD.organization_id) THEN"
    " RETURN OLD; END IF; END IF;"
    " RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$"
)


def append_only(table: str) -> RunSQL:
    """UPDATE, DELETE and TRUNCATE on this table raise for everybody, the owner included.

    The rows of an erased organization are the exception.
    """
    return RunSQL(
        [
            REFUSE_CHANGE,
            f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON {table}"
            " FOR EACH ROW EXECUTE FUNCTION portal_refuse_change()",
            f"CREATE TRIGGER no_truncate BEFORE TRUNCATE ON {table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION portal_refuse_change()",
        ],
        RunSQL.noop,
    )


def lookup_function(name: str, arguments: str, body: str, *, also: str = "") -> RunSQL:
    """A SECURITY DEFINER function of the lookup role: what must be found before an organization is.

    The tenant roles may call it, and the role `also`.
    """
    signature = name + "(" + ", ".join(part.split()[-1] for part in _parts(arguments)) + ")"
    callers = ", ".join(filter(None, (*TENANT_ROLES, also)))
    return RunSQL(
        [
            f"CREATE FUNCTION {name}{arguments} {body}",
            f"ALTER FUNCTION {signature} OWNER TO portal_lookup",
            # Granted by its new owner: an older grant to portal_owner would move over with it.
            "SET LOCAL ROLE portal_lookup",
            f"REVOKE ALL ON FUNCTION {signature} FROM PUBLIC",
            f"GRANT EXECUTE ON FUNCTION {signature} TO {callers}",
            "RESET ROLE",
        ],
        f"DROP FUNCTION {signature}",
    )


def _parts(arguments: str) -> list[str]:
    return [part for part in arguments.strip("()").split(",") if part.strip()]


def same_organization(
    table: str, column: str, target: str, *, on_delete: str = "CASCADE"
) -> RunSQL:
    """A composite foreign key: a row may point only into its own organization (decisions.md 9).

    The target has a unique (organization_id, id). `on_delete` SET NULL clears only the column.
    """
    action = f"SET NULL ({column})" if on_delete == "SET NULL" else on_delete
    name = f"{table}_{column}_same_org"
    tables = dict.fromkeys((table, target))
    return RunSQL(
        [
            # The check of the rows that are there reads both tables as their owner.
            *(f"ALTER TABLE {each} NO FORCE ROW LEVEL SECURITY" for each in tables),
            f"ALTER TABLE {table} ADD CONSTRAINT {name} FOREIGN KEY (organization_id, {column})"
            f" REFERENCES {target} (organization_id, id) ON DELETE {action}"
            " DEFERRABLE INITIALLY DEFERRED",
            *(f"ALTER TABLE {each} FORCE ROW LEVEL SECURITY" for each in tables),
        ],
        f"ALTER TABLE {table} DROP CONSTRAINT {name}",
    )


def erasable(*tables: str, column: str = "organization_id") -> RunSQL:
    """Rows of an erased organization may go from these tables, which no worker may delete from."""
    gone = "EXISTS (SELECT FROM portal_tombstone t WHERE t.erased_id = {table}.{column})"
    columns = ", ".join(dict.fromkeys(("id", column)))
    sql: list[Any] = []
    for table in tables:
        buried = gone.format(table=table, column=column)
        sql += [
            f"CREATE POLICY erased ON {table} FOR SELECT TO portal_lookup USING ({buried})",
            f"CREATE POLICY erased_rows ON {table} FOR DELETE TO portal_lookup USING ({buried})",
            f"GRANT SELECT ({columns}), DELETE ON {table} TO portal_lookup",
        ]
    return RunSQL(sql, RunSQL.noop)


def composite_key(table: str) -> RunSQL:
    """The unique (organization_id, id) that composite foreign keys point to."""
    return RunSQL(
        f"ALTER TABLE {table} ADD CONSTRAINT {table}_org_id UNIQUE (organization_id, id)",
        f"ALTER TABLE {table} DROP CONSTRAINT {table}_org_id",
    )
