"""One connection for each account, name and default: who comes second reads why."""

from __future__ import annotations

import pytest

from connections.flows.problems import FlowProblem
from connections.models import PendingLink
from portal.models import Membership
from portal.policy import Role
from tests.connections.ways import a_team, prepare_token, sealed_for
from tests.vendor import Vendor
from tests.works import Works

Stage = PendingLink.Stage


class TestWhatIsTaken:
    def test_an_account_is_linked_once_and_says_where(self, works: Works, vendor: Vendor) -> None:
        works.link_by_token(vendor.token("dana-full"), name="First")
        second = works.link_by_token(
            vendor.token("dana-narrow"), name="Second", team_id=a_team(works)
        )

        assert (second.stage, second.error) == (Stage.FAILED, "account_taken")
        assert second.error_detail == "First"
        assert sealed_for(works, second.id) == []

    def test_the_name_of_another_teams_connection_is_not_told(
        self, works: Works, vendor: Vendor
    ) -> None:
        works.link_by_token(vendor.token("dana-full"), name="Hidden", team_id=a_team(works))
        with works.inside():
            Membership.objects.filter(user_id=works.alice.id).update(role=Role.MEMBER)
        second = works.link_by_token(vendor.token("dana-narrow"), name="Second")

        assert (second.error, second.error_detail) == ("account_taken", "")

    def test_two_links_of_one_name_leave_one(self, works: Works, vendor: Vendor) -> None:
        one = prepare_token(works, vendor.token("dana-full"), team_id=a_team(works))
        other = prepare_token(
            works, vendor.token("tomas-full"), fields={"email": "tomas@acme.example"}
        )
        works.drain()

        ends = {works.reloaded(one).error, works.reloaded(other).error}
        assert ends == {"", "name_taken"}

    def test_two_defaults_leave_one(self, works: Works, vendor: Vendor) -> None:
        one = prepare_token(works, vendor.token("dana-full"), name="One")
        other = prepare_token(
            works, vendor.token("tomas-full"), name="Two", fields={"email": "tomas@acme.example"}
        )
        works.drain()

        ends = {works.reloaded(one).error, works.reloaded(other).error}
        assert ends == {"", "default_taken"}

    def test_names_teams_and_defaults_are_checked_at_once(
        self, works: Works, vendor: Vendor
    ) -> None:
        works.link_by_token(vendor.token("dana-full"), name="Acme code")

        with pytest.raises(FlowProblem) as named:
            prepare_token(works, vendor.token("tomas-full"), name="acme CODE")
        with pytest.raises(FlowProblem) as default:
            prepare_token(works, vendor.token("tomas-full"), name="Other")
        assert (named.value.field, default.value.field) == ("name", "team")
