"""What waits for long is looked at more coarsely, nothing of it is lost, and operators know."""

from __future__ import annotations

from datetime import timedelta

from connections.budgets import Purpose
from connections.flows import applying, overload, told_kinds, told_rows, waking
from connections.models import Branch, Connection, Delivery, DirtyTarget, Repository
from portal import clock, roles, tenancy, work
from portal.models import Notice, User
from tests import scenes
from tests.connections.coding import SPACE, held, linked, slugs, truth
from tests.connections.hook_line import Line
from tests.connections.test_budget_shared import spend
from tests.connections.ways import again
from tests.vendor import Vendor
from tests.works import Works


@scenes.begun
def connection(works: Works, vendor: Vendor) -> Connection:
    """The code of three repositories was read once."""
    made = linked(works, vendor, streams=["repositories", "branches", "commits"])
    assert works.sync(made, SPACE).state == "done"
    return again(works, made)


def push(at: Line, slug: str, branch: str) -> None:
    wish = {"workspace": SPACE, "repository": slug, "branch": branch, "commits": 1}
    at.vendor.order("/push", **wish)
    at.deliver(at.sent())


def test_a_list_is_read_instead_of_each_of_its_things_where_many_wait(at: Line) -> None:
    """The hour of webhooks is used up while five branches are pushed; one of them is alone."""
    spend(at.works, at.sender.connection, Purpose.TOLD, 500)
    first, second, *_ = slugs(at.works)
    for number in range(5):
        push(at, first, f"waits-{number}")
    push(at, second, "alone")
    at.works.drain()
    before = len(at.vendor.requests())

    with clock.shifted(timedelta(hours=1, minutes=2)):
        at.works.drain()

    home = f"/2.0/repositories/{SPACE}"
    paths = [one["path"] for one in at.vendor.requests()[before:]]
    assert paths.count(f"{home}/{first}/refs") == 1
    assert not [path for path in paths if path.startswith(f"{home}/{first}/refs/branches/")]
    assert f"{home}/{second}/refs/branches/alone" in paths
    named = {f"branch:{name}" for name in truth(at.vendor, first)["branches"]}
    assert named <= held(at.works, Branch, first)
    assert at.dirty() == []
    came = {}
    for delivery in at.sender.deliveries():
        came |= delivery.effect["came"]
    words = {key: word for key, word in came.items() if key.startswith("branches ")}
    assert words.pop("branches branch:alone") == "changed"
    assert (len(words), set(words.values())) == (5, {"left_to_sync"})


def test_so_many_are_taken_at_once_and_no_more(at: Line) -> None:
    """However the database joins what is chosen with what is changed."""
    slug = slugs(at.works)[0]
    connection = at.sender.connection
    with roles.using_role("worker"), at.works.inside():
        row = Repository.objects.get(slug=slug)
        place = {"connection": connection, "workspace": row.workspace, "repository": row}
        place |= {"organization_id": row.organization_id, "stream": "branches"}
        DirtyTarget.objects.bulk_create(
            DirtyTarget(**place, key=f"branch:{n}", due_at=clock.now())
            for n in range(3 * told_rows.MOST)
        )
        applying.ask_to_fetch(connection.id)
        with roles.connection().cursor() as cursor:
            cursor.execute("SET enable_hashjoin = off; SET enable_mergejoin = off")
    with roles.using_role("worker"), tenancy.acting_for(at.works.acme):
        claim = next(one for one in work.claim(9) if one.organization_id == at.works.acme.id)
        assert len(told_rows.take(claim, str(connection.id))) == told_rows.MOST


def test_while_an_inbox_lags_an_object_is_fetched_once_a_minute(at: Line) -> None:
    slug = slugs(at.works)[0]
    for _ in range(2):
        push(at, slug, "busy")
        with roles.using_role("worker"), at.works.inside():
            Delivery.objects.update(received_at=clock.now() - timedelta(seconds=70))
        at.works.drain()
    with at.works.inside():
        row = DirtyTarget.objects.get(stream="branches", key="branch:busy")
    assert row.fetched_at is not None and row.due_at == row.fetched_at + timedelta(seconds=60)
    assert overload.apart([clock.now() - timedelta(seconds=50)]) == timedelta(seconds=2)


def test_operators_are_told_of_a_late_inbox_and_of_its_end(at: Line) -> None:
    User.objects.create_user("olga@portal.example", name="Olga", is_operator=True)
    push(at, slugs(at.works)[0], "late")
    with roles.using_role("worker"):
        waking.wake()
        assert known() == []
        with clock.shifted(timedelta(minutes=11)):
            waking.wake()
            waking.wake()
            (notice,) = known()
            assert notice.resolved_at is None and notice.url == "/platform/webhooks/"
            at.works.drain()
            waking.wake()
            assert known()[0].resolved_at is not None


def known() -> list[Notice]:
    with tenancy.acting_for(tenancy.PLATFORM), tenancy.transaction():
        return list(Notice.objects.filter(kind=told_kinds.INBOX_LATE))
