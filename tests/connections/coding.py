"""A connection that syncs the code of few repositories, what is held of it, and what is so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from django.db import connection as database

from connections import tasks
from connections.models import (
    Branch,
    Build,
    Commit,
    Connection,
    Deployment,
    Permission,
    Pipeline,
    PullRequest,
    Repository,
    StreamState,
    SyncRun,
    SyncSettings,
)
from portal import clock, roles
from tests.vendor import Vendor
from tests.works import Works

SPACE = "dana-levi"  # three repositories, Dana's own
CAPABILITIES = [
    *("repositories-read", "pullrequests-read", "pipelines-read", "projects-read"),
    *("members-read", "workspaces-read"),
]
STREAMS = [
    *("projects", "members", "repositories", "branches", "pull-requests", "commits"),
    *("statuses", "pipelines", "deployments"),
]
KEPT = (Repository, Branch, Commit, PullRequest, Build, Pipeline, Deployment, Permission)


def linked(
    works: Works, vendor: Vendor, *, streams: Sequence[str] = STREAMS, **rest: Any
) -> Connection:
    """Linked for all that can be read, with these streams chosen; nothing is read yet."""
    token = vendor.token(rest.pop("token", "dana-full"))
    pending = works.link_by_token(token, capabilities=CAPABILITIES, **rest)
    made = works.connection(pending, streams=list(streams))
    with works.inside():
        SyncSettings.objects.filter(connection=made).update(keep_days=None)
    return made


def truth(vendor: Vendor, repository: str = "", workspace: str = SPACE) -> Any:
    named = {"workspace": workspace} | ({"repository": repository} if repository else {})
    return vendor.ask(f"/truth?{urlencode(named)}")


def slugs(works: Works) -> list[str]:
    with works.inside():
        return list(Repository.objects.order_by("slug").values_list("slug", flat=True))


def held(works: Works, model: Any, slug: str, field: str = "remote_id") -> set[Any]:
    """What is present of this repository."""
    with works.inside():
        rows = model.objects.filter(repository__slug=slug, gone_at=None)
        return set(rows.values_list(field, flat=True))


def is_equal(works: Works, vendor: Vendor, slug: str) -> None:
    """What a poll can find out is held as it is at the vendor."""
    so = truth(vendor, slug)
    branches = {f"branch:{name}" for name in so["branches"]}
    assert held(works, Branch, slug) == branches | {f"tag:{tag['name']}" for tag in so["tags"]}
    with works.inside():
        rows = Branch.objects.filter(repository__slug=slug, gone_at=None, kind="branch")
        assert dict(rows.values_list("name", "target")) == so["branches"]
        pulls = PullRequest.objects.filter(repository__slug=slug, gone_at=None)
        found = set(pulls.values_list("number", "state"))
    assert found == {(one["id"], one["state"].lower()) for one in so["pull_requests"]}
    assert len(held(works, Pipeline, slug)) == len(so["pipelines"])
    assert len(held(works, Deployment, slug)) == len(so["deployments"])


def poll(works: Works, vendor: Vendor) -> list[str]:
    """The schedule is due and workers do what follows; the paths that were asked."""
    before = len(vendor.requests())
    with works.inside():
        Connection.objects.update(next_sync_at=clock.now())
    with roles.using_role("worker"):
        tasks.start_due()
    works.drain()
    return [one["path"] for one in vendor.requests()[before:]]


def runs(works: Works) -> int:
    with works.inside():
        return SyncRun.objects.count()


def written(works: Works) -> dict[str, str]:
    """A mark of every kept row, which any write changes."""
    found = {}
    with works.inside(), database.cursor() as cursor:
        for model in (*KEPT, StreamState):
            table = model._meta.db_table
            cursor.execute(
                f"SELECT md5(string_agg(xmin::text||ctid, ',' ORDER BY id)) FROM {table}"
            )
            found[table] = cursor.fetchone()[0]
    return found


def states(works: Works, **where: Any) -> dict[tuple[str, str], str]:
    """How each stream of each container stands."""
    with works.inside():
        rows = StreamState.objects.filter(**where).select_related("workspace", "repository")
        return {
            ((row.repository or row.workspace).slug, row.stream): str(row.stand) for row in rows
        }
