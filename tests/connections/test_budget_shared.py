"""One upstream account has one hour, whoever's connections act as it; a run waits for more."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from connections.budgets import Purpose
from connections.contracts import RateBudget
from connections.flows import budget
from connections.models import Connection, Consumer, RequestBudget, StreamState
from portal import clock, roles, tenancy
from portal.models import Job, Organization
from tests.connections.coding import poll
from tests.connections.pages import base_of, signed_in, text
from tests.connections.ways import PLATFORM, a_team, hurry, jobs, now
from tests.vendor import Vendor
from tests.works import Works, vendor_has


def connected(works: Works, vendor: Vendor, token: str = "dana-full", **rest: Any) -> Connection:
    """Linked and verified in an hour that is over by now."""
    linked = works.link_by_token(vendor.token(token), capabilities=["repositories-read"], **rest)
    made = works.connection(linked)
    with roles.using_role("worker"), works.inside(PLATFORM):
        RequestBudget.objects.update(spent={})
    return made


def twin(
    works: Works, one: Connection, where: Organization, consumer: Consumer | None = None
) -> Connection:
    """Another connection that acts as the same account."""
    team_id = a_team(works) if consumer else None
    with works.inside(where):
        made: Connection = Connection.objects.create(
            connector=one.connector,
            method=one.method,
            name="Another",
            account_id=one.account_id,
            consumer=consumer,
            team_id=team_id,
            state="active",
        )
        return made


def budgets(works: Works) -> list[RequestBudget]:
    with roles.using_role("worker"), works.inside(PLATFORM):
        return list(RequestBudget.objects.all())


def spend(works: Works, connection: Connection, purpose: Purpose, count: int) -> int:
    """So many are taken of the connection's account; how many it was granted."""
    with roles.using_role("worker"), tenancy.acting_for(connection.organization_id):
        return budget.take(budget.of(connection), purpose, count)


class TestSharing:
    def test_connections_of_one_account_share_its_hour_across_organizations(
        self, works: Works, vendor: Vendor
    ) -> None:
        mine = connected(works, vendor)
        theirs = twin(works, mine, works.organization("globex"))
        ours = twin(works, mine, works.acme, works.register(vendor.consumer("acme-portal")))
        assert spend(works, mine, Purpose.TOLD, 500) == 500
        assert spend(works, theirs, Purpose.TOLD, 1) == 0
        assert spend(works, ours, Purpose.TOLD, 1) == 0
        assert spend(works, theirs, Purpose.WAITING, 1000) == 500
        (row,) = budgets(works)
        assert mine.account_id.encode() not in bytes(row.account)
        assert "acme" not in str(row.spent)

    def test_another_account_has_its_own(self, works: Works, vendor: Vendor) -> None:
        one = connected(works, vendor)
        fields = {"email": "tomas@acme.example"}
        team_id = a_team(works)
        other = connected(works, vendor, "tomas-full", name="Tomas", fields=fields, team_id=team_id)
        assert spend(works, one, Purpose.WAITING, 1000) == 1000
        assert spend(works, other, Purpose.WAITING, 5) == 5


class TestPurse:
    def test_what_is_not_spent_is_given_back_and_the_vendors_word_is_kept(
        self, works: Works, vendor: Vendor
    ) -> None:
        connection = connected(works, vendor)
        spend(works, connection, Purpose.FULL, 1)
        before = budget.hour_of(budgets(works)[0]).used()
        with roles.using_role("worker"), tenancy.acting_for(works.acme):
            budget_id = budget.of(connection)
            purse = budget.Purse(budget_id, Purpose.INCREMENTAL)
            purse.fill()
            purse.spend()
            purse.note(RateBudget(limit=2000, remaining=1500))
            purse.close()
            with pytest.raises(budget.BudgetSpent):
                purse.spend()
        hour = budget.hour_of(budgets(works)[0])
        assert (hour.used() - before, hour.per_hour, hour.said_remaining) == (1, 2000, 1500)

    def test_nothing_is_left_until_the_hour_ends_as_the_vendor_says(
        self, works: Works, vendor: Vendor
    ) -> None:
        connection = connected(works, vendor)
        with roles.using_role("worker"), tenancy.acting_for(works.acme):
            budget_id = budget.of(connection)
            budget.said(budget_id, RateBudget(limit=2000, remaining=0, resets_in_seconds=120))
        hour = budget.hour_of(budgets(works)[0])
        assert hour.left == 0
        assert 100 < (hour.more_at(Purpose.WAITING) - hour.now).total_seconds() <= 120

        with roles.using_role("worker"), tenancy.acting_for(works.acme):
            with clock.shifted(timedelta(minutes=3)):
                assert budget.take(budget_id, Purpose.INCREMENTAL, 1) == 1
            budget.said(budget_id, RateBudget(limit=2000, remaining=3))
            budget.refused(budget_id, 60.0)
            with clock.shifted(timedelta(minutes=2)):
                assert budget.take(budget_id, Purpose.INCREMENTAL, 1) == 1

    def test_a_refusal_without_a_word_rests_the_account_by_the_hour(
        self, works: Works, vendor: Vendor
    ) -> None:
        connection = connected(works, vendor)
        with roles.using_role("worker"), tenancy.acting_for(works.acme):
            budget_id = budget.of(connection)
            assert budget.refused(budget_id, None) == timedelta(minutes=15)
            assert budget.take(budget_id, Purpose.INCREMENTAL, 1) == 0
            with clock.shifted(timedelta(minutes=16)):
                assert budget.take(budget_id, Purpose.INCREMENTAL, 1) == 1
                assert budget.refused(budget_id, None) == timedelta(minutes=30)


class TestRuns:
    def test_a_run_waits_for_the_hour_says_so_and_goes_on(
        self, works: Works, vendor: Vendor
    ) -> None:
        connection = connected(works, vendor)
        spend(works, connection, Purpose.FULL, 700 - 2)
        run = works.sync(connection, "acme")

        assert (run.state, run.error) == ("running", "budget_spent")
        with works.inside():
            (job,) = Job.objects.filter(kind="sync_connection", done_at=None)
            kept = StreamState.objects.get()
        assert (job.attempts, kept.pages, kept.stand) == (0, 2, "reading")
        assert timedelta(minutes=50) < job.run_at - clock.now() <= timedelta(minutes=62)
        page = text(signed_in(works.alice).get(base_of(connection) + "sync"))
        assert "The hour's requests are used up" in page.replace("&#x27;", "'")
        before = len(vendor.requests())

        with clock.shifted(timedelta(minutes=63)):
            hurry(works)
            works.drain()
        assert now(works, run).state == "done"
        assert len(vendor.requests()) - before == 1
        with works.inside():
            assert StreamState.objects.get().held == vendor_has(vendor, "acme")

    def test_a_poll_goes_on_with_the_workspaces_that_the_hour_had_no_request_for(
        self, works: Works, vendor: Vendor
    ) -> None:
        connection = connected(works, vendor)
        spaces = ("acme", "fjord-lab", "dana-levi")
        assert works.sync(connection, *spaces).state == "done"
        with roles.using_role("worker"), works.inside(PLATFORM):
            RequestBudget.objects.update(spent={})
        spend(works, connection, Purpose.INCREMENTAL, 900 - 2)

        first = poll(works, vendor)
        assert len(set(first)) == 2
        with clock.shifted(timedelta(minutes=63)):
            before = len(vendor.requests())
            hurry(works)
            works.drain()
            later = [one["path"] for one in vendor.requests()[before:]]
            assert {*first, *later} == {f"/2.0/repositories/{space}" for space in spaces}
            assert (len(later), jobs(works)) == (1, [])
            assert len(poll(works, vendor)) == 3

    def test_a_refused_account_rests_for_all_its_connections(
        self, works: Works, vendor: Vendor
    ) -> None:
        one = connected(works, vendor)
        other = twin(works, one, works.organization("globex"))
        vendor.order("/faults", match="GET /2.0/repositories/acme", kind="status", status=429)
        assert works.sync(one, "acme").error == "rate_limited"

        assert spend(works, other, Purpose.INCREMENTAL, 1) == 0
        assert spend(works, other, Purpose.WAITING, 1) == 1  # a person may try
        with clock.shifted(timedelta(minutes=16)):
            assert spend(works, other, Purpose.INCREMENTAL, 1) == 1
