"""Organizations and their members: making, roles, leaving, and the owner that always stays."""

from __future__ import annotations

import threading
from uuid import uuid4

import pytest
from django.core.exceptions import PermissionDenied
from django.db import connections

from portal import people, tenancy
from portal.audit import Action
from portal.models import Invitation, Membership, Organization, TeamMembership
from portal.policy import Role, TeamRole
from portal.refused import Impossible, NotGrantable
from portal.teams import create_team, set_team_member
from tests.cases import Cast, recorded
from tests.factories import make_invitation, make_organization


class TestMakingAnOrganization:
    def test_the_maker_owns_it_and_it_is_on_record(self, cast: Cast) -> None:
        made = make_organization(cast["nina"], "Initech Works")

        assert made.slug == "initech-works"
        assert cast.role("nina", made) == Role.OWNER
        assert cast.actions(made) == [Action.ORGANIZATION_CREATED]

    def test_F03_the_same_form_sent_twice_makes_one(self, cast: Cast) -> None:
        key = uuid4()

        first, second = (
            people.create_organization(actor=cast.actor("nina"), name="Initech", key=key)
            for _ in range(2)
        )

        assert first.id == second.id
        assert cast.actions(first) == [Action.ORGANIZATION_CREATED]

    def test_F03_the_same_form_sent_twenty_times_at_once_makes_one(self, cast: Cast) -> None:
        key, actor, made = uuid4(), cast.actor("nina"), []

        def send() -> None:
            made.append(people.create_organization(actor=actor, name="Initech", key=key).id)
            connections.close_all()

        threads = [threading.Thread(target=send) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert len(made) == 20
        assert len(set(made)) == 1

    def test_another_person_with_the_same_key_gets_their_own(self, cast: Cast) -> None:
        key = uuid4()
        mine = people.create_organization(actor=cast.actor("nina"), name="Initech", key=key)

        other = people.create_organization(actor=cast.actor("bob"), name="Initech", key=key)

        assert other.id != mine.id
        assert cast.role("bob", mine) is None

    @pytest.mark.parametrize("name", ["Acme", "Platform", "Support", "شركة", "!!!"])
    def test_a_taken_reserved_or_unspellable_name_gets_a_free_address(
        self, cast: Cast, name: str
    ) -> None:
        made = make_organization(cast["nina"], name)

        assert made.name == name
        assert made.slug not in {"acme", "platform", "support", ""}


class TestRoles:
    def test_an_admin_makes_a_member_a_manager(self, cast: Cast) -> None:
        with cast.inside():
            people.change_role(
                actor=cast.actor("ada"), membership_id=cast.membership("bob").id, role=Role.MANAGER
            )

        assert cast.role("bob") == Role.MANAGER
        assert recorded(cast, Action.MEMBER_ROLE_CHANGED, cast.acme).details == {
            "before": "member",
            "after": "manager",
        }

    @pytest.mark.parametrize("name", ["alice", "bob", "audrey", "mallory", "olga", "sam", "nina"])
    def test_who_is_no_admin_changes_no_role(self, cast: Cast, name: str) -> None:
        bob = cast.membership("bob").id

        with pytest.raises(PermissionDenied), cast.inside():
            people.change_role(actor=cast.actor(name), membership_id=bob, role=Role.ADMIN)

        assert cast.role("bob") == Role.MEMBER

    def test_T08_an_admin_neither_makes_nor_unmakes_owners(self, cast: Cast) -> None:
        bob, owen = cast.membership("bob").id, cast.membership("owen").id

        with pytest.raises(NotGrantable), cast.inside():
            people.change_role(actor=cast.actor("ada"), membership_id=bob, role=Role.OWNER)
        with pytest.raises(NotGrantable), cast.inside():
            people.change_role(actor=cast.actor("ada"), membership_id=owen, role=Role.MEMBER)
        with pytest.raises(NotGrantable), cast.inside():
            people.remove_member(actor=cast.actor("ada"), membership_id=owen)

        assert (cast.role("bob"), cast.role("owen")) == (Role.MEMBER, Role.OWNER)

    def test_T09_the_last_owner_neither_steps_down_nor_leaves(self, cast: Cast) -> None:
        owen = cast.membership("owen").id

        with pytest.raises(Impossible), cast.inside():
            people.change_role(actor=cast.actor("owen"), membership_id=owen, role=Role.ADMIN)
        with pytest.raises(Impossible), cast.inside():
            people.leave(actor=cast.actor("owen"))
        with pytest.raises(Impossible), cast.inside():
            people.remove_member(actor=cast.actor("owen"), membership_id=owen)

        assert cast.role("owen") == Role.OWNER

    def test_T09_an_owner_who_cannot_sign_in_does_not_count(self, cast: Cast) -> None:
        with cast.inside():
            people.change_role(
                actor=cast.actor("owen"), membership_id=cast.membership("ada").id, role=Role.OWNER
            )
        cast["ada"].is_active = False
        cast["ada"].save()

        with pytest.raises(Impossible), cast.inside():
            people.leave(actor=cast.actor("owen"))

    def test_T09_two_owners_who_step_down_at_once_leave_one(self, cast: Cast) -> None:
        ada, owen = cast.membership("ada").id, cast.membership("owen").id
        with cast.inside():
            people.change_role(actor=cast.actor("owen"), membership_id=ada, role=Role.OWNER)
        outcomes: list[str] = []
        both_are_in = threading.Barrier(2)

        def step_down(name: str, membership_id: object) -> None:
            try:
                with cast.inside():
                    both_are_in.wait()
                    people.change_role(
                        actor=cast.actor(name), membership_id=membership_id, role=Role.ADMIN
                    )
                outcomes.append("done")
            except Impossible:
                outcomes.append("refused")
            connections.close_all()

        threads = [
            threading.Thread(target=step_down, args=pair) for pair in (("ada", ada), ("owen", owen))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert sorted(outcomes) == ["done", "refused"]
        assert sorted([cast.role("ada"), cast.role("owen")]) == [Role.ADMIN, Role.OWNER]

    def test_T19_a_role_taken_away_counts_from_the_next_step(self, cast: Cast) -> None:
        ada = cast.actor("ada")
        with cast.inside():
            people.change_role(
                actor=cast.actor("owen"),
                membership_id=cast.membership("ada").id,
                role=Role.MEMBER,
            )

        with pytest.raises(PermissionDenied), cast.inside():
            people.rename_organization(actor=ada, name="Mine now")

    def test_T02_somebody_elses_membership_does_not_exist_here(self, cast: Cast) -> None:
        foreign = cast.membership("mallory", cast.globex).id

        with pytest.raises(Membership.DoesNotExist), cast.inside():
            people.change_role(actor=cast.actor("owen"), membership_id=foreign, role=Role.MEMBER)


class TestGoing:
    def test_who_is_removed_loses_teams_and_the_invitations_they_sent(self, cast: Cast) -> None:
        sent = make_invitation(cast.acme, cast["ada"], "new@acme.example")
        with cast.inside():
            team = create_team(actor=cast.actor("owen"), name="Web", key=uuid4())
            ada = cast.membership("ada").id
            set_team_member(
                actor=cast.actor("owen"), team_id=team.id, membership_id=ada, role=TeamRole.READER
            )

        with cast.inside():
            people.remove_member(actor=cast.actor("owen"), membership_id=ada)

        with cast.inside():
            assert not TeamMembership.objects.filter(user=cast["ada"]).exists()
            assert not Invitation.objects.get(id=sent.invitation.id).is_open
        assert cast.role("ada") is None
        assert recorded(cast, Action.MEMBER_REMOVED, cast.acme).subject_name == "Ada"

    def test_the_preview_names_what_changes(self, cast: Cast) -> None:
        make_invitation(cast.acme, cast["ada"], "new@acme.example")

        with cast.inside():
            losses = people.departure_preview(cast.membership("ada"))

        assert losses == ["1 open invitation is revoked."]

    def test_a_member_leaves_by_themselves(self, cast: Cast) -> None:
        with cast.inside():
            people.leave(actor=cast.actor("bob"))

        assert cast.role("bob") is None
        assert cast.last(cast.acme).action == Action.MEMBER_LEFT


class TestTransfer:
    def test_an_admin_becomes_the_owner_and_the_owner_an_admin(self, cast: Cast) -> None:
        with cast.inside():
            people.transfer_ownership(
                actor=cast.actor("owen"),
                membership_id=cast.membership("ada").id,
                confirm_name="Acme",
            )

        assert (cast.role("ada"), cast.role("owen")) == (Role.OWNER, Role.ADMIN)
        assert recorded(cast, Action.ORGANIZATION_TRANSFERRED, cast.acme).details["to"] == "Ada"

    @pytest.mark.parametrize(
        ("heir", "typed"), [("bob", "Acme"), ("ada", "acme"), ("owen", "Acme")]
    )
    def test_a_member_a_mistyped_name_or_oneself_is_refused(
        self, cast: Cast, heir: str, typed: str
    ) -> None:
        with pytest.raises(Impossible), cast.inside():
            people.transfer_ownership(
                actor=cast.actor("owen"),
                membership_id=cast.membership(heir).id,
                confirm_name=typed,
            )

        assert cast.role("owen") == Role.OWNER

    def test_an_admin_cannot_take_it(self, cast: Cast) -> None:
        with pytest.raises(PermissionDenied), cast.inside():
            people.transfer_ownership(
                actor=cast.actor("ada"),
                membership_id=cast.membership("ada").id,
                confirm_name="Acme",
            )


def test_a_renamed_organization_keeps_its_address(cast: Cast) -> None:
    with cast.inside():
        people.rename_organization(actor=cast.actor("ada"), name="Acme & Söhne")

    with tenancy.acting_for(cast.acme), tenancy.transaction():
        renamed = Organization.objects.get(id=cast.acme.id)
    assert (renamed.name, renamed.slug) == ("Acme & Söhne", "acme")
    assert recorded(cast, Action.ORGANIZATION_RENAMED, cast.acme).details == {"before": "Acme"}
