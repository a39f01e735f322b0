"""What the tests themselves stand on: own database, real roles, no way off this machine."""

from __future__ import annotations

import socket

import pytest
from django.contrib.auth import get_user_model
from django.db import connection, connections
from django.db.utils import ProgrammingError

from tests import guard

pytestmark = pytest.mark.django_db


def query(alias: str, statement: str) -> object:
    with connections[alias].cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchone()[0]


@pytest.mark.parametrize("turn", ["first", "second"])
def test_each_test_has_its_own_database(turn):
    people = get_user_model().objects

    people.create(email="alice@acme.example")

    assert people.count() == 1


@pytest.mark.parametrize(
    ("alias", "role"),
    [
        ("default", "portal_app"),
        ("worker", "portal_worker"),
        ("sweeper", "portal_sweeper"),
        ("support", "portal_support"),
        ("owner", "portal_owner"),
    ],
)
def test_each_alias_logs_in_as_its_role(alias, role):
    assert query(alias, "SELECT current_user") == role
    assert query(alias, "SHOW timezone") == "UTC"


def test_no_role_can_bypass_row_security():
    assert (
        query(
            "default",
            "SELECT bool_or(rolsuper OR rolbypassrls OR rolcreaterole) FROM pg_roles"
            " WHERE rolname LIKE 'portal%'",
        )
        is False
    )


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT set_config('app.organization_id', gen_random_uuid()::text, true)",
        "UPDATE pg_settings SET setting = 'x' WHERE name = 'app.organization_id'",
        "CREATE TABLE planted ()",
        "CREATE TEMPORARY TABLE planted ()",
        "SET ROLE portal_owner",
        "SET ROLE portal_lookup",
        "SET row_security = off; SELECT count(*) FROM portal_membership",
    ],
)
def test_the_web_role_cannot_widen_its_view(statement):
    with pytest.raises(ProgrammingError), connection.cursor() as cursor:
        cursor.execute(statement)


def test_the_owner_does_not_inherit_the_lookup_role():
    assert query("owner", "SELECT pg_has_role('portal_owner', 'portal_lookup', 'USAGE')") is False


def test_sockets_beyond_loopback_are_refused():
    with guard.refusals() as refused:
        with pytest.raises(guard.BeyondLoopback), socket.socket() as door:
            door.connect(("192.0.2.1", 80))
        with pytest.raises(guard.BeyondLoopback):
            socket.create_connection(("bitbucket.org", 443))
        with pytest.raises(guard.BeyondLoopback), socket.socket(type=socket.SOCK_DGRAM) as door:
            door.sendto(b"?", ("192.0.2.53", 53))

        assert refused == ["192.0.2.1", "bitbucket.org", "192.0.2.53"]
        refused.clear()
