"""The way back from a replacement: everything is as it was, or it says why it cannot be."""

from __future__ import annotations

from datetime import timedelta

from connections.flows import campaigns, replacement
from connections.models import Connection, Replacement
from portal import clock, people
from portal.models import Membership, Notice
from portal.policy import Role
from tests import scenes
from tests.connections.test_replacement import another, do, hand_in, in_use, linked
from tests.connections.ways import a_team, again
from tests.vendor import Vendor
from tests.works import Works

connection = scenes.begun(linked)

Stage = Replacement.Stage


def test_the_way_back_leads_to_everything_as_it_was(
    works: Works, vendor: Vendor, connection: Connection
) -> None:
    """Whose consent it is, that nobody owns it, and a campaign that waits for it."""
    since = clock.now() - timedelta(days=3)
    bob = works.person("bob@acme.example", "Bob", Role.MANAGER)
    with works.inside():
        Membership.objects.filter(user_id=bob.id).delete()
        rows = Connection.objects.filter(id=connection.id)
        rows.update(granted_by=bob.id, granted_by_name="Bob", orphaned_at=since)
        campaign = campaigns.start(
            actor=works.alice, goal="rotate", title="All", connection_ids=[connection.id],
            due_at=clock.now() + timedelta(days=2),
        )  # fmt: skip
    one = do(works, replacement.switch, hand_in(works, connection, another(vendor)))
    after = again(works, connection)
    assert (after.granted_by_id, after.orphaned_at) == (works.alice.id, None)

    with works.inside():
        campaign.refresh_from_db()
        assert not campaign.is_open
    do(works, replacement.go_back, one)
    after = again(works, connection)
    assert (after.granted_by_id, after.granted_by_name) == (bob.id, "Bob")
    assert after.orphaned_at == since
    with works.inside():
        campaign.refresh_from_db()
        assert campaign.is_open and campaigns.left(campaign).count() == 1


def test_who_left_between_the_switch_and_the_way_back_is_asked_after(
    works: Works, vendor: Vendor, connection: Connection
) -> None:
    """The credential of before is in use again, and nobody answers for it: a successor is asked."""
    bob = works.person("bob@acme.example", "Bob", Role.MANAGER)
    with works.inside():
        rows = Connection.objects.filter(id=connection.id)
        rows.update(granted_by=bob.id, granted_by_name="Bob")
    one = do(works, replacement.switch, hand_in(works, connection, another(vendor)))
    with works.inside():
        membership = Membership.objects.get(user_id=bob.id)
        people.remove_member(actor=works.admin, membership_id=membership.id)
    works.drain()
    assert again(works, connection).orphaned_at is None  # Alice's by now

    do(works, replacement.go_back, one)
    after = again(works, connection)
    assert (after.granted_by_id, in_use(works, connection).id) == (bob.id, one.old_id)
    assert after.orphaned_at is not None
    with works.inside():
        asked = Notice.objects.filter(subject_id=connection.id, resolved_at=None)
        assert any("Bob" in each.body + each.title for each in asked)


def test_the_way_back_is_barred_by_a_connection_that_took_the_account(
    works: Works, vendor: Vendor, connection: Connection
) -> None:
    one = do(works, replacement.switch, hand_in(works, connection, another(vendor)))
    team = a_team(works)
    with works.inside():
        Connection.objects.filter(id=connection.id).update(account_id="somebody")
        mine = again(works, connection)
        Connection.objects.create(
            name="Other", connector=mine.connector, method=mine.method,
            account_id=connection.account_id, granted_by_name="Ada", team_id=team,
        )  # fmt: skip
    one = do(works, replacement.go_back, one)

    assert (one.stage, one.error) == (Stage.SWITCHED, "account_taken")
    assert in_use(works, connection).id == one.new_id
