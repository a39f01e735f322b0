"""The two fences of tenancy are independent, and together they equal a simple model.

One fence is taken away at a time, and the other one still holds. Random work of three tenants
leaves each of them seeing exactly what a dictionary says they should.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest
from django.apps import apps
from django.db import DatabaseError, connections
from hypothesis import HealthCheck, given, settings, strategies as st

from connections.models import Connection, Consumer
from portal import roles, tenancy
from portal.models import Organization, Team
from portal.tenancy import TenantModel, TenantNotSet
from tests import catalogue
from tests.catalogue import TENANTS
from tests.servers import Servers
from tests.works import Works

MODELS: list[Any] = [m for m in apps.get_models() if issubclass(m, TenantModel)]
ALIAS = dict(zip(TENANTS, ("default", "api", "worker"), strict=True))
SEES = {"portal_app": 15, "portal_api": 3, "portal_worker": 15}  # of A's rows, at least
A, B = uuid4(), uuid4()


@pytest.fixture
def planted(db: None, servers: Servers) -> catalogue.Admin:
    """An administrator's connection to this test's database, where every table has rows."""
    name = connections["default"].settings_dict["NAME"]
    with servers.postgres.connect(name) as admin:
        catalogue.relax(admin)
        for organization in (A, B):
            catalogue.plant(admin, organization)
        return admin


def may_read(model: Any) -> bool:
    """Whether the role that speaks now was granted this table at all."""
    with roles.connection().cursor() as cursor:
        cursor.execute("SELECT has_table_privilege(%s, 'SELECT')", [model._meta.db_table])
        return bool(cursor.fetchone()[0])


@pytest.mark.parametrize("role", TENANTS)
class TestOneFenceGone:
    def test_row_security_holds_without_the_manager(
        self, role: str, planted: catalogue.Admin
    ) -> None:
        """`everywhere` has no filter; it shows A's row (and the platform's) and never B's."""
        seen = 0
        with roles.using_role(ALIAS[role]):
            for model in filter(may_read, MODELS):
                with tenancy.acting_for(A), tenancy.transaction():
                    found = set(model.everywhere.values_list("organization_id", flat=True))
                assert B not in found, model
                assert found <= {A, tenancy.PLATFORM}
                seen += A in found
                with pytest.raises(DatabaseError):
                    list(model.everywhere.all())
        assert seen >= SEES[role]

    def test_the_manager_holds_without_row_security(
        self, role: str, planted: catalogue.Admin, servers: Servers
    ) -> None:
        name = connections["default"].settings_dict["NAME"]
        with servers.postgres.connect(name) as admin:
            for table in catalogue.tables(admin).tenant:
                admin.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY".encode())
        with roles.using_role(ALIAS[role]):
            for model in filter(may_read, MODELS):
                with pytest.raises(TenantNotSet):
                    model.objects.count()
                with tenancy.acting_for(A), tenancy.transaction():
                    found = set(model.objects.values_list("organization_id", flat=True))
                    assert found <= {A}, model
                    everyone = set(model.everywhere.values_list("organization_id", flat=True))
                assert B in everyone, "row security is really off"


# ── Random work against a model ───────────────────────────────────────────────────────────────

TENANT = st.integers(0, 2)
STEP = st.one_of(
    st.tuples(st.just("create"), TENANT, st.integers(0, 6)),
    st.tuples(st.just("rename"), TENANT, TENANT, st.integers(0, 20)),
    st.tuples(st.just("delete"), TENANT, TENANT, st.integers(0, 20)),
    st.tuples(st.just("smuggle"), TENANT, TENANT),
    st.tuples(st.just("move"), TENANT, TENANT, st.integers(0, 20)),
)


class Neighbours:
    """Three tenants who write teams, each also trying at the others' rows, and what they expect."""

    def __init__(self) -> None:
        self.tenants = [Organization(slug=f"t-{uuid4().hex[:12]}", name="T") for _ in range(3)]
        self.expected: list[dict[UUID, str]] = [{}, {}, {}]
        self.count = 0
        for one in self.tenants:
            with tenancy.acting_for(one), tenancy.transaction():
                one.save(force_insert=True)

    def name(self) -> str:
        self.count += 1
        return f"team {self.count}"

    def pick(self, owner: int, number: int) -> UUID:
        """One of the owner's rows, or one that nobody has."""
        ids = sorted(self.expected[owner])
        return ids[number % len(ids)] if ids else uuid4()

    def create(self, who: int, _number: int) -> None:
        with tenancy.acting_for(self.tenants[who]), tenancy.transaction():
            made = Team.objects.create(name=self.name())
        self.expected[who][made.id] = made.name

    def rename(self, who: int, owner: int, number: int) -> None:
        target, name = self.pick(owner, number), self.name()
        with tenancy.acting_for(self.tenants[who]), tenancy.transaction():
            changed = Team.everywhere.filter(id=target).update(name=name)
        assert changed == (1 if target in self.expected[who] else 0)
        if changed:
            self.expected[who][target] = name

    def delete(self, who: int, owner: int, number: int) -> None:
        target = self.pick(owner, number)
        with tenancy.acting_for(self.tenants[who]), tenancy.transaction():
            gone, _ = Team.everywhere.filter(id=target).delete()
        assert bool(gone) == (target in self.expected[who])
        self.expected[who].pop(target, None)

    def smuggle(self, who: int, owner: int) -> None:
        """Create a row in somebody's name."""
        made = Team(organization_id=self.tenants[owner].id, name=self.name())
        self._allowed_only_at_home(who, owner, lambda: made.save(force_insert=True))
        if who == owner:
            self.expected[who][made.id] = made.name

    def move(self, who: int, owner: int, number: int) -> None:
        """Give one's own row to somebody."""
        target, new = self.pick(who, number), self.tenants[owner].id
        if target in self.expected[who]:
            found = Team.everywhere.filter(id=target)
            self._allowed_only_at_home(who, owner, lambda: found.update(organization_id=new))

    def _allowed_only_at_home(self, who: int, owner: int, deed: Any) -> None:
        if who == owner:
            with tenancy.acting_for(self.tenants[who]), tenancy.transaction():
                deed()
            return
        with (
            pytest.raises(DatabaseError),
            tenancy.acting_for(self.tenants[who]),
            tenancy.transaction(),
        ):
            deed()

    def compare(self) -> None:
        for who, tenant in enumerate(self.tenants):
            with tenancy.acting_for(tenant), tenancy.transaction():
                assert dict(Team.objects.values_list("id", "name")) == self.expected[who]
                assert dict(Team.everywhere.values_list("id", "name")) == self.expected[who]


@settings(
    max_examples=100,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=st.lists(STEP, min_size=20, max_size=60))
def test_each_tenant_sees_what_the_model_says(db: None, steps: list[tuple[Any, ...]]) -> None:
    neighbours = Neighbours()
    for deed, *choices in steps:
        getattr(neighbours, deed)(*choices)
    neighbours.compare()


# ── Teams narrow what is seen, in the database too ────────────────────────────────────────────


class TestTeams:
    def make(self, works: Works) -> tuple[Team, Team]:
        with works.inside():
            red, blue = (Team.objects.create(name=name) for name in ("Red", "Blue"))
            for team in (None, red, blue):
                name = str(team or "Default")
                Connection.objects.create(name=name, team=team, connector="c", account_id=name)
        return red, blue

    def names(self, works: Works, teams: list[UUID] | None) -> set[str]:
        with tenancy.acting_for(works.acme, teams=teams), tenancy.transaction():
            managed = set(Connection.objects.values_list("name", flat=True))
            assert managed == set(Connection.everywhere.values_list("name", flat=True))
            return managed

    def test_a_team_sees_its_own_and_the_default(self, works: Works) -> None:
        red, blue = self.make(works)

        assert self.names(works, None) == {"Default", "Red", "Blue"}
        assert self.names(works, [red.id]) == {"Default", "Red"}
        assert self.names(works, [red.id, blue.id]) == {"Default", "Red", "Blue"}
        assert self.names(works, []) == {"Default"}

    def test_another_teams_connection_cannot_be_touched_or_taken(self, works: Works) -> None:
        red, blue = self.make(works)
        with tenancy.acting_for(works.acme, teams=[red.id]), tenancy.transaction():
            assert Connection.everywhere.filter(name="Blue").update(labels=["x"]) == 0
            assert Connection.everywhere.filter(team_id=blue.id).delete()[0] == 0
        for deed in (
            lambda: Connection.objects.filter(name="Red").update(team_id=blue.id),
            lambda: Connection.objects.create(name="n", team_id=blue.id, account_id="n"),
        ):
            with (
                pytest.raises(DatabaseError),
                tenancy.acting_for(works.acme, teams=[red.id]),
                tenancy.transaction(),
            ):
                deed()


def test_a_connection_cannot_reach_a_strangers_consumer(works: Works) -> None:
    """The one plain key between tenant tables: the foreign row is not visible, so nothing opens."""
    other = works.organization("globex")
    with works.inside(other):
        theirs = Consumer.objects.create(connector="c", name="Theirs", client_id="key")
    with works.inside():
        made = Connection.objects.create(name="n", connector="c", consumer_id=theirs.id)
    with works.inside(), pytest.raises(Consumer.DoesNotExist):
        _ = Connection.objects.get(id=made.id).consumer


def test_a_scope_ends_with_its_transaction(works: Works) -> None:
    """A pooled connection that served Acme shows nothing to whoever forgets to enter."""
    with works.inside():
        assert Team.objects.count() == 0
        Team.objects.create(name="Left behind")
    with pytest.raises(DatabaseError):
        list(Team.everywhere.all())
    with pytest.raises(RuntimeError), works.inside():
        raise RuntimeError
    with pytest.raises(DatabaseError):
        list(Team.everywhere.all())


def test_scopes_do_not_nest(works: Works) -> None:
    other = works.organization("globex")
    with works.inside(), pytest.raises(tenancy.ScopeNested), tenancy.acting_for(other):
        pass
    with works.inside(), pytest.raises(tenancy.ScopeNested), tenancy.elsewhere(other):
        pass
