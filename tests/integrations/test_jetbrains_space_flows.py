"""A connection to JetBrains Space from linking to revoking, by each way, over real sockets."""

from __future__ import annotations

import pytest

from connections.flows import hosts, lifecycle, link, replacement, rotation
from connections.flows.problems import FlowProblem
from connections.models import Connection, PendingLink, Replacement, Workspace
from connections.queries.matrix import matrix_of
from integrations.jetbrains_space import CONNECTOR
from portal import clock
from portal.secret import Secret
from tests.connections.test_replacement import do, in_use, now
from tests.connections.ways import a_team, again, come_back, patiently, sealed_for
from tests.integrations.space_linking import (
    ACME,
    FJORD,
    JOBS,
    ROBOT,
    SLUG,
    app,
    by_service,
    by_token,
    checks,
    make_stale,
    newest_credential,
    prepared,
    registered,
    revoked,
    rows,
    settled,
    signed_in,
    token,
)
from tests.vendor import Vendor
from tests.works import SESSION, Works

Stage = PendingLink.Stage


class TestSigningIn:
    def test_links_renews_and_ends_at_space_when_revoked(
        self, works: Works, vendor: Vendor
    ) -> None:
        connection = signed_in(works, vendor, registered(works, vendor))

        assert connection.fields == {"base_url": ACME}
        assert (connection.account_name, connection.account_kind) == ("Dana Levi", "user")
        assert works.verification(connection).outcome == "passed"
        first = in_use(works, connection)
        assert first.scopes == ["global:Profile.View", "global:Project.View"]

        make_stale(works, connection)
        assert works.verify(connection).outcome == "passed"
        renewed = in_use(works, connection)
        assert renewed.version > first.version and renewed.expires_at > clock.now()
        assert sealed_for(works, renewed.id) == ["access", "refresh"]

        with works.inside():
            assert lifecycle.preview_revoke(connection).can_withdraw_at_vendor
        revoked(works, connection)
        assert [row["revoked"] for row in rows(vendor, "grants")] == [True]
        assert sealed_for(works, renewed.id) == []

    def test_a_refresh_token_that_rotates_is_kept_too(self, works: Works, vendor: Vendor) -> None:
        vendor.order(f"/{SLUG}/switches", refresh_token="rotates")
        connection = signed_in(works, vendor, registered(works, vendor))

        for _ in range(3):
            make_stale(works, connection)
            assert works.verify(connection).outcome == "passed"

        assert len(rows(vendor, "grants")[0]["spent"]) == 3

    def test_a_consent_that_was_withdrawn_is_noticed_and_linked_again_in_place(
        self, works: Works, vendor: Vendor
    ) -> None:
        consumer = registered(works, vendor)
        connection = signed_in(works, vendor, consumer)
        vendor.order(f"/{SLUG}/grants/revoke", user="dana")
        make_stale(works, connection)

        assert works.verify(connection).outcome == "failed"
        assert again(works, connection).suspect_since is not None

        other = signed_in(works, vendor, consumer, relink=again(works, connection))
        assert (other.id, other.state) == (connection.id, Connection.State.ACTIVE)

    def test_a_grant_that_was_replaced_ends_at_space_and_nothing_of_it_stays(
        self, works: Works, vendor: Vendor
    ) -> None:
        consumer = registered(works, vendor)
        connection = signed_in(works, vendor, consumer)
        old = in_use(works, connection)

        signed_in(works, vendor, consumer, relink=again(works, connection))
        works.drain()

        assert [row["revoked"] for row in rows(vendor, "grants")] == [True, False]
        assert sealed_for(works, old.id) == []
        assert works.verify(connection).outcome == "passed"

    def test_a_former_grant_is_not_sent_to_another_server(
        self, works: Works, vendor: Vendor
    ) -> None:
        connection = signed_in(works, vendor, registered(works, vendor))
        old = in_use(works, connection)

        pending = at_another_server(works, vendor, again(works, connection))
        assert pending.stage == Stage.CONFIRM_ACCOUNT
        with works.inside():
            link.confirm_account(actor=works.alice, pending=pending)
        assert settled(works, pending).fields == {"base_url": FJORD}

        asked = [row for row in vendor.requests() if row["path"].endswith("refresh-tokens/self")]
        assert asked == [] and sealed_for(works, old.id) == []

    def test_each_address_has_a_consumer_of_its_own(self, works: Works, vendor: Vendor) -> None:
        here, there = registered(works, vendor), registered(works, vendor, FJORD)

        one = signed_in(works, vendor, here, name="Acme")
        other = signed_in(works, vendor, there, name="Fjord", user="rashid", team_id=a_team(works))

        assert (one.fields["base_url"], other.fields["base_url"]) == (ACME, FJORD)
        asked = {row["host"] for row in vendor.requests() if row["path"] == "/oauth/token"}
        assert asked == {"acme.jetbrains.space", "space.fjord.example"}


def at_another_server(works: Works, vendor: Vendor, connection: Connection) -> PendingLink:
    """Linked again by somebody of another organization of Space; the worker has asked there."""
    there = registered(works, vendor, FJORD)
    pending = prepared(works, "oauth", consumer_id=there.id, relink=connection)
    with works.inside():
        url = link.depart(actor=works.alice, pending=pending, session_key=SESSION)
    come_back(works, works.consent(url, user="rashid"), connector=SLUG)
    works.drain()
    return works.reloaded(pending)


class TestServiceAccount:
    def test_links_and_shows_what_it_may_do_in_which_project(
        self, works: Works, vendor: Vendor
    ) -> None:
        connection = by_service(works, vendor, capabilities=JOBS)
        one = works.verification(connection)
        told = checks(works, one)

        assert (one.outcome, connection.account_kind) == ("passed", "app")
        assert {place for key, place in told if key == "rights"} == {
            "global", "project:key:CAR", "project:key:PAY",
        }  # fmt: skip
        start = {
            place: told["right:jobs-start", place].detail for key, place in told if key == "rights"
        }
        assert start["project:key:CAR"] == "Allowed here"
        assert start["project:key:PAY"] == start["global"] == "Not allowed here"
        assert "Start automation jobs" in told["rights", "project:key:CAR"].proves
        # the jobs of a project where they may be seen were tried, and no other's
        assert "key:CAR" in told["capability:jobs-read", ""].request
        assert in_use(works, connection).scopes == one.scopes
        assert "Automation.Execution.Start" in one.scopes and "**" not in one.scopes
        with works.inside():
            matrix = matrix_of(
                manifest=CONNECTOR.manifest,
                connection=connection,
                vocabulary=one.vocabulary,
                scopes=one.scopes,
                checks=list(told.values()),
            )
        row = next(row for row in matrix.needed if row.key == "jobs-start")
        assert row.granted and not matrix.missing

    def test_a_right_that_is_nowhere_is_missing(self, works: Works, vendor: Vendor) -> None:
        for context in ("project:key:CAR", "project:key:PAY"):
            vendor.order(f"/{SLUG}/apps", client_id=ROBOT["client_id"], context=context, rights=[])

        connection = by_service(works, vendor, capabilities=JOBS)

        one = works.verification(connection)
        assert one.outcome == "partly"
        assert checks(works, one)["capability:jobs-start", ""].outcome == "missing"

    def test_is_exchanged_again_when_its_access_token_ends(
        self, works: Works, vendor: Vendor
    ) -> None:
        connection = by_service(works, vendor)
        first = in_use(works, connection)
        assert sealed_for(works, first.id) == ["access", "secret"]

        make_stale(works, connection)
        assert works.verify(connection).outcome == "passed"

        after = in_use(works, connection)
        assert after.version > first.version and after.scopes == first.scopes
        kinds = [row["grant_type"] for row in vendor.requests() if row["path"] == "/oauth/token"]
        assert kinds == ["client_credentials"] * 2

    def test_a_secret_that_was_regenerated_is_replaced_by_pasting(
        self, works: Works, vendor: Vendor
    ) -> None:
        connection = by_service(works, vendor)
        vendor.order(f"/{SLUG}/apps", client_id=ROBOT["client_id"], secret="another-secret")
        make_stale(works, connection)
        assert works.verify(connection).outcome == "failed"

        with works.inside():
            one = replacement.hand_in(
                actor=works.alice,
                connection=again(works, connection),
                method="service-account",
                fields=ROBOT,
                secret=Secret("another-secret"),
            )
        works.drain()
        assert (now(works, one).stage, now(works, one).error) == (Replacement.Stage.CHECKED, "")
        do(works, replacement.switch, one)

        assert works.verify(connection).outcome == "passed"
        revoked(works, connection)
        assert sealed_for(works, newest_credential(works, connection)) == []

    @pytest.mark.parametrize(
        ("fields", "secret"),
        [
            (ROBOT, "wrong"),
            (ROBOT | {"client_id": "nobody"}, ""),
            (ROBOT | {"base_url": FJORD}, ""),
        ],
    )
    def test_what_space_does_not_know_is_not_linked(
        self, works: Works, vendor: Vendor, fields: dict[str, str], secret: str
    ) -> None:
        secret = secret or app(vendor, "Robot")["secret"]
        pending = prepared(works, "service-account", secret, fields=fields, actor=works.admin)
        works.drain()

        failed = works.reloaded(pending)
        assert (failed.stage, failed.error) == (Stage.FAILED, "reauthorization_required")
        assert secret not in failed.error_detail


class TestPermanentTokens:
    @pytest.mark.parametrize("name", ["dana-full", "robot-token"])
    def test_links_is_replaced_by_itself_and_the_made_one_withdrawn(
        self, works: Works, vendor: Vendor, name: str
    ) -> None:
        connection = by_token(works, vendor, name)
        assert works.verification(connection).outcome == "passed"
        with works.inside():
            assert Workspace.objects.filter(connection=connection, gone_at=None).count() == 130
            first = rotation.rotate_now(actor=works.alice, connection=connection)
        works.drain()
        # The pasted one does not tell its id: a person withdraws it.
        assert now(works, first).stage == Replacement.Stage.SWITCHED
        do(works, replacement.withdrawn, first)

        with works.inside():
            second = rotation.rotate_now(actor=works.alice, connection=again(works, connection))
        works.drain()

        assert now(works, second).stage == Replacement.Stage.DONE
        made = [row for row in rows(vendor, "tokens") if row["name"].startswith("portal-")]
        assert sorted(row["revoked"] for row in made) == [False, True]
        assert works.verify(connection).outcome == "passed"
        revoked(works, connection)
        made = [row for row in rows(vendor, "tokens") if row["name"].startswith("portal-")]
        assert all(row["revoked"] for row in made)

    def test_a_person_s_rights_are_marked_as_the_account_s(
        self, works: Works, vendor: Vendor
    ) -> None:
        connection = by_token(works, vendor, "tomas-full", capabilities=JOBS)

        one = works.verification(connection)
        told = checks(works, one)
        assert one.outcome == "passed" and one.scopes is None
        assert told["rights", "project:key:CAR"].proves.startswith("Enough, as far as")
        assert told["right:jobs-start", "global"].detail == "Not allowed here"

    def test_an_expired_one_is_not_linked_and_one_that_ends_is_noticed(
        self, works: Works, vendor: Vendor
    ) -> None:
        pending = prepared(works, "personal-token", token(vendor, "dana-expired"))
        works.drain()
        assert works.reloaded(pending).error == "reauthorization_required"

        connection = by_token(works, vendor, "dana-small")
        vendor.order(f"/{SLUG}/tokens/end", name="dana-small", expired=True)
        assert works.verify(connection).outcome == "failed"


class TestAddresses:
    def test_a_new_host_of_space_needs_no_admin_and_any_other_does(
        self, works: Works, vendor: Vendor
    ) -> None:
        by_token(works, vendor)

        with pytest.raises(FlowProblem) as problem:
            prepared(
                works,
                "personal-token",
                "eyJ",
                fields={"base_url": FJORD},
                name="Own",
                team_id=a_team(works),
            )
        assert problem.value.code == hosts.NOT_YOURS

    def test_a_token_of_one_organization_opens_no_other(self, works: Works, vendor: Vendor) -> None:
        pending = prepared(
            works,
            "personal-token",
            token(vendor, "dana-full"),
            fields={"base_url": FJORD},
            actor=works.admin,
        )
        works.drain()

        assert works.reloaded(pending).error == "reauthorization_required"

    @pytest.mark.parametrize("kind", ["html", "huge", "silent", "redirect", "gzip_bomb"])
    def test_a_hostile_token_endpoint_links_nothing_and_harms_nothing(
        self, works: Works, vendor: Vendor, kind: str
    ) -> None:
        secret = app(vendor, "Robot")["secret"]
        vendor.order("/faults", match="POST /oauth/token", kind=kind, times=None, seconds=30)
        pending = prepared(works, "service-account", secret, fields=ROBOT)

        if kind != "silent":
            patiently(works)
        with works.inside():
            assert not Connection.objects.exists()
        assert works.reloaded(pending).stage in (Stage.ANSWERED, Stage.FAILED)

    def test_slowing_down_is_waited_for(self, works: Works, vendor: Vendor) -> None:
        connection = by_token(works, vendor)
        vendor.order(f"/{SLUG}/switches", requests_per_minute=1)
        one = works.verify(connection)
        assert one.outcome in ("running", "unreached")
        vendor.order(f"/{SLUG}/switches", requests_per_minute=0)

        patiently(works)

        assert works.verification(connection).outcome == "passed"
        assert again(works, connection).state == Connection.State.ACTIVE
