"""The role of the ingest process: it reads no table of organizations, and has three functions."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from tests.catalogue import REFUSED, Floor, readable, writable

ROLE = "portal_ingest"
MAY_CALL = {
    "connections_hook",
    "connections_receive",
    "connections_hooks_refused",
    "portal_beat",
    "portal_unburied",
    "portal_wrapping_keys",
}


def test_it_reads_what_proves_its_keys_and_writes_nothing(floor: Floor) -> None:
    assert readable(floor, ROLE).keys() == {"portal_keycheck", "django_migrations"}
    assert writable(floor, ROLE) == set()
    for table in (*floor.tables.tenant, *floor.tables.others):
        assert floor.attempt(ROLE, f"DELETE FROM {table}", floor.a) == REFUSED, table


def test_it_calls_its_own_functions_and_no_others(floor: Floor) -> None:
    found = floor.admin.execute(
        "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
        " AND has_function_privilege(%s, oid, 'EXECUTE')",
        [ROLE],
    ).fetchall()
    definers = {str(name) for (name,) in found}
    assert definers == MAY_CALL


@pytest.mark.parametrize("name", sorted(MAY_CALL - {"portal_beat"})[:3])
def test_the_web_process_and_workers_do_not_call_them(floor: Floor, name: str) -> None:
    callers = floor.admin.execute(
        "SELECT r.rolname FROM pg_proc p, pg_roles r WHERE p.proname = %s"
        " AND NOT r.rolsuper AND r.rolname LIKE 'portal\\_%%'"
        " AND has_function_privilege(r.oid, p.oid, 'EXECUTE')",
        [name],
    ).fetchall()
    assert {str(caller) for (caller,) in callers} == {ROLE, "portal_lookup"}


def test_it_finds_an_endpoint_by_a_hash_that_it_was_told_and_by_no_other(floor: Floor) -> None:
    find = "SELECT count(*) FROM connections_hook(%(hash)s)"
    known: Any = floor.admin.execute(
        "SELECT hash FROM connections_hookendpoint WHERE organization_id = %s", [floor.b]
    ).fetchone()

    assert floor.attempt(ROLE, find, None, hash=b"x" * 32) == 0
    for unlike in (b"", b"%", bytes(known[0])[:-1]):
        assert floor.attempt(ROLE, find, None, hash=unlike) == 0


def test_a_delivery_goes_where_its_endpoint_belongs_whatever_is_said(floor: Floor) -> None:
    receive = (
        "SELECT connections_receive(%(id)s, '', %(dedupe)s, %(dedupe)s, '', 1, '{}', 'x',"
        " now(), '')"
    )
    endpoint = floor.rows[floor.b]["connections_hookendpoint"]
    floor.admin.execute(
        "UPDATE connections_hookendpoint SET disabled_at = NULL WHERE id = %s", [endpoint]
    )

    assert floor.attempt(ROLE, receive, floor.a, id=uuid4(), dedupe=b"1") == "gone"
    told = floor.attempt(ROLE, receive, floor.a, id=endpoint, dedupe=b"1")
    assert str(told).startswith("stored")
