"""The pages of members, teams, settings and record: works · signed out · wrong role · next door."""

from __future__ import annotations

import re
from uuid import uuid4

import pytest
from django.urls import reverse

from portal import people, queries, teams
from portal.audit import Action
from portal.models import Membership, Team
from portal.policy import DEEDS, Permission, Role, TeamRole
from portal.refused import Impossible
from tests.cases import Cast, recorded
from tests.factories import make_user

PAGES = ("members", "teams", "organization_settings", "audit")
FORMS = {
    "member_invite": {"email": "new@acme.example", "role": "member"},
    "team_create": {"name": "Web"},
    "organization_rename": {"name": "Acme Two"},
    "organization_transfer": {"heir": "", "confirm_name": "Acme"},
    "audit_verify": {},
}


def url(name: str, *more: object) -> str:
    return reverse(name, args=["acme", *more])


class TestWhoSeesWhat:
    def test_each_role_gets_what_the_policy_says(self, cast: Cast) -> None:
        found = {
            (name, page): cast.client(name).get(url(page)).status_code
            for name in ("owen", "ada", "alice", "bob", "audrey")
            for page in PAGES
        }

        assert {key for key, status in found.items() if status == 403} == {("bob", "audit")}
        assert set(found.values()) == {200, 403}

    def test_T01_a_stranger_sees_no_page_and_sends_no_form(self, cast: Cast) -> None:
        for name in ("mallory", "nina", "olga", "sam"):
            client = cast.client(name)
            for page in PAGES:
                assert client.get(url(page)).status_code == 404, (name, page)
            for page, fields in FORMS.items():
                assert client.post(url(page), fields).status_code == 404, (name, page)

        assert cast.record(cast.acme)[-1].action == Action.MEMBER_JOINED

    def test_T01_signed_out_one_is_asked_to_sign_in(self, cast: Cast) -> None:
        client = cast.client()

        for page in PAGES:
            assert client.get(url(page)).url.startswith("/accounts/login/")
        for page in FORMS:
            assert client.post(url(page)).status_code == 302

    def test_T01_a_removed_member_is_a_stranger_at_once(self, cast: Cast) -> None:
        client = cast.client("bob")
        assert client.get(url("members")).status_code == 200

        with cast.inside():
            people.remove_member(actor=cast.actor("owen"), membership_id=cast.membership("bob").id)

        assert client.get(url("members")).status_code == 404

    def test_a_member_who_sends_an_admins_form_is_refused_on_record(self, cast: Cast) -> None:
        answer = cast.client("bob").post(url("team_create"), {"name": "Web", "key": str(uuid4())})

        assert answer.status_code == 403
        refused = recorded(cast, Action.ACCESS_REFUSED, cast.acme)
        assert refused.actor_name == "Bob"
        assert refused.details["page"] == "o/<slug:organization_slug>/teams/new/"

    @pytest.mark.parametrize(
        ("name", "page", "words", "who"),
        [
            ("bob", "member_invite", "invite people", "An owner or an admin of Acme"),
            ("ada", "organization_transfer", "give this organization", "An owner of Acme"),
        ],
    )
    def test_a_refusal_says_what_is_missing_and_who_can_change_it(
        self, cast: Cast, name: str, page: str, words: str, who: str
    ) -> None:
        answer = cast.client(name).post(url(page), FORMS[page]).content.decode()

        assert f"Your role does not let you {words}" in answer
        assert f"{who} can change your role." in answer

    def test_every_permission_has_words(self) -> None:
        assert set(DEEDS) == set(Permission)

    def test_T02_an_id_from_next_door_does_not_exist(self, cast: Cast) -> None:
        foreign = cast.membership("mallory", cast.globex).id
        client = cast.client("owen")

        for name in ("member", "member_remove", "invitation_revoke", "team", "team_remove"):
            answer = client.post(url(name, foreign), {"role": "member"})
            assert answer.status_code == 404, name
        assert cast.role("mallory", cast.globex) == Role.OWNER

    def test_F01_a_form_without_its_token_changes_nothing_and_is_on_record(
        self, cast: Cast
    ) -> None:
        client = cast.client("ada", enforce_csrf_checks=True)

        answer = client.post(url("organization_rename"), {"name": "Forged"})

        assert answer.status_code == 403
        assert "Nothing was changed" in answer.content.decode()
        assert recorded(cast, Action.ACCESS_REFUSED, cast.acme).actor_name == "Ada"


class TestMembersPage:
    def test_it_searches_filters_and_sorts(self, cast: Cast) -> None:
        client = cast.client("bob")

        def names(query: str) -> list[str]:
            page = client.get(f"{url('members')}?{query}").content.decode()
            return re.findall(r'<span dir="auto">(\w+)</span>', page)

        assert names("") == ["Ada", "Alice", "Audrey", "Bob", "Owen"]
        assert names("sort=-name")[0] == "Owen"
        assert names("q=AL") == ["Alice"]
        assert names("role=auditor") == ["Audrey"]
        assert names("q=nobody") == []

    @pytest.mark.parametrize("wildcard", ["%", "_", "\\", "%25"])
    def test_X24_wildcards_mean_themselves(self, cast: Cast, wildcard: str) -> None:
        page = cast.client("bob").get(url("members"), {"q": wildcard})

        assert "Nobody matches" in page.content.decode()

    @pytest.mark.parametrize("query", ["sort=password", "sort=user__password", "role=root"])
    def test_F15_sort_and_filter_take_their_own_words_only(self, cast: Cast, query: str) -> None:
        assert cast.client("bob").get(f"{url('members')}?{query}").status_code == 400

    @pytest.mark.parametrize("cursor", ["0", "-1", "NaN", "x" * 5000, "a:b:c"])
    def test_F14_a_forged_cursor_is_refused(self, cast: Cast, cursor: str) -> None:
        assert cast.client("bob").get(url("members"), {"cursor": cursor}).status_code == 400

    def test_F14_next_doors_cursor_is_refused(self, cast: Cast) -> None:
        with cast.inside():
            crew = [make_user(f"m{number}@acme.example") for number in range(60)]
            Membership.objects.bulk_create(
                [
                    Membership(organization_id=cast.acme.id, user=one, role=Role.MEMBER)
                    for one in crew
                ]
            )
            cursor = queries.members().next

        assert cast.client("bob").get(url("members"), {"cursor": cursor}).status_code == 200
        foreign = reverse("members", args=["globex"])
        assert cast.client("mallory").get(foreign, {"cursor": cursor}).status_code == 400

    def test_pages_go_forward_and_back_without_gap_or_repeat(self, cast: Cast) -> None:
        with cast.inside():
            crew = [make_user(f"m{number:03}@acme.example") for number in range(120)]
            Membership.objects.bulk_create(
                [
                    Membership(organization_id=cast.acme.id, user=one, role=Role.MEMBER)
                    for one in crew
                ]
            )
            forward, at = [], ""
            while True:
                page = queries.members(at=at)
                forward += [row.user.email for row in page.rows]
                if not page.next:
                    break
                at = page.next
            back = queries.members(at=page.previous)

        assert len(forward) == len(set(forward)) == 125
        assert [row.user.email for row in back.rows] == forward[50:100]

    def test_the_link_of_an_invitation_is_shown_once(self, cast: Cast) -> None:
        client, fields = cast.client("ada"), {"email": "new@acme.example", "role": "member"}
        fields["key"] = str(uuid4())

        first = client.post(url("member_invite"), fields).content.decode()
        again = client.post(url("member_invite"), fields).content.decode()

        assert "/invitations/" in first
        assert "shown only now" not in again
        assert "This address is invited" in again

    def test_an_address_that_takes_a_form_leads_back_when_it_is_only_opened(
        self, cast: Cast
    ) -> None:
        client = cast.client("owen")

        for name, page in (
            ("member_invite", "members"),
            ("team_create", "teams"),
            ("organization_rename", "organization_settings"),
            ("organization_transfer", "organization_settings"),
        ):
            assert client.get(url(name)).url == url(page)

    def test_T08_the_form_offers_no_role_above_ones_own(self, cast: Cast) -> None:
        client = cast.client("ada")
        fields = {"email": "new@acme.example", "role": "owner", "key": str(uuid4())}

        assert (
            'value="owner"'
            not in client.get(url("members") + "#invite").content.decode().split('id="invite"')[1]
        )
        assert client.post(url("member_invite"), fields).status_code == 400

    def test_a_role_is_changed_and_a_member_removed(self, cast: Cast) -> None:
        client, bob = cast.client("ada"), cast.membership("bob").id

        client.post(url("member", bob), {"role": "auditor"})
        assert cast.role("bob") == Role.AUDITOR
        for typed in ({}, {"confirm_name": "bob"}):
            client.post(url("member_remove", bob), typed)
            assert cast.role("bob") == Role.AUDITOR
        client.post(url("member_remove", bob), {"confirm_name": "Bob"})
        assert cast.role("bob") is None

    def test_X19_names_are_literal_and_keep_their_direction(self, cast: Cast) -> None:
        cast["bob"].name = "مُصطفى <b>"
        cast["bob"].save()

        page = cast.client("ada").get(url("members")).content.decode()

        assert 'dir="auto">مُصطفى &lt;b&gt;</a>' in page


class TestTeams:
    def make(self, cast: Cast, name: str, parent: Team | None = None) -> Team:
        with cast.inside():
            return teams.create_team(
                actor=cast.actor("ada"),
                name=name,
                key=uuid4(),
                parent_id=parent.id if parent else None,
            )

    def test_they_form_a_tree(self, cast: Cast) -> None:
        division = self.make(cast, "Division")
        self.make(cast, "Web", division)
        self.make(cast, "Accounting")

        with cast.inside():
            lines = [(line.team.name, line.above) for line in queries.team_tree()]

        assert lines == [("Accounting", ""), ("Division", ""), ("Web", "Division")]

    def test_none_lies_under_itself(self, cast: Cast) -> None:
        division = self.make(cast, "Division")
        web = self.make(cast, "Web", division)

        with pytest.raises(Impossible), cast.inside():
            teams.change_team(
                actor=cast.actor("ada"), team_id=division.id, name="Division", parent_id=web.id
            )

    def test_one_with_teams_under_it_stays(self, cast: Cast) -> None:
        division = self.make(cast, "Division")
        self.make(cast, "Web", division)
        client = cast.client("ada")

        client.post(url("team_remove", division.id))

        with cast.inside():
            assert Team.objects.filter(id=division.id).exists()
        assert Action.TEAM_REMOVED not in cast.actions(cast.acme)

    def test_T03_a_parent_from_next_door_is_refused(self, cast: Cast) -> None:
        with cast.inside(cast.globex):
            foreign = teams.create_team(actor=cast.actor("mallory"), name="Theirs", key=uuid4())

        answer = cast.client("ada").post(
            url("team_create"), {"name": "Web", "parent": str(foreign.id), "key": str(uuid4())}
        )

        assert answer.status_code == 400
        with pytest.raises(Team.DoesNotExist), cast.inside():
            teams.create_team(
                actor=cast.actor("ada"), name="Web", key=uuid4(), parent_id=foreign.id
            )

    def test_people_are_added_changed_and_taken_out(self, cast: Cast) -> None:
        team, client = self.make(cast, "Web"), cast.client("ada")

        for role in TeamRole.values:
            client.post(
                url("team_member_set", team.id), {"email": "Bob@acme.example", "role": role}
            )
        page = client.get(url("team", team.id)).content.decode()
        assert "bob@acme.example" in page
        assert "1 person" in page
        client.post(url("team_member_remove", team.id, cast.membership("bob").id))

        assert "Nobody is in this team yet" in client.get(url("team", team.id)).content.decode()

    def test_a_stranger_is_not_added(self, cast: Cast) -> None:
        team = self.make(cast, "Web")

        answer = cast.client("ada").post(
            url("team_member_set", team.id), {"email": "mallory@globex.example", "role": "reader"}
        )

        assert answer.status_code == 400
        assert "Nobody in this organization" in answer.content.decode()


class TestSettings:
    def test_it_is_left_by_typing_its_name(self, cast: Cast) -> None:
        client = cast.client("bob")

        client.post(url("organization_leave"), {"confirm_name": "acme"})
        assert cast.role("bob") == Role.MEMBER
        client.post(url("organization_leave"), {"confirm_name": "Acme"})
        assert cast.role("bob") is None

    def test_the_last_owner_is_told_what_to_do_instead(self, cast: Cast) -> None:
        page = cast.client("owen").get(url("organization_settings")).content.decode()

        assert "You are its only owner" in page

    def test_T15_ownership_is_given_away_after_a_new_proof(self, cast: Cast) -> None:
        cast["owen"].set_password("tractor-lantern-2026")
        cast["owen"].save()
        client = cast.client("owen")
        fields = {"heir": str(cast.membership("ada").id), "confirm_name": "Acme"}

        asked = client.post(url("organization_transfer"), fields)
        assert asked.url == "/accounts/reauthenticate/?next=%2Fo%2Facme%2Fsettings%2F"
        assert cast.role("ada") == Role.ADMIN
        back = client.post(asked.url, {"password": "tractor-lantern-2026"})
        assert back.url == url("organization_settings")
        client.post(url("organization_transfer"), fields)

        assert (cast.role("ada"), cast.role("owen")) == (Role.OWNER, Role.ADMIN)

    def test_T15_an_owner_is_made_or_invited_after_a_new_proof(self, cast: Cast) -> None:
        cast["owen"].set_password("tractor-lantern-2026")
        cast["owen"].save()
        client, ada = cast.client("owen"), cast.membership("ada").id
        eve = {"email": "eve@acme.example", "role": "owner", "key": str(uuid4())}

        asked = client.post(url("member_invite"), eve)
        assert asked.url.startswith("/accounts/reauthenticate/?")
        with cast.inside():
            assert not queries.waiting_invitations()
        asked = client.post(url("member", ada), {"role": "owner"})
        assert cast.role("ada") == Role.ADMIN
        back = client.post(asked.url, {"password": "tractor-lantern-2026"})
        assert back.url == url("member", ada)
        client.post(url("member", ada), {"role": "owner"})

        assert cast.role("ada") == Role.OWNER


class TestAuditPage:
    def test_deeds_read_as_sentences(self, cast: Cast) -> None:
        page = cast.client("audrey").get(url("audit")).content.decode()
        text = re.sub(r"\s+", " ", re.sub("<[^>]+>", "", page))

        assert "Owen invited bob@acme.example" in text
        assert "Bob joined" in text
        assert "verified to #9" in text

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ("who=bob", 1),
            ("about=bob@", 1),
            ("action=member.invited", 4),
            ("q=audrey", 2),
            ("since=2020-01-01&until=2020-12-31", 0),
            ("until=2999-01-01", 9),
        ],
    )
    def test_it_is_narrowed(self, cast: Cast, query: str, expected: int) -> None:
        page = cast.client("audrey").get(f"{url('audit')}?{query}").content.decode()

        assert page.count('data-label="Entry"') == expected

    @pytest.mark.parametrize(
        "query", ["since=yesterday", "action=rm", "subject=1", "cursor=9", "who=a&who=b", "q=%00"]
    )
    def test_F08_F14_what_is_no_filter_is_refused(self, cast: Cast, query: str) -> None:
        assert cast.client("audrey").get(f"{url('audit')}?{query}").status_code == 400

    def test_the_whole_chain_is_walked_when_asked(self, cast: Cast) -> None:
        page = cast.client("audrey").post(url("audit_verify"), follow=True)

        assert "All 9 entries fit" in page.content.decode()
