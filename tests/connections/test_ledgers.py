"""Leases and renewals are append-only, and the record shows when somebody with SQL rights lied."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import connections as databases

from connections.models import Lease
from portal import audit, ledgers, roles
from portal.models import AuditEvent
from tests.leasing import service, with_token
from tests.servers import Servers
from tests.works import Works


@pytest.fixture
def chained(works: Works, monkeypatch: pytest.MonkeyPatch) -> Works:
    """Two tokens were handed out, and the record took that up."""
    monkeypatch.setattr(ledgers, "SETTLED", timedelta())
    connection, reports = with_token(works), service(works)
    for _ in range(2):
        assert reports.ask(connection).status_code == 200
    take_up()
    return works


def take_up() -> None:
    with roles.using_role("worker"):
        ledgers.chain_all()


def batches(works: Works) -> list[AuditEvent]:
    with works.inside():
        found = AuditEvent.objects.filter(action=audit.Action.LEDGERS_CHAINED)
        return list(found.order_by("sequence"))


def as_superuser(servers: Servers, statement: str) -> None:
    with servers.postgres.connect(databases["default"].settings_dict["NAME"]) as admin:
        admin.execute("SET session_replication_role = replica")  # the triggers are asleep
        admin.execute(statement.encode())


def test_what_grew_is_taken_up_once(chained: Works) -> None:
    take_up()

    (event,) = batches(chained)
    assert event.details["ledgers"]["leases"]["rows"] == 2
    with chained.inside():
        assert ledgers.verify()[1] is None


def test_the_next_batch_begins_where_the_last_one_ended(chained: Works) -> None:
    assert service(chained).ask(with_token(chained, "Other")).status_code == 200
    take_up()

    first, second = batches(chained)
    assert second.details["since"] == first.details["until"]
    assert second.details["ledgers"]["leases"]["rows"] == 1


@pytest.mark.parametrize(
    "lie",
    [
        "DELETE FROM connections_lease"
        " WHERE id = (SELECT min(id::text)::uuid FROM connections_lease)",
        "UPDATE connections_lease SET reason = 'nothing to see'",
        "INSERT INTO connections_lease (id, organization_id, service_key_id, asked, at, reason,"
        " min_ttl_seconds, outcome, address, request_id) SELECT gen_random_uuid(), organization_id,"
        " service_key_id, asked, at, reason, 0, outcome, '', '' FROM connections_lease LIMIT 1",
    ],
    ids=["removed", "changed", "added"],
)
def test_a_lie_of_a_superuser_is_found(
    lie: str, chained: Works, servers: Servers, capsys: pytest.CaptureFixture[str]
) -> None:
    as_superuser(servers, lie)

    (event,) = batches(chained)
    with chained.inside():
        assert audit.verify()[1] is None
        _, broken = ledgers.verify()
    assert broken is not None
    assert broken.sequence == event.sequence
    with pytest.raises(SystemExit):
        call_command("verify_audit")
    assert "BROKEN" in capsys.readouterr().out


def test_what_is_still_under_way_waits(works: Works) -> None:
    assert service(works).ask(with_token(works)).status_code == 200
    take_up()

    with works.inside():
        assert Lease.objects.count() == 1
    assert batches(works) == []
