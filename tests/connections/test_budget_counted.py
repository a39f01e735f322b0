"""Verifications and looks count; a refusal rests the account, and a person waits for no hour."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from connections.budgets import Purpose
from connections.flows import budget, probe, refresh, verify
from connections.models import Connection, Credential, RequestBudget, Verification
from portal import clock, roles, tenancy
from portal.models import Job
from tests import importing as files
from tests.connections.test_budget_shared import budgets, connected, spend
from tests.connections.ways import PLATFORM, a_team, again, jobs, link_by_consent
from tests.vendor import Vendor
from tests.works import Works


def used(works: Works) -> int:
    (row,) = budgets(works)
    return budget.hour_of(row).used()


def unasked(works: Works, connection: Connection) -> str:
    """What came of a verification that nobody asked for; empty when it did not begin."""
    with roles.using_role("worker"), works.inside():
        begun = verify.start(Connection.objects.get(id=connection.id), requested_by="")
    works.drain()
    with works.inside():
        found = Verification.objects.filter(id=begun.id).values_list("outcome", flat=True)
        return str(found.first() or "")


def test_what_linking_verifying_and_looking_ask_is_counted(works: Works, vendor: Vendor) -> None:
    read = ["repositories-read", "pullrequests-read"]
    connection = works.connection(works.link_by_token(vendor.token("dana-full"), capabilities=read))
    of_linking = used(works)
    assert of_linking == len(vendor.requests()) > 5

    with works.inside():
        verify.request(actor=works.alice, connection=connection)
    works.drain()
    with roles.using_role("worker"), works.inside():
        Connection.objects.update(last_success_at=timezone.now() - timedelta(hours=1))
        probe.start_idle(again(works, connection))
    works.drain()
    assert used(works) == len(vendor.requests()) > of_linking + 1
    (row,) = budgets(works)
    (counts,) = row.spent.values()
    assert counts[Purpose.REFRESH] == 1


def test_a_spent_hour_puts_off_what_nobody_waits_for(works: Works, vendor: Vendor) -> None:
    connection = connected(works, vendor)
    spend(works, connection, Purpose.WAITING, 1000)
    before = len(vendor.requests())

    assert unasked(works, connection) == ""
    planned = again(works, connection).next_verification_at
    assert planned is not None and timedelta(minutes=30) < planned - clock.now()
    assert (len(vendor.requests()), jobs(works)) == (before, [])
    assert works.verify(again(works, connection)).outcome == "passed"
    assert len(vendor.requests()) > before


def test_a_verification_that_somebody_asks_for_meanwhile_is_not_put_off(
    works: Works, vendor: Vendor
) -> None:
    connection = connected(works, vendor)
    spend(works, connection, Purpose.WAITING, 1000)
    with works.inside():
        begun = verify.start(again_inside(connection), requested_by="")
        assert verify.request(actor=works.alice, connection=connection).id == begun.id
    works.drain()
    assert works.verification(connection).outcome == "passed"


def test_a_refused_verification_rests_the_account(works: Works, vendor: Vendor) -> None:
    connection = connected(works, vendor)
    vendor.order("/faults", match="GET /2.0/user", kind="status", status=429, times=1)
    assert unasked(works, connection) == "running"
    assert spend(works, connection, Purpose.INCREMENTAL, 1) == 0
    before = len(vendor.requests())

    with roles.using_role("worker"), works.inside():
        Job.objects.filter(done_at=None).update(run_at=clock.now())
    works.drain()
    assert len(vendor.requests()) == before  # it rests as all others do
    with roles.using_role("worker"), works.inside(PLATFORM):
        assert RequestBudget.objects.get().blocked_until is not None
    assert works.verify(again(works, connection)).outcome == "passed"


def test_a_renewed_token_is_asked_whose_it_is_and_that_counts(works: Works, vendor: Vendor) -> None:
    connection = works.connection(link_by_consent(works, vendor))
    with works.inside():
        Credential.objects.update(expires_at=timezone.now() - timedelta(minutes=1))
    before, counted = len(of_api(vendor)), used(works)
    with roles.using_role("worker"), tenancy.acting_for(works.acme):
        refresh.fresh(connection)
    assert (len(of_api(vendor)) - before, used(works) - counted) == (1, 1)


def test_what_an_import_asks_counts_for_whom_it_finds(works: Works, vendor: Vendor) -> None:
    refused = {"connector": files.CLOUD, "name": "Refused", "email": "nobody@acme.example"}
    rows = [*files.api_tokens(vendor, 3), refused | {"token": "ATATT3xFfGF0aNeverGiven0001XyZ"}]
    files.started(works, files.checked(works, files.csv_of(rows), team_id=a_team(works)))
    works.drain()
    hours = [budget.hour_of(row) for row in budgets(works)]
    assert len(hours) == 3 and all(hour.used(Purpose.WAITING) >= 1 for hour in hours)
    assert sum(hour.used() for hour in hours) == len(vendor.requests()) - 1


def of_api(vendor: Vendor) -> list[str]:
    return [one["path"] for one in vendor.requests() if one["path"].startswith("/2.0/")]


def again_inside(connection: Connection) -> Connection:
    found: Connection = Connection.objects.get(id=connection.id)
    return found
