"""What a sync finds that no webhook told of: listed with its cause, and polled for more often."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from connections.flows import activity_upkeep, hook_endpoints, missed, plan, poll_pace
from connections.models import (
    Branch,
    Connection,
    DirtyTarget,
    Hook,
    HookEndpoint,
    HookPlan,
    MissedEvent,
    PullRequest,
    Repository,
    StreamState,
    SyncSettings,
)
from integrations.bitbucket_cloud.hooks import EVENTS
from portal import clock, roles, tenancy
from tests import scenes
from tests.connections.coding import SPACE, linked, poll, slugs, truth
from tests.connections.delivering import planted
from tests.connections.ways import again
from tests.ingesting import Sender
from tests.vendor import Vendor
from tests.works import Works

STREAMS = ["repositories", "branches", "pull-requests"]
DEFAULT = [event.key for event in EVENTS if event.default]


@pytest.fixture(autouse=True)
def time(request: pytest.FixtureRequest) -> None:
    request.addfinalizer(clock.reset)


@scenes.begun
def connection(works: Works, vendor: Vendor) -> Connection:
    """Three lists of three repositories were read once; webhooks tell of them for two days."""
    made = linked(works, vendor, streams=STREAMS)
    with tenancy.acting_for(works.acme):
        hook_endpoints.make(actor=works.alice, connection=made)
    with works.inside():
        SyncSettings.objects.filter(connection=made).update(mode="hooks")
    assert works.sync(made, SPACE).state == "done"
    long_ago = clock.now() - timedelta(days=2)  # the address is older than what follows
    with roles.using_role("worker"), works.inside():
        HookEndpoint.objects.update(created_at=long_ago, secret_at=long_ago)
        made.hook_plans.create(arrival="repository", events=DEFAULT, changed_at=long_ago)
        for one in Repository.objects.all():
            Hook.objects.create(
                connection=made, workspace_id=one.workspace_id, repository=one, stand="present"
            )
    return again(works, made)


def push(works: Works, vendor: Vendor, branch: str = "main") -> None:
    slug = slugs(works)[0]
    vendor.order("/push", workspace=SPACE, repository=slug, branch=branch, commits=1)


def review(works: Works, vendor: Vendor, do: str, **wish: Any) -> dict[str, Any]:
    slug = slugs(works)[0]
    done: dict[str, Any] = vendor.order(
        "/pull-requests", workspace=SPACE, repository=slug, do=do, **wish
    )
    return done


def reads_reviews(works: Works, vendor: Vendor) -> dict[str, str]:
    """Pull requests are read, and how those stand that these tests made."""
    with roles.using_role("worker"), works.inside():
        plan.want(StreamState.objects.filter(stream="pull-requests"), plan.CHANGED)
    poll(works, vendor)
    with works.inside():
        rows = PullRequest.objects.filter(title__in=["a", "b"])
        return dict(rows.values_list("title", "state"))


def found(works: Works) -> list[MissedEvent]:
    with works.inside():
        return list(MissedEvent.objects.select_related("repository"))


def told(works: Works, connection: Connection, key: str = "branch:main") -> None:
    """A webhook has named this branch of the first repository."""
    with roles.using_role("worker"), works.inside():
        repository = Repository.objects.order_by("slug")[0]
        DirtyTarget.objects.create(
            connection=connection,
            workspace_id=repository.workspace_id,
            repository=repository,
            stream="branches",
            key=key,
            told_at=clock.now(),
        )


def test_what_no_webhook_told_of_is_listed_and_read(
    works: Works, vendor: Vendor, connection: Connection
) -> None:
    push(works, vendor)
    poll(works, vendor)

    is_equal_branches(works, vendor)
    one = found(works)[0]
    assert [each.name for each in found(works)] == ["main"]
    assert str(one.repository) and one.cause == "silent" and one.since < one.found_at
    poll(works, vendor)
    assert len(found(works)) == 1


def is_equal_branches(works: Works, vendor: Vendor) -> None:
    slug = slugs(works)[0]
    branches = truth(vendor, slug)["branches"]
    with works.inside():
        rows = Branch.objects.filter(repository__slug=slug, kind="branch", gone_at=None)
        assert dict(rows.values_list("name", "target")) == branches


@pytest.mark.parametrize("key", ["branch:main", ""])
def test_what_a_webhook_told_of_is_not_missed(
    works: Works, vendor: Vendor, connection: Connection, key: str
) -> None:
    push(works, vendor)
    told(works, connection, key)
    poll(works, vendor)

    assert found(works) == []


def test_nothing_is_missed_where_only_polls_are_expected(
    works: Works, vendor: Vendor, connection: Connection
) -> None:
    with works.inside():
        SyncSettings.objects.update(mode="polling")
    push(works, vendor)
    poll(works, vendor)

    assert found(works) == []


def test_what_is_told_of_later_was_late(
    works: Works, vendor: Vendor, connection: Connection
) -> None:
    push(works, vendor)
    poll(works, vendor)
    clock.shift(timedelta(minutes=5))
    told(works, connection)
    with roles.using_role("worker"), tenancy.acting_for(works.acme):
        activity_upkeep.age_here()

    assert found(works)[0].arrived_at is not None


def test_what_no_chosen_trigger_tells_of_is_not_missed(
    works: Works, vendor: Vendor, connection: Connection
) -> None:
    """A decline is none of the default triggers, and a comment changes nothing that is kept."""
    push(works, vendor, "fix")
    first, second = (review(works, vendor, "create", title=one, source="fix") for one in "ab")
    poll(works, vendor)
    opened = {"fix", f"#{first['id']} a", f"#{second['id']} b"}
    assert {one.name for one in found(works)} == opened, "these were to be told"
    review(works, vendor, "decline", id=first["id"])
    review(works, vendor, "comment", id=second["id"])
    review(works, vendor, "request_changes", id=second["id"], user="tomas")
    assert reads_reviews(works, vendor) == {"a": "declined", "b": "open"}
    assert len(found(works)) == len(opened)

    with roles.using_role("worker"), works.inside():
        connection.hook_plans.update(events=[event.key for event in EVENTS])
    review(works, vendor, "decline", id=second["id"])
    assert reads_reviews(works, vendor) == {"a": "declined", "b": "declined"}
    assert len(found(works)) == len(opened) + 1


def test_nothing_is_missed_before_there_is_a_webhook_that_tells_of_it(
    works: Works, vendor: Vendor, connection: Connection
) -> None:
    for change in ({"stand": "new"}, {"stand": "present"}):
        with roles.using_role("worker"), works.inside():
            Hook.objects.update(**change)
            connection.hook_plans.update(events=["pullrequest:created"])
        push(works, vendor)
        poll(works, vendor)
        assert found(works) == [], change


NOW = timezone.now()
BEFORE = NOW - timedelta(hours=1)


@pytest.mark.parametrize(
    ("endpoint", "hook", "came", "cause"),
    [
        ({"disabled_at": NOW}, {}, False, "address_off"),
        ({"created_at": NOW}, {}, False, "before_hook"),
        ({}, {"changed_at": NOW}, False, "before_hook"),
        ({}, {"stand": "missing"}, True, "no_hook"),
        ({}, {"stand": "full"}, False, "no_hook"),
        ({}, {"stand": "inactive"}, False, "hook_inactive"),
        ({"refused_at": NOW}, {}, True, "refused"),
        ({}, {}, True, "too_large"),
        ({}, {}, False, "silent"),
    ],
)
def test_the_cause_is_the_likeliest(
    endpoint: dict[str, Any], hook: dict[str, Any], came: bool, cause: str
) -> None:
    long_ago = BEFORE - timedelta(days=1)
    made, chosen = (
        HookEndpoint(**{"created_at": long_ago} | endpoint),
        HookPlan(changed_at=long_ago),
    )
    seen = missed.Seen(made, chosen, Hook(**{"stand": "present"} | hook), BEFORE, came)

    assert missed.cause(seen, None) == cause


def test_polls_make_up_for_webhooks_that_do_not_come(
    works: Works, vendor: Vendor, connection: Connection
) -> None:
    def every() -> int:
        with works.inside():
            return poll_pace.minutes(again_of(connection))

    def again_of(one: Connection) -> Connection:
        return Connection.objects.get(id=one.id)

    assert every() == 15
    push(works, vendor)
    poll(works, vendor)
    assert every() == 2
    planned = again(works, connection).next_sync_at
    assert planned is not None and planned < clock.now() + timedelta(minutes=3)
    with works.inside():
        endpoint = HookEndpoint.objects.get()
        SyncSettings.objects.update(mode="polling")
    assert every() == 60
    with works.inside():
        SyncSettings.objects.update(mode="hooks")
    sender = Sender(works, connection, endpoint, "", b"", works.acme, works.alice)
    planted(sender, state="ignored", error="", age=timedelta(), effect={"because": "ping"})
    assert every() == 2, "our own test proves nothing"
    planted(sender, state="applied", error="", age=timedelta(), salt="b")
    assert every() == 15
