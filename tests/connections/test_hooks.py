"""What the ground floor's pages say of connections."""

from __future__ import annotations

from connections.lookups import connections_by_organization
from connections.models import Connection
from portal import people
from portal.models import Membership, User
from portal.policy import Role
from tests.works import Works


def test_a_departure_names_the_connections_that_rest_on_it(
    works: Works, account: Connection
) -> None:
    with works.inside():
        leaving = Membership.objects.get(user_id=works.alice.id)
        staying = Membership.objects.get(user_id=works.admin.id)
        assert any("Acme code" in sentence for sentence in people.departure_preview(leaving))
        assert people.departure_preview(staying) == []


def test_operators_count_connections_and_others_get_nothing(
    works: Works, account: Connection
) -> None:
    operator = works.person("olga@portal.example", "Olga", Role.MEMBER)
    User.objects.filter(id=operator.id).update(is_operator=True)

    assert operator.id is not None
    assert works.alice.id is not None
    assert connections_by_organization(operator.id) == {works.acme.id: 1}
    assert connections_by_organization(works.alice.id) == {}
