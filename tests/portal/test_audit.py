"""The record: append-only for every role, chained, and a verifier that names what does not fit."""

from __future__ import annotations

import os
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest
from django.core.management import call_command
from django.db import DatabaseError, connections

from portal import audit, people, tenancy
from portal.audit import Action
from portal.models import AuditEvent
from portal.policy import SYSTEM
from tests.cases import Cast, platform


def as_superuser(statement: str, *values: object) -> None:
    """What only somebody with the whole server can do: the triggers are off."""
    host = parse_qs(urlsplit(os.environ["DATABASE_URL"]).query)["host"][0]
    name = connections["default"].settings_dict["NAME"]
    with psycopg.connect(host=host, user="postgres", dbname=name, autocommit=True) as server:
        server.execute("SET session_replication_role = replica")
        server.execute(statement, values)


def broken(cast: Cast) -> audit.Broken | None:
    with cast.inside():
        return audit.verify()[1]


class TestAppendOnly:
    @pytest.mark.parametrize("alias", ["default", "worker", "owner", "support", "sweeper"])
    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE portal_auditevent SET actor_name = 'Nobody'",
            "DELETE FROM portal_auditevent",
            "TRUNCATE portal_auditevent",
        ],
    )
    def test_no_role_changes_or_removes_a_row(self, cast: Cast, alias: str, statement: str) -> None:
        connection = connections[alias]
        with pytest.raises(DatabaseError), connection.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute(f"SET LOCAL app.organization_id = '{cast.acme.id}'")
            cursor.execute(statement)
        connection.close()

        assert broken(cast) is None

    def test_a_deed_that_fails_leaves_no_entry(self, cast: Cast) -> None:
        before = len(cast.record(cast.acme))

        with pytest.raises(ZeroDivisionError), cast.inside():
            people.rename_organization(actor=cast.actor("ada"), name="Never")
            _ = 1 / 0

        assert len(cast.record(cast.acme)) == before


class TestTheChain:
    def test_an_untouched_record_fits(self, cast: Cast) -> None:
        with cast.inside():
            proven, found = audit.verify()

        assert (proven, found) == (len(cast.record(cast.acme)), None)

    @pytest.mark.parametrize("column", ["actor_name", "action", "subject_name", "address"])
    def test_a_changed_row_is_named(self, cast: Cast, column: str) -> None:
        as_superuser(
            f"UPDATE portal_auditevent SET {column} = 'x' WHERE sequence = 4"
            " AND organization_id = %s",
            cast.acme.id,
        )

        assert broken(cast) == audit.Broken(4, "its content was changed")

    def test_changed_details_are_named(self, cast: Cast) -> None:
        as_superuser(
            'UPDATE portal_auditevent SET details = \'{"role": "owner"}\' WHERE sequence = 2'
            " AND organization_id = %s",
            cast.acme.id,
        )

        assert broken(cast).sequence == 2

    def test_a_removed_row_is_named(self, cast: Cast) -> None:
        as_superuser(
            "DELETE FROM portal_auditevent WHERE sequence = 3 AND organization_id = %s",
            cast.acme.id,
        )

        assert broken(cast).sequence == 3

    def test_rows_removed_at_the_end_are_named(self, cast: Cast) -> None:
        last = len(cast.record(cast.acme))
        as_superuser(
            "DELETE FROM portal_auditevent WHERE sequence = %s AND organization_id = %s",
            last,
            cast.acme.id,
        )

        assert broken(cast) == audit.Broken(last, "rows at the end are missing")

    def test_swapped_rows_are_named(self, cast: Cast) -> None:
        as_superuser(
            "UPDATE portal_auditevent SET sequence = CASE sequence WHEN 3 THEN -4 ELSE -3 END"
            " WHERE sequence IN (3, 4) AND organization_id = %s",
            cast.acme.id,
        )
        as_superuser("UPDATE portal_auditevent SET sequence = -sequence WHERE sequence < 0")

        assert broken(cast).sequence == 3

    def test_an_inserted_row_is_named(self, cast: Cast) -> None:
        last = len(cast.record(cast.acme))
        insert_copy(cast, last + 1)

        assert broken(cast).sequence == last + 1

    def test_one_organizations_row_does_not_pass_as_anothers(self, cast: Cast) -> None:
        as_superuser("DELETE FROM portal_auditevent WHERE organization_id = %s", cast.globex.id)
        as_superuser(
            "UPDATE portal_auditevent SET organization_id = %s"
            " WHERE organization_id = %s AND sequence = 1",
            cast.globex.id,
            cast.acme.id,
        )

        with cast.inside(cast.globex):
            assert audit.verify()[1].sequence == 1


def insert_copy(cast: Cast, sequence: int) -> None:
    """A row that looks genuine, at the end of the chain."""
    columns = [field.column for field in AuditEvent._meta.concrete_fields]
    copied = ", ".join(
        {"id": "gen_random_uuid()", "sequence": str(sequence)}.get(name, name) for name in columns
    )
    as_superuser(
        f"INSERT INTO portal_auditevent ({', '.join(columns)}) SELECT {copied}"
        " FROM portal_auditevent WHERE sequence = 2 AND organization_id = %s",
        cast.acme.id,
    )


class TestVerifyAudit:
    def run(self, capsys, **options: object) -> tuple[list[str], int]:
        code = 0
        try:
            call_command("verify_audit", **options)
        except SystemExit as end:
            code = int(str(end.code))
        return capsys.readouterr().out.splitlines(), code

    def test_every_chain_has_its_line(self, cast: Cast, capsys) -> None:
        with tenancy.acting_for(platform()), tenancy.transaction():
            audit.record(Action.SIGNED_IN, actor=SYSTEM, subject=platform())

        lines, code = self.run(capsys)

        assert [line.partition(":")[0] for line in lines] == ["acme", "globex", "platform"]
        assert all(line.endswith("fit") for line in lines)
        assert code == 0

    def test_a_broken_one_is_named_by_entry_and_ends_with_1(self, cast: Cast, capsys) -> None:
        as_superuser(
            "UPDATE portal_auditevent SET actor_name = 'x' WHERE sequence = 4"
            " AND organization_id = %s",
            cast.acme.id,
        )

        lines, code = self.run(capsys)

        assert lines[0].startswith("acme: BROKEN at #4: its content was changed")
        assert lines[1].startswith("globex: 1 entries fit")
        assert code == 1

    def test_one_organization_can_be_asked_for(self, cast: Cast, capsys) -> None:
        lines, code = self.run(capsys, organization="globex")

        assert (len(lines), code) == (1, 0)


def test_the_record_keeps_the_name_of_the_day(cast: Cast) -> None:
    with cast.inside():
        people.remove_member(actor=cast.actor("owen"), membership_id=cast.membership("bob").id)
    cast["bob"].name = "Robert"
    cast["bob"].save()

    assert "Bob" in {event.subject_name for event in cast.record(cast.acme)}
    assert broken(cast) is None


def test_every_action_has_words() -> None:
    for action in Action:
        assert action.label
        assert action.value == action.value.lower()
        assert "." in action.value
    assert len({action.value for action in Action}) == len(Action)
