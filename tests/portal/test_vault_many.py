"""Many secrets sealed and opened at once keep every promise of one."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext

from portal import roles, vault, vault_many
from portal.models import SealedValue
from portal.secret import Secret
from portal.vault import Place
from tests.works import Works


def places(organization: UUID, count: int) -> list[Place]:
    return [Place(organization, "connections_credential", uuid4(), "refresh") for _ in range(count)]


@pytest.fixture
def at(works: Works) -> list[Place]:
    return places(works.acme.id, 50)


def test_what_is_kept_together_opens_together_and_alone(works: Works, at: list[Place]) -> None:
    kept = [(place, Secret(f"token-{place.row_id}")) for place in at]
    with roles.using_role("worker"), works.inside():
        vault_many.keep_many(kept)
        opened = vault_many.open_many(at)

        assert opened == dict(kept)
        assert vault.open(at[7]) == kept[7][1]


def test_fifty_cost_as_many_statements_as_one(works: Works, at: list[Place]) -> None:
    with roles.using_role("worker"), works.inside():
        vault_many.keep_many([(at[0], Secret("made before, with its data key"))])
        with CaptureQueriesContext(connections["worker"]) as asked:
            vault_many.keep_many([(place, Secret(f"token-{place.row_id}")) for place in at])
            vault_many.open_many(at)
    assert len(asked) == 4  # a data key and the values, twice


def test_what_was_there_is_replaced(works: Works, at: list[Place]) -> None:
    with roles.using_role("worker"), works.inside():
        vault.keep(at[0], Secret("an older token"))
        vault_many.keep_many([(at[0], Secret("a newer token"))])
        assert vault.open(at[0]) == Secret("a newer token")
        assert SealedValue.objects.filter(row_id=at[0].row_id).count() == 1


def test_one_that_does_not_open_leaves_the_others(works: Works, at: list[Place]) -> None:
    """A blob moved to another row opens nowhere; what is absent has no entry."""
    with roles.using_role("worker"), works.inside():
        vault_many.keep_many([(place, Secret(f"token-{place.row_id}")) for place in at[:3]])
        blob = SealedValue.objects.get(row_id=at[0].row_id).blob
        SealedValue.objects.filter(row_id=at[1].row_id).update(blob=blob)

        opened = vault_many.open_many(at[:4])

    assert opened[at[1]] is None
    assert opened[at[2]] == Secret(f"token-{at[2].row_id}")
    assert at[3] not in opened
