"""Why a repository is not here: each kind of evidence, from rows as workers leave them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction

from connections.models import Connection, Repository, StreamState, SyncFailure, SyncRun, Workspace
from connections.queries import visibility
from portal import clock, roles
from tests.connections.coding import CAPABILITIES
from tests.connections.pages import base_of, signed_in, text
from tests.vendor import Vendor
from tests.works import Works


@pytest.fixture
def connection(works: Works, vendor: Vendor) -> Connection:
    """Linked, with the workspace "space" chosen and listed whole, which holds "known"."""
    pending = works.link_by_token(vendor.token("dana-full"), capabilities=CAPABILITIES)
    made = works.connection(pending)
    with roles.using_role("worker"), works.inside():
        space = Workspace.objects.create(
            connection=made, remote_id="{s}", slug="space", name="Space", selected=True
        )
        Repository.objects.create(
            workspace=space, connection=made, remote_id="{r}", slug="known", name="Known",
            full_name="space/known",
        )  # fmt: skip
        listed = {"stream": "repositories", "stand": "current", "due_at": None}
        moments = dict.fromkeys(("last_full_at", "last_success_at"), clock.now())
        StreamState.objects.create(connection=made, workspace=space, **listed, **moments)
    return made


def told(works: Works, connection: Connection, text: str) -> list[str]:
    with works.inside():
        fresh = Connection.objects.get(id=connection.id)
        return [one.means for one in visibility.why(fresh, text)]


CASES: list[tuple[Any, dict[str, Any], str, list[str]]] = [
    (Repository, {}, "space/known", ["here"]),
    (Repository, {}, "space/other", ["not listed"]),
    (Repository, {}, "elsewhere/known", ["not shared"]),
    (Repository, {"gone_at": clock.now()}, "known", ["gone"]),
    (Repository, {"former_name": "space/old"}, "space/old", ["renamed", "here"]),
    (Repository, {"last_error": "unreadable"}, "known", ["unreadable"]),
    (Workspace, {"selected": False}, "space/known", ["not chosen"]),
    (Workspace, {"selected": False}, "space/other", ["not chosen"]),
    (Workspace, {"gone_at": clock.now()}, "space/known", ["not shared"]),
    (Workspace, {"gone_at": clock.now()}, "space/other", ["not shared"]),
    (Workspace, {"last_error": "access_denied"}, "space/other", ["failing"]),
    (Workspace, {"last_error": "scope_missing"}, "space/other", ["scope missing"]),
    (StreamState, {"last_full_at": None}, "space/other", ["newer than the last run"]),
]


def test_the_rows_say_why(works: Works, connection: Connection) -> None:
    for model, values, asked, means in CASES:
        with roles.using_role("worker"), works.inside():
            if values:
                model.objects.all().update(**values)
            found = [one.means for one in visibility.why(connection, asked)]
            transaction.set_rollback(True, using=roles.current())
        assert found == means, (model, values)


def test_a_list_that_fails_an_entry_nobody_could_read_and_a_narrow_credential(
    works: Works, connection: Connection
) -> None:
    with roles.using_role("worker"), works.inside():
        row = Repository.objects.select_related("workspace").get(slug="known")
        StreamState.objects.create(
            connection=connection, workspace=row.workspace, repository=row, stream="pull-requests",
            stand="failing", error="access_denied", failing_since=clock.now() - timedelta(hours=3),
        )  # fmt: skip
        run = SyncRun.objects.create(connection_id=connection.id, state="partial")
        SyncFailure.objects.create(
            run_id=run.id, stream="repositories", workspace_name="Space", label="broken",
            code="unreadable",
        )  # fmt: skip
    assert told(works, connection, "known") == ["here", "failing"]
    assert told(works, connection, "space/broken") == ["unreadable"]
    with roles.using_role("worker"), works.inside():  # as a vendor names it in full
        SyncFailure.objects.update(label="space/broken")
    assert told(works, connection, "space/Broken") == ["unreadable"]
    for change in ({"finished_at": clock.now() - timedelta(days=9)}, {"finished_at": None}):
        with roles.using_role("worker"), works.inside():
            SyncRun.objects.update(**change)
        assert told(works, connection, "space/broken") == [
            "not listed" if change["finished_at"] else "unreadable"
        ], change
    with roles.using_role("worker"), works.inside():  # another workspace's failure proves nothing
        SyncFailure.objects.update(workspace_name="Other")
    assert told(works, connection, "space/broken") == ["not listed"]
    page = text(signed_in(works.alice).get(base_of(connection) + "sync", {"why": "known"}))
    assert "Its pull requests cannot be read: The linked account may not see something." in page
    assert "Every list, by workspace" in page
    part = {"HX-Target": "div#live"}  # as htmx names what asks every second
    sync = text(signed_in(works.alice).get(base_of(connection) + "sync", headers=part))
    assert 'id="live"' in sync and "Every list, by workspace" not in sync
    with roles.using_role("worker"), works.inside():
        Connection.objects.filter(id=connection.id).update(fields={"project": "PAY"})
    assert told(works, connection, "space/other") == ["narrow credential", "not listed"]


def test_it_says_how_many_workspaces_are_not_gone_through(
    works: Works, connection: Connection
) -> None:
    with roles.using_role("worker"), works.inside():
        Workspace.objects.bulk_create(
            Workspace(
                organization_id=works.acme.id, connection=connection, remote_id=f"{n}",
                slug=f"s{n}", name=f"S{n:03}", selected=True,
            )
            for n in range(22)
        )  # fmt: skip
        found, more = visibility.why(connection, "other"), Workspace.objects.count() - 20
    assert len(found) == 21 and found[-1].means == "not looked at"
    assert f"{more} further workspaces are not gone through here" in found[-1].says


def test_a_connection_without_the_capability_lacks_the_scope(works: Works, vendor: Vendor) -> None:
    pending = works.link_by_token(vendor.token("dana-full"), capabilities=["workspaces-read"])
    made = works.connection(pending)
    assert told(works, made, "space/known") == ["scope missing"]
    assert told(works, made, " / ") == []
