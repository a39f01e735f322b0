"""A credential is replaced in two phases: checked, switched to, then the old one is withdrawn."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.core.exceptions import PermissionDenied

from connections import places
from connections.flows import health as refusing, lifecycle, replacement, told_kinds, withdrawal
from connections.flows.problems import FlowProblem
from connections.lineage import Decision
from connections.models import Connection, Credential, Replacement, SyncRun, Verification
from connections.queries import health
from portal import audit, clock, roles, vault
from portal.models import AuditEvent, Membership, Notice
from portal.policy import Role
from portal.secret import Secret
from tests import scenes
from tests.connections.ways import again, hurry, link_by_consent, sealed_for
from tests.vendor import Vendor
from tests.works import Works

Stage = Replacement.Stage
DANA = {"email": "dana@acme.example"}
READ = ["read:user:bitbucket", "read:workspace:bitbucket", "read:repository:bitbucket"]


def another(vendor: Vendor, **wish: Any) -> str:
    """A token made at the vendor for this test; Dana's, unless somebody else is named."""
    wish = {"kind": "api_token", "user": "dana", "scopes": READ} | wish
    return str(vendor.order("/tokens", **wish)["token"])


def hand_in(
    works: Works, connection: Connection, token: str, method: str = "api-token", **fields: str
) -> Replacement:
    """Entered by Alice, and whatever a worker makes of it."""
    with works.inside():
        one = replacement.hand_in(
            actor=works.alice,
            connection=connection,
            method=method,
            fields=fields or DANA,
            secret=Secret(token),
        )
    works.drain()
    return now(works, one)


def now(works: Works, one: Replacement) -> Replacement:
    with works.inside():
        found: Replacement = Replacement.objects.select_related("connection").get(id=one.id)
        return found


def do(works: Works, deed: Any, one: Replacement) -> Replacement:
    """One of the deeds of the flow by Alice, and the worker's part of it."""
    with works.inside():
        deed(actor=works.alice, replacement=now(works, one))
    works.drain()
    return now(works, one)


def linked(works: Works, vendor: Vendor) -> Connection:
    return works.connection(works.link_by_token(vendor.token("dana-full")))


connection = scenes.begun(linked)


def in_use(works: Works, connection: Connection) -> Credential:
    with works.inside():
        found: Credential = Credential.objects.get(connection_id=connection.id, replaced_at=None)
        return found


class TestTwoPhases:
    def test_the_new_one_is_checked_beside_the_old_one(
        self, works: Works, vendor: Vendor, connection: Connection
    ) -> None:
        old = in_use(works, connection)

        one = hand_in(works, connection, another(vendor))

        assert (one.stage, one.error) == (Stage.CHECKED, "")
        assert one.found["account"] == connection.account_name
        assert "Read pull requests" in one.found["loses"] and one.found["gains"] == []
        assert "read:pullrequest:bitbucket" in one.found["lost_scopes"]
        assert one.found["missing"] == []
        assert in_use(works, connection).id == old.id
        assert works.verify(connection).outcome == Verification.Outcome.PASSED

    def test_the_switch_keeps_everything_but_the_secret(
        self, works: Works, vendor: Vendor, connection: Connection
    ) -> None:
        works.sync(connection, "acme")
        old = in_use(works, connection)

        one = do(works, replacement.switch, hand_in(works, connection, another(vendor)))

        after, new = again(works, connection), in_use(works, connection)
        assert (one.stage, after.state) == (Stage.SWITCHED, Connection.State.ACTIVE)
        assert (after.id, after.name, after.account_id) == (
            connection.id,
            connection.name,
            connection.account_id,
        )
        assert (new.id, new.fingerprint != old.fingerprint) == (one.new_id, True)
        assert (sealed_for(works, old.id), sealed_for(works, new.id)) == (["secret"], ["secret"])
        assert works.verification(connection).scopes == sorted(READ)
        with works.inside():
            assert works.verification(connection).drift
            assert not Notice.objects.filter(kind=told_kinds.DRIFT).exists()  # she saw it before
            assert SyncRun.objects.count() == 1
            assert AuditEvent.objects.filter(action="credential.replaced").count() == 1
            assert audit.verify()[1] is None

    def test_a_person_withdraws_the_old_one(
        self, works: Works, vendor: Vendor, connection: Connection
    ) -> None:
        old = in_use(works, connection)
        one = do(works, replacement.switch, hand_in(works, connection, another(vendor)))

        one = do(works, replacement.withdrawn, one)

        assert (one.stage, one.withdrawn_how, one.is_over) == (Stage.DONE, "person", True)
        assert sealed_for(works, old.id) == []
        assert works.verify(connection).outcome == Verification.Outcome.PASSED

    def test_there_is_a_way_back_until_then(
        self, works: Works, vendor: Vendor, connection: Connection
    ) -> None:
        old = in_use(works, connection)
        one = do(works, replacement.switch, hand_in(works, connection, another(vendor)))

        one = do(works, replacement.go_back, one)

        assert one.stage == Stage.WENT_BACK
        assert in_use(works, connection).id == old.id
        assert (sealed_for(works, old.id), sealed_for(works, one.new_id)) == (["secret"], [])
        last = works.verification(connection)
        assert (last.outcome, last.scopes) == ("passed", old.scopes)

    def test_it_is_left_before_the_switch(
        self, works: Works, vendor: Vendor, connection: Connection
    ) -> None:
        old = in_use(works, connection)

        one = do(works, replacement.cancel, hand_in(works, connection, another(vendor)))

        assert one.stage == Stage.CANCELLED
        assert in_use(works, connection).id == old.id
        assert sealed_for(works, one.new_id) == []
        with works.inside():
            assert Credential.objects.count() == 1

    def test_a_grant_gives_way_to_a_token_and_comes_back(
        self, works: Works, vendor: Vendor
    ) -> None:
        connection = works.connection(link_by_consent(works, vendor))
        old = in_use(works, connection)

        one = do(works, replacement.switch, hand_in(works, connection, another(vendor)))
        after = again(works, connection)
        assert (after.method, after.consumer_id) == ("api-token", None)
        assert sealed_for(works, old.id) == ["access", "refresh"]

        do(works, replacement.go_back, one)
        after = again(works, connection)
        assert (after.method, after.consumer_id) == ("oauth", connection.consumer_id)
        assert in_use(works, connection).refresh_due_at is not None
        assert works.verify(connection).outcome == Verification.Outcome.PASSED

    def test_a_renewal_without_an_answer_is_waited_for_once_and_not_for_ever(
        self, works: Works, vendor: Vendor
    ) -> None:
        """A dead vendor is asked again and again: the switch comes all the same."""
        connection = works.connection(link_by_consent(works, vendor))
        one = hand_in(works, connection, another(vendor))
        longest = timedelta(seconds=settings.REFRESH_LEASE_SECONDS)
        with roles.using_role("worker"), works.inside():
            Credential.objects.filter(id=one.old_id).update(lease_until=clock.now() + longest)

        one = do(works, replacement.switch, one)
        assert one.stage == Stage.SWITCHING and in_use(works, connection).id == one.old_id

        with roles.using_role("worker"), works.inside():
            Replacement.objects.filter(id=one.id).update(asked_at=clock.now() - longest)
        hurry(works)
        works.drain()
        assert now(works, one).stage == Stage.SWITCHED
        assert in_use(works, connection).id == one.new_id


class TestWhatIsRefused:
    @pytest.mark.parametrize(
        ("wish", "error"),
        [
            ({"expires_in_days": -1}, "reauthorization_required"),
            ({"user": "tomas"}, "replaced_by_other"),
        ],
    )
    def test_a_failed_check_leaves_everything_as_it_was(
        self, wish: dict[str, Any], error: str, works: Works, vendor: Vendor, connection: Connection
    ) -> None:
        old = in_use(works, connection)
        email = {"email": f"{wish.get('user', 'dana')}@acme.example"}

        one = hand_in(works, connection, another(vendor, **wish), **email)

        assert (one.stage, one.error, one.fields) == (Stage.ENTERING, error, email)
        assert sealed_for(works, one.new_id) == []
        assert in_use(works, connection).id == old.id
        assert again(works, connection).state == Connection.State.ACTIVE
        one = do(works, replacement.switch, hand_in(works, connection, another(vendor)))
        assert one.stage == Stage.SWITCHED

    def test_a_vendor_that_does_not_answer_is_asked_again(
        self, works: Works, vendor: Vendor, connection: Connection
    ) -> None:
        vendor.order("/faults", match="GET /2.0/user", kind="status", status=503, times=1)

        one = hand_in(works, connection, another(vendor))
        assert one.stage == Stage.CHECKING
        hurry(works)
        works.drain()

        assert now(works, one).stage == Stage.CHECKED

    def test_one_at_a_time(self, works: Works, vendor: Vendor, connection: Connection) -> None:
        hand_in(works, connection, another(vendor))

        with pytest.raises(FlowProblem) as problem:
            hand_in(works, connection, another(vendor))
        assert problem.value.code == "under_way"

    def test_who_may_not_mend_it_may_not_replace_it(
        self, works: Works, vendor: Vendor, connection: Connection
    ) -> None:
        bob = works.person("bob@acme.example", "Bob", Role.MEMBER)
        one = hand_in(works, connection, another(vendor))

        with works.inside(), pytest.raises(PermissionDenied):
            replacement.switch(actor=bob, replacement=one)

    def test_t19_who_loses_the_right_meanwhile_switches_nothing(
        self, works: Works, vendor: Vendor, connection: Connection
    ) -> None:
        one = hand_in(works, connection, another(vendor))
        with works.inside():
            replacement.switch(actor=works.alice, replacement=now(works, one))
            Membership.objects.filter(user_id=works.alice.id).update(role=Role.MEMBER)
            Connection.objects.update(granted_by=works.admin.id)
        works.drain()

        one = now(works, one)
        assert (one.stage, one.error) == (Stage.CHECKED, "not_allowed")
        assert in_use(works, connection).id == one.old_id

    def test_f03_a_switch_sent_twice_switches_once(
        self, works: Works, vendor: Vendor, connection: Connection
    ) -> None:
        one = hand_in(works, connection, another(vendor))
        with works.inside():
            replacement.switch(actor=works.alice, replacement=now(works, one))
        with works.inside(), pytest.raises(FlowProblem) as problem:
            replacement.switch(actor=works.alice, replacement=one)
        works.drain()

        assert problem.value.code == "too_late"
        with works.inside():
            assert AuditEvent.objects.filter(action="credential.replaced").count() == 1


class TestMeanwhile:
    def test_what_was_linked_again_is_not_overwritten(
        self, works: Works, vendor: Vendor, connection: Connection
    ) -> None:
        one = hand_in(works, connection, another(vendor))
        works.link_by_token(vendor.token("dana-full"), relink=connection)
        linked_again = in_use(works, connection)

        one = do(works, replacement.switch, one)

        assert (one.stage, one.error) == (Stage.FAILED, "moved_on")
        assert in_use(works, connection).id == linked_again.id
        assert sealed_for(works, one.new_id) == []

    def test_f22_a_revocation_ends_it(
        self, works: Works, vendor: Vendor, connection: Connection
    ) -> None:
        one = do(works, replacement.switch, hand_in(works, connection, another(vendor)))
        with works.inside():
            lifecycle.revoke(
                actor=works.alice, connection=again(works, connection), typed_name="Acme code"
            )
        works.drain()

        one = now(works, one)
        assert one.stage == Stage.CANCELLED
        assert one.old_id is not None
        assert [sealed_for(works, each) for each in (one.old_id, one.new_id)] == [[], []]

    def test_who_forgets_the_old_one_is_reminded(
        self, works: Works, vendor: Vendor, connection: Connection
    ) -> None:
        one = do(works, replacement.switch, hand_in(works, connection, another(vendor)))
        assert told(works, timedelta(days=2)) == [told_kinds.WITHDRAW]
        with works.inside():
            replacement.postpone(actor=works.alice, replacement=now(works, one))

        assert told(works, timedelta(days=6)) == []
        assert told(works, timedelta(days=8)) == [told_kinds.WITHDRAW]
        do(works, replacement.withdrawn, one)
        assert told(works, timedelta(days=8)) == []


def told(works: Works, after: timedelta) -> list[str]:
    """The open reminders once so much time has passed and the hourly look was taken."""
    clock.shift(after)
    try:
        with roles.using_role("worker"):
            withdrawal.look_after()
    finally:
        clock.shift(-after)
    with works.inside():
        still_open = Notice.objects.filter(kind=told_kinds.WITHDRAW, resolved_at=None)
        return list(still_open.values_list("kind", flat=True))


class TestAppPasswords:
    """They ended on 28 July 2026; the sandbox can be taken back to the time before."""

    def test_a_dead_one_is_moved_in_place(self, works: Works, vendor: Vendor) -> None:
        connection = app_password(works, vendor)
        works.verify(connection)
        before = again(works, connection)
        assert (before.state, before.last_error) == ("needs_reauthorization", "method_ended")

        for code in ("method_ended", "reauthorization_required"):  # found by us, by an import
            before.last_error = code
            trouble = health.trouble_of(before, None, product="Bitbucket Cloud")
            assert trouble is not None
            assert trouble.title == "App passwords were removed by Atlassian on 28 July 2026"
            assert (trouble.button, trouble.state) == ("replace", "broken")

        one = hand_in(works, connection, another(vendor))
        assert (one.stage, one.found["account"]) == (Stage.CHECKED, "Dana Levi")
        one = do(works, replacement.switch, one)

        after = again(works, connection)
        assert (after.id, after.name, after.created_at) == (
            before.id,
            before.name,
            before.created_at,
        )
        assert (after.state, after.method, after.last_error) == ("active", "api-token", "")
        assert after.account_name == "Dana Levi"

    def test_one_that_still_answers_is_warned_about(self, works: Works, vendor: Vendor) -> None:
        vendor.order("/switches", app_passwords_end="9999-12-31")
        connection = app_password(works, vendor, account="")

        works.verify(connection)

        after = again(works, connection)
        assert (after.state, after.last_error) == ("active", "method_ends")
        with clock.shifted(-timedelta(days=366)), works.inside():  # before the day
            trouble = health.trouble_of(after, None, product="Bitbucket Cloud")
            assert refusing.refused(after, "x") == Decision.SUSPECT  # a brownout, say
        assert trouble is not None and "s are removed by Atlassian on" in trouble.title

    def test_none_is_linked_anew(self, works: Works, connection: Connection) -> None:
        with pytest.raises(FlowProblem) as problem:
            hand_in(works, connection, "x", method="app-password", username="dana")
        assert problem.value.code == "method"


def app_password(works: Works, vendor: Vendor, account: str = "unproven:dana") -> Connection:
    """A connection as an import leaves it."""
    linked_before = linked(works, vendor)
    with works.inside():
        row = Connection.objects.get(id=linked_before.id)
        row.method, row.fields = "app-password", {"username": "dana"}
        row.account_id = account or row.account_id
        row.save()
    with roles.using_role("worker"), works.inside():
        credential = Credential.objects.get(connection_id=row.id, replaced_at=None)
        credential.kind, credential.vocabulary = "apppassword", "oauth"
        credential.save()
        secret = Secret(vendor.token("dana-app-password"))
        vault.keep(places.of_credential(credential, places.SECRET), secret)
    return row
