"""Rotation policies: what is due, the stricter of two, exceptions, and who is told when."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.db import connections
from django.test import Client
from django.test.utils import CaptureQueriesContext

from connections import registry
from connections.flows import link, policies, policy_settings, replacement, told_kinds
from connections.flows.policies import Rule
from connections.flows.problems import FlowProblem
from connections.models import Connection, Credential, RotationPolicy
from connections.queries import linking, policies as shown
from portal import clock, roles
from portal.models import Team, TeamMembership
from portal.policy import Actor, Role
from portal.secret import Secret
from tests.connections.due import heard, make, told, warn
from tests.connections.pages import signed_in, text
from tests.importing import CLOUD, checked, csv_of, rows_of
from tests.works import Works


@pytest.fixture(autouse=True)
def _real_time() -> Iterator[None]:
    yield
    clock.reset()


def general(works: Works, **asked: Any) -> None:
    with works.inside():
        policy_settings.set_general(actor=works.admin, rule=Rule(**asked))


def own(works: Works, connection: Connection, **asked: Any) -> None:
    with works.inside():
        policy_settings.set_own(actor=works.alice, connection=connection, rule=Rule(**asked))


def days_left(works: Works, connection: Connection) -> int | None:
    """In how many days its credential is due."""
    with works.inside():
        due = policies.due_by(connection)
    return None if due is None else round((due - clock.now()) / timedelta(days=1))


def a_team(works: Works) -> Any:
    with works.inside():
        return Team.objects.create(name="Web").id


def crowd(works: Works) -> tuple[Actor, Actor, Any]:
    """Bob, who administers a team, and Carl, who is in none; and the team."""
    bob = works.person("bob@acme.example", "Bob", Role.MEMBER)
    carl = works.person("carl@acme.example", "Carl", Role.MEMBER)
    team = a_team(works)
    with works.inside():
        TeamMembership.objects.create(team_id=team, user_id=bob.id, role="admin")
    return bob, carl, team


class TestWhatIsDue:
    @pytest.mark.parametrize(
        ("everybody", "its_own", "due"),
        [(None, None, None), (90, None, 80), (None, 30, 20), (90, 30, 20), (30, 90, 20)],
    )
    def test_the_stricter_of_two_holds(
        self, works: Works, everybody: int | None, its_own: int | None, due: int | None
    ) -> None:
        connection = make(works, age=10)
        general(works, max_age_days=everybody)
        own(works, connection, max_age_days=its_own)

        assert days_left(works, connection) == due
        with works.inside():
            asked = policies.rule_of(connection).max_age_days
        assert asked == min((d for d in (everybody, its_own) if d), default=None)

    def test_an_exception_leaves_its_own_part_and_ends(self, works: Works) -> None:
        connection = make(works, age=10)
        general(works, max_age_days=5, forbids_personal=True)
        own(works, connection, max_age_days=300)
        with works.inside():
            policy_settings.except_from(
                actor=works.admin,
                connection=connection,
                until=clock.now() + timedelta(days=20),
                because="The vendor migrates us in two weeks",
            )
        assert days_left(works, connection) == 290
        clock.shift(timedelta(days=21))
        assert days_left(works, connection) == -26

    def test_what_renews_itself_has_no_age_but_may_be_marked(self, works: Works) -> None:
        connection = make(works, method="oauth", age=400, credential={"refreshable": True})
        general(works, max_age_days=30)
        assert days_left(works, connection) is None
        with roles.using_role("worker"), works.inside():
            Credential.objects.update(rotate_by=clock.now() + timedelta(days=3))
        assert days_left(works, connection) == 3

    def test_only_what_acts_as_a_person_is_forbidden(self, works: Works) -> None:
        make(works, "Danas", method="api-token")
        make(works, "The workspaces", team_id=a_team(works))
        general(works, forbids_personal=True)
        with works.inside():
            ids = shown.violating("personal")
            names = list(Connection.objects.filter(id__in=ids).values_list("name", flat=True))
        assert names == ["Danas"]

    def test_what_is_forbidden_counts_among_what_would_be_hit(
        self, works: Works, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("connections.queries.policies.SHOWN", 1)
        make(works, "Old", method="api-token", age=100)
        make(works, "New", method="api-token", team_id=a_team(works))
        with works.inside():
            found = shown.simulate(Rule(max_age_days=90, forbids_personal=True), slug="acme")
        assert [one.name for one in found.hits] == ["Old"] and found.more == 1


class TestSetting:
    def test_admins_set_it_and_managers_make_their_own_stricter(self, works: Works) -> None:
        connection = make(works)
        with works.inside(), pytest.raises(PermissionDenied):
            policy_settings.set_general(actor=works.alice, rule=Rule(max_age_days=3))
        with works.inside(), pytest.raises(PermissionDenied):
            policy_settings.except_from(
                actor=works.alice,
                connection=connection,
                until=clock.now() + timedelta(days=1),
                because="Because",
            )
        own(works, connection, max_age_days=3)

    def test_what_asks_nothing_keeps_no_row(self, works: Works) -> None:
        general(works, max_age_days=30)
        general(works)
        with works.inside():
            assert not RotationPolicy.objects.exists()

    @pytest.mark.parametrize(
        ("field", "asked"),
        [
            ("max_age_days", {"max_age_days": 0}),
            ("escalate_after_days", {"escalate_after_days": 400}),
            ("told_roles", {"told_roles": ("king",)}),
        ],
    )
    def test_a_wish_that_cannot_be_names_its_field(
        self, works: Works, field: str, asked: dict[str, Any]
    ) -> None:
        with pytest.raises(FlowProblem) as problem:
            general(works, **asked)
        assert problem.value.field == field

    def test_only_members_can_be_told(self, works: Works) -> None:
        globex = works.organization("globex")
        stranger = works.person("mallory@globex.example", "Mallory", Role.OWNER, globex)
        with pytest.raises(FlowProblem):
            general(works, told_people=(stranger.id,))


class TestActingAsAPerson:
    TOKEN = "ATATT3xFfGF0aNeverGiven0001XyZ"

    def prepare(self, works: Works, **wish: Any) -> None:
        pending = works.begin(**wish)
        with works.inside():
            found = linking.ways(registry.get("bitbucket-cloud").manifest, pending)
        against = {w.method.key for w in found if policies.NOT_PERSONAL in " ".join(w.obstacles)}
        assert ("api-token" in against, "workspace-token" in against) == (not wish, False)
        with works.inside():
            link.prepare(
                actor=works.alice,
                pending=pending,
                method="api-token",
                name="Danas",
                team_id=None,
                consumer_id=None,
                fields={"email": "dana@acme.example"},
                secret=Secret(self.TOKEN),
            )

    def replace(self, works: Works, connection: Connection) -> None:
        with works.inside():
            replacement.hand_in(
                actor=works.alice,
                connection=connection,
                method="api-token",
                fields={"email": "dana@acme.example"},
                secret=Secret(self.TOKEN),
            )

    def test_it_is_refused_wherever_a_credential_comes_in(self, works: Works) -> None:
        general(works, forbids_personal=True)
        with pytest.raises(FlowProblem) as problem:
            self.prepare(works)
        assert problem.value.code == "personal" and "have the policy changed" in str(problem.value)

        connection = make(works, method="api-token")
        with pytest.raises(FlowProblem) as problem:
            self.replace(works, connection)
        assert problem.value.code == "personal" and "except this connection" in str(problem.value)

        cells = {"name": "Another", "email": "dana@acme.example", "token": self.TOKEN}
        batch = checked(works, csv_of([{"connector": CLOUD, "team": "", **cells}]))
        [found] = rows_of(works, batch)
        assert any("acts as a person" in one["text"] for one in found.findings)

    def test_an_exception_lets_it_be_linked_again_and_replaced(self, works: Works) -> None:
        connection = make(works, method="api-token", capabilities=["repositories-read"])
        general(works, forbids_personal=True)
        with works.inside():
            policy_settings.except_from(
                actor=works.admin,
                connection=connection,
                until=clock.now() + timedelta(days=20),
                because="They migrate us",
            )
        self.replace(works, connection)
        self.prepare(works, relink=connection)
        cells = {"name": "Acme code", "email": "dana@acme.example", "token": self.TOKEN}
        batch = checked(works, csv_of([{"connector": CLOUD, **cells}]), replaces=True)
        [found] = rows_of(works, batch)
        assert not any(one["field"] == "method" for one in found.findings)


class TestTelling:
    def test_it_is_told_in_time_then_overdue_then_higher_up(self, works: Works) -> None:
        bob = works.person("bob@acme.example", "Bob", Role.MEMBER)
        works.person("olive@acme.example", "Olive", Role.OWNER)
        connection = make(works, age=0)
        general(works, max_age_days=8, told_people=(bob.id,), escalate_after_days=3)
        for _ in range(13):
            warn()
            clock.shift(timedelta(days=1))

        due = told(works, told_kinds.ROTATION_DUE)
        assert [one.title for one in due] == [
            f"Replace the credential of Acme code within {left}"
            for left in ("8 days", "7 days", "a day")
        ]
        assert heard(works, due[0]) == {"Alice", "Ada", "Olive", "Bob"}
        [overdue] = told(works, told_kinds.ROTATION_OVERDUE)
        [higher] = told(works, told_kinds.ROTATION_ESCALATED)
        assert heard(works, higher) == {"Ada", "Olive"}
        assert overdue.url == f"/o/acme/connections/{connection.id}/credential"

    def test_another_credential_ends_it(self, works: Works) -> None:
        make(works, age=20)
        general(works, max_age_days=10)
        warn()
        with roles.using_role("worker"), works.inside():
            Credential.objects.update(created_at=clock.now())
        warn()

        assert told(works, told_kinds.ROTATION_OVERDUE)[0].resolved_at is not None

    def test_many_are_one_notice_for_each_place(
        self, works: Works, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Fifty connections take a while to make, so here two are many."""
        monkeypatch.setattr("connections.flows.expiry.MOST_OVERDUE", 1)
        bob, carl, team = crowd(works)
        make(works, "One", age=20, granted_by_id=carl.id), make(works, "Two", age=20, team_id=team)
        general(works, max_age_days=10, escalate_after_days=3, told_people=(bob.id,))
        warn()
        warn()

        assert told(works, told_kinds.ROTATION_OVERDUE) == []
        [notice] = told(works, told_kinds.ROTATION_MANY)
        assert notice.title == "2 credentials should have been replaced by now"
        assert heard(works, notice) == {"Alice", "Ada"}
        own = told(works, told_kinds.ROTATION_OWN)
        assert {one.title for one in own} == {"1 credential should have been replaced by now"}
        assert sorted(sorted(heard(works, one)) for one in own) == [["Bob"], ["Bob"], ["Carl"]]
        [higher] = told(works, told_kinds.ROTATION_ESCALATED)
        assert heard(works, higher) == {"Ada"}
        assert higher.title == "2 credentials have been overdue for too long"

    def test_what_is_due_on_one_day_is_told_together(
        self, works: Works, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("connections.flows.expiry.MOST_A_DAY", 1)
        clock.shift(clock.now().replace(hour=12, minute=0) - clock.now())
        _, carl, team = crowd(works)
        make(works, "One", ends_in=5, granted_by_id=carl.id)
        make(works, "Two", ends_in=5, team_id=team), make(works, "Three", age=9, team_id=team)
        general(works, max_age_days=30)
        warn()
        with CaptureQueriesContext(connections["worker"]) as queries:
            warn()
        assert not any("INSERT" in one["sql"] for one in queries.captured_queries)

        [all_of_them] = told(works, told_kinds.EXPIRES)
        assert all_of_them.title == "2 credentials expire within 5 days"
        assert heard(works, all_of_them) == {"Alice", "Ada"}
        own = told(works, told_kinds.ROTATION_OWN)
        assert sorted(sorted(heard(works, one)) for one in own) == [["Bob"], ["Carl"]]
        [due] = told(works, told_kinds.ROTATION_DUE)
        assert due.title == "Replace the credential of Three within 21 days"

    def test_a_team_is_not_talked_about_to_others(self, works: Works) -> None:
        bob = works.person("bob@acme.example", "Bob", Role.MEMBER)
        works.person("carl@acme.example", "Carl", Role.MEMBER)
        team = a_team(works)
        with works.inside():
            TeamMembership.objects.create(team_id=team, user_id=bob.id, role="reader")
        make(works, age=20, team_id=team)
        general(works, max_age_days=10, told_roles=("member",))
        warn()

        [notice] = told(works, told_kinds.ROTATION_OVERDUE)
        assert heard(works, notice) == {"Alice", "Ada", "Bob"}


class TestPages:
    @pytest.fixture
    def ada(self, works: Works) -> Client:
        client = signed_in(works.admin)
        session = client.session
        session.save()
        return client

    def test_whom_it_would_hit_is_shown_before_it_is_saved(self, works: Works, ada: Client) -> None:
        (
            make(works, "Old one", age=200),
            make(works, "Danas", method="api-token", team_id=a_team(works)),
        )
        wish = {"max_age_days": "90", "forbids_personal": "on", "escalate_after_days": ""}
        page = text(ada.post("/o/acme/settings/rotation/", wish))
        assert "Old one" in page and "Danas" in page and "Nothing is saved yet" in page
        with works.inside():
            assert not RotationPolicy.objects.exists()

        answer = ada.post("/o/acme/settings/rotation/", wish | {"confirm": "1"})
        assert answer.status_code == 303
        assert "within 90 days" in text(ada.get("/o/acme/settings/rotation/"))

    def test_a_wrong_number_stays_in_the_form(self, works: Works, ada: Client) -> None:
        answer = ada.post("/o/acme/settings/rotation/", {"max_age_days": "-4"})
        assert answer.status_code == 400 and b'value="-4"' in answer.content

    def test_a_connections_page_says_what_holds(self, works: Works, ada: Client) -> None:
        connection = make(works, age=200)
        general(works, max_age_days=90)
        base = f"/o/acme/connections/{connection.id}/rotation"
        assert "should have been replaced by now" in text(ada.get(base))

        until = f"{clock.now() + timedelta(days=9):%Y-%m-%d}"
        ada.post(f"{base}/except", {"until": until, "because": "They migrate us"})
        page = text(ada.get(base))
        assert "They migrate us" in page and "should have been replaced by now" not in page
        ada.post(f"{base}/except/end")
        assert "should have been replaced by now" in text(ada.get(base))

    def test_the_list_can_be_narrowed_to_what_is_overdue(self, works: Works, ada: Client) -> None:
        make(works, "Old one", age=200), make(works, "New one", age=1, team_id=a_team(works))
        general(works, max_age_days=90)
        page = text(ada.get("/o/acme/connections/?policy=overdue"))
        assert "Old one" in page and "New one" not in page
        assert ada.get("/o/acme/connections/?policy=nonsense").status_code == 400
