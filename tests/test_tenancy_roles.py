"""What each login role of the database can do beyond its organization: nothing that widens it."""

from __future__ import annotations

from tests import catalogue
from tests.catalogue import REFUSED, TENANTS, Floor, readable, writable

SWEEPER_READS = {
    "portal_job": {
        *("id", "organization_id", "kind", "priority", "run_at", "attempts", "lease_owner"),
        *("lease_until", "created_at", "done_at", "failed_at"),
    },
    "connections_connection": {
        *("id", "organization_id", "state", "paused_at", "next_verification_at", "next_sync_at"),
        "next_probe_at",
    },
    "connections_credential": {
        *("id", "organization_id", "refresh_due_at", "intent_version", "lease_until"),
        "quarantined_at",
    },
    "connections_dirtytarget": {"organization_id", "connection_id", "due_at", "lease_until"},
    "connections_hookplan": {"organization_id", "connection_id", "next_at"},
    "connections_link": {"id", "organization_id", "target_id", "state", "waits_until"},
    "connections_relayitem": {"organization_id", "link_id", "due_at", "lease_until"},
    "connections_smartdeed": {"organization_id", "link_id", "due_at"},
    "portal_turn": {"organization_id", "priority", "served_at"},
    "portal_organization": {"id", "slug", "name"},
    "django_migrations": {"id", "app", "name", "applied"},
}

# What the vendor calls a token and its number there, which open nothing.
NAMES_OF_TOKENS = {"token_id", "token_name", "old_token_id"}


class TestRoles:
    def test_no_role_can_widen_its_view(self, floor: Floor) -> None:
        table = "portal_membership"
        for role in floor.roles:
            for statement in (
                f"SELECT set_config('app.organization_id', '{floor.b}', true)",
                "UPDATE pg_settings SET setting = 'x' WHERE name = 'app.organization_id'",
                f"TRUNCATE {table} CASCADE",
                f"SET row_security = off; SELECT count(*) FROM {table}",
                f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY",
                f"DROP POLICY tenant_read ON {table}",
                f"CREATE POLICY mine ON {table} USING (true)",
                "CREATE TABLE planted ()",
                "CREATE VIEW planted AS SELECT 1",
                "SET ROLE postgres",
                "SET ROLE portal_owner",
                "SET SESSION AUTHORIZATION postgres",
                "SELECT pg_read_file('/etc/passwd')",
                "COPY (SELECT 1) TO PROGRAM 'true'",
                "ALTER ROLE current_user BYPASSRLS",
            ):
                if role == "portal_owner" and not forbidden_to_the_owner(statement):
                    continue
                got = floor.attempt(role, statement, floor.a)
                assert isinstance(got, str), (role, statement, got)

    def test_tenants_touch_only_what_they_were_granted_of_nobodys_tables(
        self, floor: Floor
    ) -> None:
        for table in ("auth_group", "auth_permission", "portal_keycheck"):
            for role in TENANTS:
                got = floor.attempt(role, f"DELETE FROM {table}", floor.a)
                assert got == REFUSED, (role, table)
        assert (
            floor.attempt("portal_worker", "SELECT count(*) FROM django_session", None) == REFUSED
        )
        assert (
            floor.attempt("portal_worker", "SELECT count(*) FROM mfa_authenticator", None)
            == REFUSED
        )

    def test_the_web_process_reads_no_sealed_column(self, floor: Floor) -> None:
        for statement in (
            "SELECT count(*) FROM portal_sealedvalue",
            "SELECT blob FROM portal_intake",
            "SELECT count(*) FROM portal_intake i WHERE i.blob IS NOT NULL",
            "DELETE FROM portal_intake RETURNING blob",
        ):
            assert floor.attempt("portal_app", statement, floor.a) == REFUSED, statement
        assert readable(floor, "portal_app").get("portal_sealedvalue", set()) == set()
        hidden = "SELECT count(*) FROM portal_datakey WHERE domain <> 'mfa'"
        assert floor.attempt("portal_app", hidden, floor.a) == 0

    def test_a_worker_reads_invitations_but_not_what_opens_them(self, floor: Floor) -> None:
        seen = readable(floor, "portal_worker")["portal_invitation"]
        assert "email" in seen and "token_hash" not in seen
        assert not [
            each for each in writable(floor, "portal_worker") if each[0] == "portal_invitation"
        ]

    def test_the_sweeper_sees_queue_columns_only(self, floor: Floor) -> None:
        assert readable(floor, "portal_sweeper") == SWEEPER_READS

    def test_the_sweeper_changes_leases_and_turns_only(self, floor: Floor) -> None:
        turn = {"id", "organization_id", "priority", "served_at"}
        assert writable(floor, "portal_sweeper") == {
            *(("portal_turn", column) for column in turn),
            ("portal_job", "claimed_at"),
            ("portal_job", "lease_owner"),
            ("portal_job", "lease_until"),
            ("portal_job", "attempts"),
        }

    def test_support_reads_no_secret_and_changes_nothing(self, floor: Floor) -> None:
        assert writable(floor, "portal_support") == set()
        sealed = {"portal_sealedvalue", "portal_intake", "portal_datakey", "django_session"}
        for table, seen in readable(floor, "portal_support").items():
            assert table not in sealed
            kinds = catalogue.columns(floor.admin, table)
            for column in seen:
                assert kinds[column] != "bytea", (table, column)
                words = {"hash", "secret", "password", "token"} & set(column.split("_"))
                assert not words or column in NAMES_OF_TOKENS, (table, column)

    def test_support_sees_one_organization_at_a_time(self, floor: Floor) -> None:
        for table in readable(floor, "portal_support").keys() & floor.tables.tenant.keys():
            count = f"SELECT count(id) FROM {table} WHERE {floor.tables.tenant[table]} = %(b)s"
            assert floor.attempt("portal_support", count, floor.a, b=floor.b) == 0, table
            assert floor.attempt("portal_support", count, floor.b, b=floor.b) == 1, table
            assert isinstance(floor.attempt("portal_support", count, None, b=floor.b), str), table

    def test_the_record_is_append_only_even_for_its_owner(self, floor: Floor) -> None:
        for role in ("portal_owner", *TENANTS):
            for deed in (
                "UPDATE portal_auditevent SET action = 'x'",
                "DELETE FROM portal_auditevent",
            ):
                assert isinstance(floor.attempt(role, deed, floor.a), str), (role, deed)

    def test_each_lookup_function_is_narrow(self, floor: Floor) -> None:
        """Definer's rights belong to the lookup role, which bypasses nothing; nobody else calls."""
        found = floor.admin.execute(
            "SELECT proname, proowner::regrole::text, array_to_string(proconfig, ','),"
            " coalesce(proacl::text, 'public') FROM pg_proc WHERE prosecdef"
            " AND pronamespace = 'public'::regnamespace"
        ).fetchall()
        assert len(found) >= 6
        for name, owner, configuration, callers in found:
            assert owner == "portal_lookup", name
            assert configuration == "search_path=public", name
            assert "{=" not in callers and ",=" not in callers and callers != "public", name

    def test_each_view_asks_as_its_caller(self, floor: Floor) -> None:
        found = floor.admin.execute(
            "SELECT relname, relkind::text, coalesce(reloptions::text, '') FROM pg_class"
            " WHERE relkind IN ('v', 'm') AND relnamespace = 'public'::regnamespace"
        ).fetchall()
        for name, kind, options in found:
            assert kind == "v" and "security_invoker=true" in options, name


def forbidden_to_the_owner(statement: str) -> bool:
    """The owner may change tables: migrations are its work. It may not read round its policies."""
    return not statement.startswith(
        ("ALTER TABLE", "DROP POLICY", "CREATE", "TRUNCATE", "SET ROLE portal")
    )
