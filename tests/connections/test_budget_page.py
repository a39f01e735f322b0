"""What the sync tab says of the hour: used, left, refused, shared, and a long first sync."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from connections.budgets import Purpose, minute
from connections.flows import budget
from connections.models import Connection, RequestBudget, StreamState, SyncRun, Workspace
from portal import clock, roles, tenancy
from tests.connections.coding import CAPABILITIES
from tests.connections.pages import base_of, signed_in, text
from tests.connections.ways import PLATFORM
from tests.vendor import Vendor
from tests.works import Works

STREAMS = ["repositories", "branches"]


def spent(works: Works, **values: Any) -> None:
    with roles.using_role("worker"), works.inside(PLATFORM):
        RequestBudget.objects.update(**values)


def test_every_state_of_the_hour_is_told(works: Works, vendor: Vendor) -> None:
    pending = works.link_by_token(vendor.token("dana-full"), capabilities=CAPABILITIES)
    made = works.connection(pending, streams=STREAMS)
    with roles.using_role("worker"), works.inside():
        SyncRun.objects.create(connection_id=made.id, state="running", done=300, total=90_000)
    with works.inside():
        asked = Connection.objects.filter(id=made.id)
        budget_id = asked.get().budget_id
        asked.update(budget_id=None)
    assert "Requests this hour" not in said(works, made)  # nothing was asked yet

    with works.inside():
        asked.update(budget_id=budget_id)
    with roles.using_role("worker"), tenancy.acting_for(works.acme):
        budget.of(made)
    now = clock.now()
    spent(works, spent={str(minute(now)): {Purpose.FULL: 700}})
    page = said(works, made)
    assert "700 of 1,000 requests of this account are used. None are left for reading; 300" in page
    assert "More can be asked" in page and "share its hour, whoever made them" in page

    spent(works, blocked_until=now + timedelta(minutes=14), said_remaining=20, said_at=now)
    page = said(works, made)
    assert "Bitbucket Cloud asked us to slow down. Until" in page
    assert "something else asks as the same account" in page

    with roles.using_role("worker"), works.inside():
        space = Workspace.objects.filter(connection=made, slug="acme")
        space.update(selected=True)
        StreamState.objects.create(
            connection=made, workspace=space.get(), stream="repositories", total=7001, read=1
        )
    spent(works, blocked_until=None, said_remaining=None)
    page = said(works, made)
    assert "7,001 lists wait to be read. With this account" in page
    assert "takes at least 10 hours, until" in page and " left</p>" not in page
    with roles.using_role("worker"), works.inside():
        StreamState.objects.update(total=None)
    assert "7,001 lists" not in said(works, made)


def said(works: Works, connection: Connection) -> str:
    return text(signed_in(works.alice).get(base_of(connection) + "sync"))
