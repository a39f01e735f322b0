"""Who granted a connection leaves, here or at the vendor: a successor is asked, the id stays."""

from __future__ import annotations

from django.test import Client
from django.urls import reverse

from connections.models import Connection, Workspace
from portal import audit, people, tenancy
from portal.models import AuditEvent, Membership, Notice, User
from portal.policy import Actor, Role
from tests import scenes
from tests.connections.ways import a_team, again, link_by_consent
from tests.vendor import Vendor
from tests.works import Works


@scenes.begun
def linked(works: Works, vendor: Vendor) -> Connection:
    link_by_consent(works, vendor)
    with works.inside():
        found: Connection = Connection.objects.get()
        return found


def owner(works: Works) -> Actor:
    return works.admin


def remove(works: Works, actor: Actor) -> None:
    with works.inside():
        membership = Membership.objects.get(user_id=actor.id)
        people.remove_member(actor=owner(works), membership_id=membership.id)


def open_notices(works: Works, connection: Connection) -> list[str]:
    with works.inside():
        found = Notice.objects.filter(subject_id=connection.id, resolved_at=None)
        return list(found.values_list("kind", flat=True))


def verified(works: Works, connection: Connection) -> Connection:
    works.verify(connection)
    works.drain()
    return again(works, connection)


class TestLeavingTheOrganization:
    def test_the_connection_is_flagged_and_goes_on(self, works: Works, linked: Connection) -> None:
        remove(works, works.alice)
        left = again(works, linked)
        assert left.orphaned_at is not None
        assert left.state == Connection.State.ACTIVE
        assert open_notices(works, linked) == ["owner_left"]

    def test_it_is_on_record_with_the_name(self, works: Works, linked: Connection) -> None:
        remove(works, works.alice)
        with works.inside():
            event = AuditEvent.objects.get(action=audit.Action.CONNECTION_ORPHANED)
        assert event.details["granted_by"] == "Alice"

    def test_somebody_elses_connections_stay_as_they_are(
        self, works: Works, linked: Connection
    ) -> None:
        with works.inside():
            Connection.objects.update(granted_by_id=works.admin.id)
        remove(works, works.alice)
        assert again(works, linked).orphaned_at is None

    def test_who_leaves_by_themselves_leaves_nothing_behind_in_a_team_they_were_taken_out_of(
        self, works: Works, linked: Connection
    ) -> None:
        bob = works.person("bob@acme.example", "Bob", Role.MEMBER)
        team = a_team(works)
        with works.inside():
            Connection.objects.update(granted_by_id=bob.id, granted_by_name="Bob", team_id=team)
        with tenancy.acting_for(works.acme, teams=[]), tenancy.transaction():
            assert not Connection.objects.exists()
            people.leave(actor=bob)
        works.drain()
        assert again(works, linked).orphaned_at is not None
        assert open_notices(works, linked) == ["owner_left"]

    def test_who_is_back_before_a_worker_looks_has_not_left(
        self, works: Works, linked: Connection
    ) -> None:
        with works.inside():
            Connection.objects.update(team_id=a_team(works))
        with tenancy.acting_for(works.acme, teams=[]), tenancy.transaction():
            people.leave(actor=works.alice)
        with works.inside():
            Membership.objects.create(user_id=works.alice.id, role=Role.MEMBER)
        works.drain()
        assert again(works, linked).orphaned_at is None

    def test_a_successor_links_it_again_and_it_keeps_its_id(
        self, works: Works, vendor: Vendor, linked: Connection
    ) -> None:
        remove(works, works.alice)
        with works.inside():
            left = Connection.objects.get()
        works.alice = works.admin  # who presses the button now
        link_by_consent(works, vendor, relink=left, consumer_id=left.consumer_id)
        after = again(works, linked)
        assert after.id == linked.id
        assert after.granted_by_id == works.admin.id
        assert after.orphaned_at is None
        assert "owner_left" not in open_notices(works, linked)


def lose_one(works: Works, vendor: Vendor) -> Workspace:
    """All workspaces are chosen, and Dana is no member of the first any more."""
    with works.inside():
        Workspace.objects.update(selected=True)
        first, *rest = Workspace.objects.order_by("slug")
    assert rest
    vendor.order("/members", workspace=first.slug, user="dana", permission=None)
    return first


class TestLosingAccessAtTheVendor:
    def test_who_reaches_no_chosen_workspace_any_more_is_flagged(
        self, works: Works, vendor: Vendor, linked: Connection
    ) -> None:
        with works.inside():
            chosen = list(Workspace.objects.values_list("slug", flat=True))
            Workspace.objects.update(selected=True)
        for slug in chosen:
            vendor.order("/members", workspace=slug, user="dana", permission=None)
        assert verified(works, linked).orphaned_at is not None
        assert "owner_left" in open_notices(works, linked)

    def test_one_chosen_workspace_is_enough_and_is_named(
        self, works: Works, vendor: Vendor, linked: Connection
    ) -> None:
        lost = lose_one(works, vendor)
        assert verified(works, linked).orphaned_at is not None
        with works.inside():
            body = Notice.objects.get(kind="owner_left").body
        assert f"no longer reaches {lost.name} at the vendor" in body

    def test_what_was_not_chosen_is_nobodys_loss(
        self, works: Works, vendor: Vendor, linked: Connection
    ) -> None:
        lost = lose_one(works, vendor)
        with works.inside():
            Workspace.objects.filter(id=lost.id).update(selected=False)
        assert verified(works, linked).orphaned_at is None

    def test_what_was_gone_before_a_new_link_is_not_asked_of_who_made_it(
        self, works: Works, vendor: Vendor, linked: Connection
    ) -> None:
        lose_one(works, vendor)
        left = verified(works, linked)
        link_by_consent(works, vendor, relink=left, consumer_id=left.consumer_id)
        assert verified(works, linked).orphaned_at is None

    def test_access_that_comes_back_ends_it(
        self, works: Works, vendor: Vendor, linked: Connection
    ) -> None:
        with works.inside():
            chosen = list(Workspace.objects.values_list("slug", flat=True))
            Workspace.objects.update(selected=True)
        for slug in chosen:
            vendor.order("/members", workspace=slug, user="dana", permission=None)
        verified(works, linked)
        for slug in chosen:
            vendor.order("/members", workspace=slug, user="dana", permission="member")
        assert verified(works, linked).orphaned_at is None
        assert "owner_left" not in open_notices(works, linked)


class TestThePageBefore:
    def test_it_names_what_rests_on_the_person(
        self, works: Works, linked: Connection, client: Client
    ) -> None:
        client.force_login(User.objects.get(id=works.admin.id))
        with works.inside():
            membership = Membership.objects.get(user_id=works.alice.id)
        page = client.get(reverse("departure", args=["acme", membership.id])).content.decode()
        assert "1 connection acts by this person" in page
        assert linked.name in page
        assert reverse("connection_relink", args=["acme", linked.id]) in page

    def test_who_granted_nothing_leaves_nothing_behind(
        self, works: Works, linked: Connection, client: Client
    ) -> None:
        client.force_login(User.objects.get(id=works.admin.id))
        with works.inside():
            membership = Membership.objects.get(user_id=works.admin.id)
        page = client.get(reverse("departure", args=["acme", membership.id])).content.decode()
        assert "No connection rests on this person" in page
