"""A verification says what is proven, what is missing, what changed; it repeats itself."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from connections import registry, tasks
from connections.flows import lifecycle, verify
from connections.flows.problems import FlowProblem
from connections.models import Check, Connection, Credential, Verification, Workspace
from connections.queries.matrix import checks_of, matrix_of
from portal import roles
from portal.models import Job
from tests import scenes
from tests.connections.pages import BASE, base_of, signed_in, text
from tests.connections.ways import again, hurry, jobs, link_by_consent, patiently
from tests.vendor import Vendor
from tests.works import Works

ALL_READ = [
    "repositories-read",
    "workspaces-read",
    "members-read",
    "projects-read",
    "pullrequests-read",
    "pipelines-read",
]


def linked(works: Works, vendor: Vendor, token: str = "dana-full", **rest: Any) -> Connection:
    return works.connection(works.link_by_token(vendor.token(token), **rest))


connection = scenes.begun(linked)


def verified(works: Works, connection: Connection) -> Verification:
    """One more verification, asked for by Alice and done by a worker."""
    with works.inside():
        verify.request(actor=works.alice, connection=again_inside(connection))
    works.drain()
    return works.verification(connection)


def again_inside(connection: Connection) -> Connection:
    found: Connection = Connection.objects.get(id=connection.id)
    return found


def lines(works: Works, verification: Verification) -> dict[str, Check]:
    """Its checks by key, with the workspace where there is one."""
    with works.inside():
        found = Check.objects.filter(verification_id=verification.id)
        return {f"{c.key} {c.workspace}".strip(): c for c in found}


class TestWhatItSays:
    def test_each_capability_is_proven_or_said_to_be_unprovable(
        self, works: Works, vendor: Vendor
    ) -> None:
        connection = linked(
            works,
            vendor,
            capabilities=[*ALL_READ, "statuses-write"],
            reason="Build results are reported.",
        )
        verification = works.verification(connection)

        found = lines(works, verification)
        outcomes = {k: str(c.outcome) for k, c in found.items() if k.startswith("capability:")}
        assert outcomes == {
            **{f"capability:{key}": "proven" for key in ALL_READ},
            "capability:statuses-write": "unprovable",
        }
        probe = found["capability:pullrequests-read"]
        assert probe.status == 200 and probe.latency_ms is not None and "?" not in probe.request
        assert verification.outcome == "passed"

    def test_each_workspace_has_its_line_personal_ones_too(
        self, works: Works, connection: Connection
    ) -> None:
        found = lines(works, works.verification(connection))
        assert {k for k in found if k.startswith("workspace ")} == {
            "workspace acme",
            "workspace dana-levi",
            "workspace fjord-lab",
            "workspace yarden",
        }
        with works.inside():
            personal = Workspace.objects.filter(personal=True).values_list("slug", flat=True)
            assert list(personal) == ["dana-levi"]

    def test_the_matrix_names_missing_and_excess_scopes(self, works: Works, vendor: Vendor) -> None:
        pending = link_by_consent(
            works, vendor, consumer="acme-wide", capabilities=["workspaces-read"]
        )
        connection = works.connection(pending)
        verification = works.verification(connection)

        with works.inside():
            matrix = matrix_of(
                manifest=registry.get(connection.connector).manifest,
                connection=connection,
                vocabulary=verification.vocabulary,
                scopes=verification.scopes,
                checks=checks_of(verification.id),
            )
        assert matrix.missing == []
        assert {"pipeline:variable", "repository:admin"} <= set(matrix.excess)

    def test_an_expiry_the_vendor_does_not_say_is_not_invented(
        self, works: Works, vendor: Vendor
    ) -> None:
        connection = linked(works, vendor, "dana-expiring")

        expiry = lines(works, works.verification(connection))["expiry"]
        assert (expiry.detail, expiry.proves) == ("", "The vendor does not say.")
        with works.inside():
            assert Credential.objects.get().expires_at is None

    def test_the_request_budget_is_kept(self, works: Works, vendor: Vendor) -> None:
        """The vendor says it to access tokens of workspaces with many seats."""
        connection = linked(
            works,
            vendor,
            "acme-workspace",
            method="workspace-token",
            fields={"workspace": "acme"},
        )

        assert (connection.rate["limit"], connection.rate["near_limit"]) == (1500, False)
        assert connection.rate == works.verification(connection).rate

    @pytest.mark.parametrize(
        "fault", [{"kind": "status", "status": 503}, {"kind": "body", "lie": "truncated"}]
    )
    @pytest.mark.parametrize("place", ["yarden", "yarden/*/pullrequests"])
    def test_a_short_outage_is_waited_for(
        self, place: str, fault: dict[str, Any], works: Works, vendor: Vendor
    ) -> None:
        connection = linked(works, vendor, capabilities=ALL_READ)
        vendor.order("/faults", match=f"GET /2.0/repositories/{place}", **fault)
        verified(works, connection)
        patiently(works)

        assert works.verification(connection).outcome == "passed"

    @pytest.mark.parametrize(
        ("status", "error", "says"),
        [
            (503, "unavailable", "Bitbucket Cloud is not answering: Workspace"),
            (403, "access_denied", "The linked account may not see something: Workspace"),
        ],
    )
    def test_what_is_refused_or_not_reached_is_no_missing_permission(
        self,
        status: int,
        error: str,
        says: str,
        works: Works,
        vendor: Vendor,
        connection: Connection,
    ) -> None:
        vendor.order(
            "/faults",
            match="GET /2.0/repositories/yarden",
            kind="status",
            status=status,
            times=None,
        )
        verified(works, connection)
        patiently(works)

        verification = works.verification(connection)
        assert verification.outcome == "partly"
        assert lines(works, verification)["workspace yarden"].error == error
        browser = signed_in(works.alice)
        for page in (BASE, base_of(connection), "/o/acme/"):
            shown = text(browser.get(page))
            assert says in shown, page
            assert "A permission is missing" not in shown, page
        assert ">Link again" not in text(browser.get("/o/acme/"))

    def test_one_workspace_out_of_reach_is_one_line(self, works: Works, vendor: Vendor) -> None:
        vendor.order(
            "/faults", match="GET /2.0/repositories/yarden", kind="status", status=404, times=None
        )
        connection = linked(works, vendor)

        verification = works.verification(connection)
        found = lines(works, verification)
        assert verification.outcome == "partly"
        assert found["workspace yarden"].error == "remote_gone"
        assert found["workspace acme"].outcome == "proven"
        assert connection.state == Connection.State.ACTIVE


class TestDrift:
    def test_scopes_that_come_and_go(self, works: Works, vendor: Vendor) -> None:
        connection = works.connection(
            link_by_consent(works, vendor, capabilities=["repositories-read", "pullrequests-read"])
        )
        vendor.order("/grants/scopes", user="dana", scopes=["account", "repository", "snippet"])
        drift = verified(works, connection).drift

        found = {(d["what"], d["before"], d["after"]) for d in drift}
        assert {
            ("scope", "pullrequest", ""),
            ("scope", "", "snippet"),
            ("Read pull requests", "proven", "missing"),
        } <= found

    def test_a_workspace_that_is_lost_and_comes_back(
        self, works: Works, vendor: Vendor, connection: Connection
    ) -> None:
        works.sync(connection, "yarden")
        vendor.order("/members", workspace="yarden", user="dana", permission=None)
        lost = verified(works, connection)
        with works.inside():
            assert Workspace.objects.get(slug="yarden").gone_at is not None
        vendor.order("/members", workspace="yarden", user="dana", permission="member")
        found = verified(works, connection)

        assert [(d["before"], d["after"]) for d in lost.drift] == [("proven", "")]
        assert [(d["before"], d["after"]) for d in found.drift] == [("", "proven")]
        with works.inside():
            yarden = Workspace.objects.get(slug="yarden")
            assert yarden.gone_at is None and yarden.selected

    def test_an_account_that_was_renamed_stays_the_same(
        self, works: Works, connection: Connection
    ) -> None:
        with works.inside():
            Connection.objects.update(account_name="Dana Before")
        verification = verified(works, connection)

        assert verification.drift == [
            {"what": "account name", "before": "Dana Before", "after": "Dana Levi"}
        ]
        assert again(works, connection).account_name == "Dana Levi"
        assert again(works, connection).state == Connection.State.ACTIVE

    def test_another_account_is_refused_and_nothing_is_read_with_it(
        self, works: Works, vendor: Vendor
    ) -> None:
        """Abuse case P18."""
        connection = works.connection(link_by_consent(works, vendor))
        with works.inside():
            before = set(Workspace.objects.filter(gone_at=None).values_list("slug", flat=True))
        vendor.order("/grants/reassign", user="dana", to="tomas")
        seen = len(vendor.requests())
        verification = verified(works, connection)

        now = again(works, connection)
        assert (now.state, now.last_error) == ("needs_reauthorization", "subject_changed")
        assert verification.outcome == "failed"
        assert [d["what"] for d in verification.drift] == ["account"]
        assert [r["path"] for r in vendor.requests()[seen:]] == ["/2.0/user"]
        with works.inside():
            assert before == set(
                Workspace.objects.filter(gone_at=None).values_list("slug", flat=True)
            )

    def test_what_was_not_reached_is_no_change(
        self, works: Works, vendor: Vendor, connection: Connection
    ) -> None:
        fault = vendor.order(
            "/faults", match="GET /2.0/repositories/yarden", kind="status", status=503, times=None
        )
        verified(works, connection)
        patiently(works)
        during = works.verification(connection)
        vendor.order("/normal")
        after = verified(works, connection)

        assert fault["kind"] == "status"
        assert (during.outcome, during.drift) == ("partly", [])
        assert (after.outcome, after.drift) == ("passed", [])


class TestLists:
    def test_an_unreadable_item_hides_no_workspace(
        self, works: Works, vendor: Vendor, connection: Connection
    ) -> None:
        vendor.order(
            "/faults", match="GET /2.0/user/workspaces", kind="body", lie="wrong_types", times=None
        )
        verified(works, connection)
        patiently(works)

        with works.inside():
            assert Workspace.objects.filter(gone_at=None).count() == 4

    @pytest.mark.parametrize("kind", ["next_self", "next_loop", "next_foreign"])
    def test_pages_in_a_circle_end_and_take_nothing_away(
        self, kind: str, works: Works, vendor: Vendor, connection: Connection
    ) -> None:
        """Abuse case P44."""
        vendor.order("/faults", match="GET /2.0/user/workspaces", kind=kind, times=None)
        verified(works, connection)
        patiently(works)

        verification = works.verification(connection)
        assert verification.outcome == "partly"
        assert lines(works, verification)["workspaces"].error in {"unexpected_response", "blocked"}
        with works.inside():
            assert Workspace.objects.filter(gone_at=None).count() == 4

    def test_a_429_in_the_middle_waits_and_asks_nothing_twice(
        self, works: Works, vendor: Vendor, connection: Connection
    ) -> None:
        vendor.order("/faults", match="GET /2.0/repositories/fjord-lab", kind="status", status=429)
        with works.inside():
            asked = verify.request(actor=works.alice, connection=connection)
        works.drain()
        with works.inside():
            half = Check.objects.filter(verification_id=asked.id).count()
        patiently(works)

        verification = works.verification(connection)
        assert (verification.id, verification.outcome) == (asked.id, "passed")
        with works.inside():
            kept = Check.objects.filter(verification_id=asked.id)
            assert 0 < half < kept.count() == len(set(kept.values_list("key", "workspace")))


class TestAsking:
    def test_a_running_one_is_given_back(self, works: Works, connection: Connection) -> None:
        with works.inside():
            one = verify.request(actor=works.alice, connection=connection)
            other = verify.request(actor=works.alice, connection=connection)
        assert one.id == other.id

    def test_a_paused_connection_is_not_verified(
        self, works: Works, connection: Connection
    ) -> None:
        with works.inside():
            lifecycle.pause(actor=works.alice, connection=connection)
            with pytest.raises(FlowProblem) as problem:
                verify.request(actor=works.alice, connection=connection)
        assert problem.value.code == "not_live"

    def test_it_repeats_itself(self, works: Works, connection: Connection) -> None:
        assert connection.next_verification_at is not None
        in_a_day = timezone.now() + timedelta(hours=24)
        assert abs(connection.next_verification_at - in_a_day) < timedelta(minutes=1)
        with works.inside():
            Connection.objects.update(next_verification_at=timezone.now())

        with roles.using_role("worker"):
            tasks.start_due()
            tasks.start_due()
        assert jobs(works) == ["verify_connection"]
        hurry(works)
        works.drain()
        with works.inside():
            assert Verification.objects.count() == 2
        now = again(works, connection).next_verification_at
        assert now is not None and now > timezone.now() + timedelta(hours=23)

    def test_a_slow_vendor_does_not_cost_the_lease(
        self, works: Works, vendor: Vendor, settings: Any, connection: Connection
    ) -> None:
        """Each answer is a sign of life, so that many workspaces may take longer than a lease."""
        settings.LEASE_SECONDS = 2
        vendor.order("/latency", ms=700)
        verification = verified(works, connection)

        assert verification.outcome == "passed"
        with works.inside():
            (job,) = Job.objects.filter(ref__verification_id=str(verification.id))
            assert job.attempts == 1
