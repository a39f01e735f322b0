"""A vendor makes the next token: by button, mark or policy, and nothing is left lying there."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest

from connections.flows import lifecycle, replacement, rotation, told_kinds, withdrawal
from connections.flows.problems import FlowProblem
from connections.models import Connection, Credential, Replacement, RotationPolicy
from portal import clock, roles
from portal.models import AuditEvent, Notice
from tests import scenes
from tests.connections.test_crashes import KILLED, LEASE_ENDS, recover
from tests.connections.test_replacement import another, hand_in, in_use, now
from tests.connections.test_self_hosted import linked
from tests.connections.ways import again, sealed_for
from tests.vendor import Vendor
from tests.works import Works

Stage = Replacement.Stage
BILLING = {"project": "PAY", "repository": "billing-api"}

connection = scenes.begun(linked)


def ours(vendor: Vendor) -> list[dict[str, Any]]:
    """The tokens at the vendor that we had made and that still work."""
    known = vendor.state()["data_center"]["tokens"]
    return [row for row in known if row["name"].startswith("portal-") and not row["revoked"]]


def works_there(vendor: Vendor, name: str) -> bool:
    known = vendor.state()["data_center"]["tokens"]
    return not next(row["revoked"] for row in known if row["name"] == name)


def asked(works: Works, connection: Connection) -> Replacement:
    """Alice presses the button; no worker has looked yet."""
    with works.inside():
        return rotation.rotate_now(actor=works.alice, connection=connection)


def start_due(works: Works) -> None:
    with roles.using_role("worker"):
        rotation.start_due()
    works.drain()


def last(works: Works) -> Replacement:
    with works.inside():
        found: Replacement = Replacement.objects.order_by("-created_at")[0]
        return found


def still_open(works: Works, kind: str) -> bool:
    with works.inside():
        return bool(Notice.objects.filter(kind=kind, resolved_at=None).exists())


class TestRotateNow:
    @pytest.mark.parametrize(
        ("name", "method", "fields"),
        [
            ("dana-read", "user-token", {}),
            (
                "billing-repository",
                "repository-token",
                {"project": "PAY", "repository": "billing-api"},
            ),
        ],
    )
    def test_a_new_token_takes_over_and_the_old_one_is_withdrawn(
        self, name: str, method: str, fields: dict[str, str], works: Works, vendor: Vendor
    ) -> None:
        connection = linked(works, vendor, token=name, method=method, fields=fields)
        old = in_use(works, connection)
        one = asked(works, connection)
        works.drain()

        one, new, after = now(works, one), in_use(works, connection), again(works, connection)
        assert (one.stage, one.withdrawn_how, one.error) == (Stage.DONE, "vendor", "")
        assert (new.id, after.state, after.account_id) == (
            one.new_id,
            Connection.State.ACTIVE,
            connection.account_id,
        )
        (made,) = ours(vendor)
        assert (made["name"], made["id"]) == (f"portal-{connection.id}-{one.id}", new.token_id)
        assert new.expires_at is not None and new.scopes == sorted(made["permissions"])
        assert not works_there(vendor, name)
        assert (sealed_for(works, old.id), sealed_for(works, new.id)) == ([], ["secret"])
        assert works.verify(connection).outcome != "failed"
        with works.inside():
            deeds = set(AuditEvent.objects.values_list("action", flat=True))
        assert {"credential.made", "credential.replaced", "credential.withdrawn"} <= deeds

    def test_and_again(self, works: Works, vendor: Vendor, connection: Connection) -> None:
        for _ in range(2):
            asked(works, again(works, connection))
            works.drain()

        assert last(works).stage == Stage.DONE
        assert len(ours(vendor)) == 1

    def test_not_found_is_no_proof_while_the_old_one_works(
        self, works: Works, vendor: Vendor, connection: Connection
    ) -> None:
        """A proxy, or another place than the token's, may answer that there is no such token."""
        wrong = {"errors": [{"context": None, "message": "No such token", "exceptionName": None}]}
        vendor.order(
            "/faults",
            match="DELETE /bitbucket/rest/access-tokens/*",
            kind="status",
            status=404,
            body=wrong,
            headers={"X-AUSERNAME": "dlevi"},
            times=9,
        )
        asked(works, connection)
        works.drain()

        one = last(works)
        assert (one.stage, one.withdrawn_how, one.error) == (Stage.SWITCHED, "", "refused")
        assert works_there(vendor, "dana-read")
        assert still_open(works, told_kinds.WITHDRAW)

    def test_a_vendor_that_refuses_leaves_everything(
        self, works: Works, vendor: Vendor, connection: Connection
    ) -> None:
        old = in_use(works, connection)
        vendor.order("/data-center/switches", tokens_make_tokens=False)
        one = asked(works, connection)
        works.drain()

        assert now(works, one).stage == Stage.FAILED
        assert in_use(works, connection).id == old.id
        assert (ours(vendor), works_there(vendor, "dana-read")) == ([], True)
        assert still_open(works, told_kinds.ROTATION_FAILED)

    def test_where_it_is_not_possible_the_reason_is_said(
        self, works: Works, vendor: Vendor
    ) -> None:
        cloud = works.connection(works.link_by_token(vendor.token("dana-full")))
        with works.inside(), pytest.raises(FlowProblem) as problem:
            rotation.rotate_now(actor=works.alice, connection=cloud)
        assert "makes no new token of this kind" in problem.value.message


class TestWhatIsDue:
    def test_a_mark_is_obeyed_once(
        self, works: Works, vendor: Vendor, connection: Connection
    ) -> None:
        with works.inside():
            Credential.objects.filter(connection_id=connection.id).update(
                rotate_by=clock.now() - timedelta(minutes=1), rotate_because="import"
            )
        start_due(works)
        start_due(works)

        assert (last(works).stage, last(works).because) == (Stage.DONE, "marked")
        assert len(ours(vendor)) == 1
        new = in_use(works, connection)
        assert new.rotate_by is not None and new.expires_at is not None
        assert clock.now() < new.rotate_by < new.expires_at

    def test_the_policy_is_obeyed(self, works: Works, connection: Connection) -> None:
        with works.inside():
            RotationPolicy.objects.create(max_age_days=30)
        start_due(works)
        with works.inside():
            assert not Replacement.objects.exists()
            Credential.objects.filter(connection_id=connection.id).update(
                created_at=clock.now() - timedelta(days=31)
            )
        start_due(works)

        assert (last(works).stage, last(works).because) == (Stage.DONE, "policy")

    def test_what_cannot_rotate_takes_no_place(
        self, works: Works, vendor: Vendor, monkeypatch: pytest.MonkeyPatch, connection: Connection
    ) -> None:
        """However many of them are overdue, and for however long."""
        cloud = works.connection(works.link_by_token(vendor.token("dana-full")))
        with works.inside():
            late = clock.now() - timedelta(days=9)
            Credential.objects.filter(connection_id=cloud.id).update(rotate_by=late)
            Credential.objects.filter(connection_id=connection.id).update(rotate_by=clock.now())
        monkeypatch.setattr(rotation, "MOST", 1)
        start_due(works)

        assert (last(works).connection_id, last(works).stage) == (connection.id, Stage.DONE)

    def test_what_ends_before_its_policy_asks_is_rotated_and_goes_on_so(
        self, works: Works, connection: Connection
    ) -> None:
        ends = clock.now() + timedelta(days=10)
        with works.inside():
            known = Credential.objects.filter(connection_id=connection.id)
            known.update(created_at=clock.now() - timedelta(days=70), expires_at=ends)
            RotationPolicy.objects.create(max_age_days=365)
        start_due(works)
        with works.inside():
            assert not Replacement.objects.exists()
            known.update(created_at=clock.now() - timedelta(days=100))
        start_due(works)
        assert (last(works).stage, last(works).because) == (Stage.DONE, "policy")

        asked(works, again(works, connection))  # by button: what rotates by itself goes on so
        works.drain()
        assert in_use(works, connection).rotate_because == "expiry"

    def test_what_nobody_asked_to_rotate_is_let_alone(
        self, works: Works, connection: Connection
    ) -> None:
        tomorrow = clock.now() + timedelta(days=1)
        with works.inside():
            known = Credential.objects.filter(connection_id=connection.id)
            known.update(created_at=clock.now() - timedelta(days=89), expires_at=tomorrow)
        start_due(works)
        with works.inside():
            assert not Replacement.objects.exists()

    def test_a_failure_is_tried_again_after_a_day(
        self, works: Works, vendor: Vendor, connection: Connection
    ) -> None:
        vendor.order("/data-center/switches", tokens_make_tokens=False)
        with works.inside():
            Credential.objects.filter(connection_id=connection.id).update(rotate_by=clock.now())
        start_due(works)
        vendor.order("/data-center/switches", tokens_make_tokens=True)
        start_due(works)
        assert last(works).stage == Stage.FAILED

        with works.inside():
            Replacement.objects.update(created_at=clock.now() - timedelta(days=2))
        start_due(works)
        assert last(works).stage == Stage.DONE
        assert not still_open(works, told_kinds.ROTATION_FAILED)


STEPS = (
    *("replacement.made", "replacement.identified", "replacement.switched"),
    "replacement.withdrawn",
)


def test_a_rotation_survives_the_death_of_a_worker_at_each_step(
    works: Works, vendor: Vendor, connection: Connection
) -> None:
    """In the end one token of ours works there, and it is the one in use."""
    one = asked(works, connection)

    for step in STEPS:
        assert works.fork_and_die(step) == KILLED
        time.sleep(LEASE_ENDS)
    works.drain()

    new = in_use(works, connection)
    assert (now(works, one).stage, new.id) == (Stage.DONE, one.new_id)
    assert [row["id"] for row in ours(vendor)] == [new.token_id]
    assert not works_there(vendor, "dana-read")
    with works.inside():
        assert AuditEvent.objects.filter(action="credential.replaced").count() == 1


def test_a_token_that_may_too_little_is_dropped(
    works: Works, vendor: Vendor, connection: Connection
) -> None:
    """Also when the worker dies while it drops it."""
    old = in_use(works, connection)
    one = asked(works, connection)
    assert works.fork_and_die("replacement.identified") == KILLED
    with works.inside():
        Connection.objects.filter(id=connection.id).update(capabilities=["pullrequests-write"])
    time.sleep(LEASE_ENDS)
    assert works.fork_and_die("replacement.dropped") == KILLED
    recover(works)

    one = now(works, one)
    assert (one.stage, one.error) == (Stage.FAILED, "scope_missing")
    assert (in_use(works, connection).id, ours(vendor)) == (old.id, [])
    assert sealed_for(works, one.new_id) == []


class TestWhatIsLeftAtTheVendor:
    def test_what_was_made_withdraws_itself_when_the_token_in_use_cannot(
        self, works: Works, vendor: Vendor, connection: Connection
    ) -> None:
        one = asked(works, connection)
        assert works.fork_and_die("replacement.identified") == KILLED
        withdraw_old(vendor)
        with works.inside():
            Connection.objects.filter(id=connection.id).update(capabilities=["pullrequests-write"])
        time.sleep(LEASE_ENDS)
        works.drain()

        assert (now(works, one).error, ours(vendor)) == ("scope_missing", [])
        assert not still_open(works, told_kinds.LEFT_AT_VENDOR)

    def test_a_revocation_withdraws_what_was_made(
        self, works: Works, vendor: Vendor, connection: Connection
    ) -> None:
        asked(works, connection)
        works.drain()
        assert len(ours(vendor)) == 1
        revoke(works, connection)
        assert (ours(vendor), still_open(works, told_kinds.LEFT_AT_VENDOR)) == ([], False)

    def test_what_cannot_be_withdrawn_is_named(
        self, works: Works, vendor: Vendor, connection: Connection
    ) -> None:
        one = asked(works, connection)
        works.drain()
        vendor.order("/faults", match="DELETE *", kind="status", status=403, times=9)
        revoke(works, connection)

        assert len(ours(vendor)) == 1
        with works.inside():
            told = Notice.objects.get(kind=told_kinds.LEFT_AT_VENDOR)
        assert one.token_name in told.body and f"{vendor.url}/bitbucket/plugins" in told.body
        assert sealed_for(works, one.new_id) == []


class TestWhatNobodyFinished:
    def test_it_is_dropped_and_blocks_no_rotation(
        self, works: Works, connection: Connection
    ) -> None:
        with works.inside():
            begun = replacement.begun(connection, actor=works.alice)
            Credential.objects.filter(connection_id=connection.id).update(rotate_by=clock.now())
        start_due(works)
        assert last(works).id == begun.id  # perhaps somebody is typing
        with clock.shifted(timedelta(hours=2)):
            start_due(works)
        assert (now(works, begun).stage, now(works, begun).error) == ("cancelled", "unfinished")
        assert last(works).stage == Stage.DONE

    def test_a_checked_one_is_kept_two_weeks(self, works: Works, vendor: Vendor) -> None:
        cloud = works.connection(works.link_by_token(vendor.token("dana-full")))
        one = hand_in(works, cloud, another(vendor))
        for days, stage, is_told in ((6, "checked", 0), (8, "checked", 1), (15, "cancelled", 0)):
            look_after(works, days)
            assert now(works, one).stage == stage
            assert still_open(works, told_kinds.WAITS) == bool(is_told)
        assert sealed_for(works, one.new_id) == []

    def test_a_withdrawal_that_failed_is_tried_again_and_blocks_with_a_word(
        self, works: Works, vendor: Vendor, connection: Connection
    ) -> None:
        vendor.order("/faults", match="DELETE *", kind="status", status=403, times=2)
        one = asked(works, connection)
        works.drain()
        assert now(works, one).stage == Stage.SWITCHED
        with works.inside():
            Credential.objects.filter(replaced_at=None).update(rotate_by=clock.now())
        start_due(works)
        assert still_open(works, told_kinds.ROTATION_FAILED)

        look_after(works, 2)
        assert (now(works, one).stage, works_there(vendor, "dana-read")) == (Stage.DONE, False)


def revoke(works: Works, connection: Connection) -> None:
    with works.inside():
        lifecycle.revoke(
            actor=works.alice, connection=again(works, connection), typed_name=connection.name
        )
    works.drain()


def look_after(works: Works, days: int) -> None:
    """The hourly look at what was left lying, so many days later, and what follows from it."""
    with clock.shifted(timedelta(days=days)), roles.using_role("worker"):
        withdrawal.look_after()
    works.drain()
    with clock.shifted(timedelta(days=days)):
        works.drain()


def withdraw_old(vendor: Vendor) -> None:
    """Somebody withdraws dana-read at the vendor."""
    vendor.order("/data-center/tokens/end", name="dana-read")
