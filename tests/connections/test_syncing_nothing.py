"""A connection linked for nothing that a sync reads: none is made, and that is said."""

from __future__ import annotations

import pytest
from django.utils import timezone

from connections import tasks
from connections.flows import sync
from connections.flows.problems import FlowProblem
from connections.models import Connection, SyncRun, Workspace
from portal import roles
from tests.connections.pages import base_of, signed_in, text
from tests.vendor import Vendor
from tests.works import Works

SAID = "A sync has nothing to read here"


@pytest.fixture
def connection(works: Works, vendor: Vendor) -> Connection:
    token = vendor.token("dana-full")
    return works.connection(works.link_by_token(token, capabilities=["workspaces-read"]))


def test_the_workspaces_step_and_the_sync_tab_say_so(works: Works, connection: Connection) -> None:
    alice, base = signed_in(works.alice), base_of(connection)
    with works.inside():
        acme = Workspace.objects.get(slug="acme").id

    assert SAID in text(alice.get(base + "workspaces"))
    alice.post(base + "workspaces/choose", {"workspaces": [acme]})
    page = text(alice.get(base + "sync"))

    assert SAID in page and "A sync of these workspaces is under way" not in page
    with works.inside():
        assert Workspace.objects.get(selected=True).slug == "acme"


def test_nobody_makes_a_sync_of_nothing(works: Works, connection: Connection) -> None:
    with works.inside():
        Workspace.objects.filter(slug="acme").update(selected=True)
        Connection.objects.update(next_sync_at=timezone.now())
    with works.inside(), pytest.raises(FlowProblem) as problem:
        sync.request(actor=works.alice, connection=connection)
    with roles.using_role("worker"):
        tasks.start_due()

    assert problem.value.code == "nothing_to_read"
    with works.inside():
        assert not SyncRun.objects.exists()


def test_a_run_that_finds_no_workspace_is_not_complete(works: Works, vendor: Vendor) -> None:
    token = vendor.token("dana-full")
    made = works.connection(works.link_by_token(token, capabilities=["repositories-read"]))
    with works.inside():
        run = sync.start(made, requested_by="")
    works.drain()

    with works.inside():
        assert SyncRun.objects.get(id=run.id).state == "cancelled"
