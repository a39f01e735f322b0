"""What the tests of webhooks at a vendor share: a linked account, and the vendor's own view."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from typing import Any
from urllib.request import Request, urlopen

from connections.flows import hook_choice, hook_endpoints, hook_waking
from connections.models import Arrival, Connection, Hook, HookEndpoint, HookPlan, Workspace
from portal import clock, roles, tenancy
from portal.models import Job
from tests.connections.ways import let_ask
from tests.vendor import Vendor
from tests.works import Works

OWN = "dana-levi"  # three repositories, and Dana owns the workspace
READABLE = "yarden"  # Dana reads there and administers nothing
CAPABILITIES = ["repositories-read", "webhooks-manage"]
EVENTS = ["repo:push", "pullrequest:created"]


def linked(works: Works, vendor: Vendor, *slugs: str) -> Connection:
    """Dana's account, whose repositories in these workspaces were read."""
    pending = works.link_by_token(
        vendor.token("dana-full"), capabilities=CAPABILITIES, reason="It makes webhooks."
    )
    connection = works.connection(pending, streams=["repositories"])
    works.sync(connection, *(slugs or (OWN,)))
    return now(works, connection)


def now(works: Works, connection: Connection) -> Connection:
    with works.inside():
        found: Connection = Connection.objects.get(id=connection.id)
        return found


def choose(
    works: Works,
    connection: Connection,
    arrival: Arrival = Arrival.REPOSITORY,
    *,
    events: list[str] | None = None,
    mends_itself: bool = False,
) -> hook_endpoints.Made:
    """Alice chooses, and workers look."""
    with tenancy.acting_for(works.acme):
        made = hook_choice.choose(
            actor=works.alice,
            connection=connection,
            arrival=arrival,
            events=events or EVENTS,
            mends_itself=mends_itself,
        )
    settle(works)
    return made


def settle(works: Works) -> None:
    """Workers do what waits, until nothing of webhooks does."""
    for _ in range(6):
        works.drain()
        let_ask(works)
        with roles.using_role("worker"), works.inside():
            tried = Hook.objects.filter(attempts__gt=0)
            waiting = Job.objects.filter(done_at=None, kind__contains="hook")
            if not waiting.exists() and not tried.exists():
                return
            waiting.update(run_at=clock.now())
            tried.update(due_at=clock.now())
            HookPlan.objects.update(next_at=clock.now())
        with roles.using_role("worker"):
            hook_waking.wake()
    raise AssertionError("webhooks are still being tended")


def later(works: Works, by: timedelta) -> None:
    """So much later workers are woken, and do what is due then."""
    with clock.shifted(by):
        with roles.using_role("worker"):
            hook_waking.wake()
        settle(works)


def rotate(works: Works, connection: Connection, **how: bool) -> hook_endpoints.Made:
    """Alice replaces the secret, and workers have yet to hear of it."""
    with tenancy.acting_for(works.acme):
        return hook_endpoints.rotate_secret(
            actor=works.alice, connection=now(works, connection), **how
        )


def do(works: Works, deed: Any, connection: Connection, **rest: Any) -> Any:
    """Alice does it in a request, and workers do their part."""
    with works.inside():
        answer = deed(actor=works.alice, connection=now_here(connection), **rest)
    settle(works)
    return answer


def now_here(connection: Connection) -> Connection:
    found: Connection = Connection.objects.get(id=connection.id)
    return found


def stands(works: Works, connection: Connection) -> list[str]:
    with works.inside():
        rows = Hook.objects.filter(connection_id=connection.id).order_by("stand")
        return list(rows.values_list("stand", flat=True))


def rows(works: Works, connection: Connection) -> list[Hook]:
    with works.inside():
        found = Hook.objects.filter(connection_id=connection.id)
        return list(
            found.select_related("workspace", "repository").order_by("repository__full_name")
        )


def plan(works: Works, connection: Connection) -> HookPlan:
    with works.inside():
        found: HookPlan = HookPlan.objects.get(connection_id=connection.id)
        return found


def endpoint(works: Works, connection: Connection) -> HookEndpoint:
    with works.inside():
        found: HookEndpoint = HookEndpoint.objects.get(connection_id=connection.id)
        return found


def age(works: Works, connection: Connection, by: timedelta) -> None:
    """All was seen that much earlier, and is looked at again."""
    with roles.using_role("worker"), works.inside():
        for row in Hook.objects.filter(connection_id=connection.id):
            Hook.objects.filter(id=row.id).update(
                seen_at=row.seen_at and row.seen_at - by, due_at=clock.now()
            )


class Bitbucket:
    """The sandbox as Dana sees it in its own pages."""

    def __init__(self, vendor: Vendor) -> None:
        self.vendor = vendor
        pair = f"dana@acme.example:{vendor.token('dana-full')}"
        self.header = "Basic " + base64.b64encode(pair.encode()).decode()

    def places(self, works: Works, slug: str = OWN) -> list[str]:
        """The paths of a workspace's repositories."""
        with works.inside():
            workspace = Workspace.objects.get(slug=slug)
            names = workspace.repository_set.order_by("full_name").values_list(
                "full_name", flat=True
            )
            return [f"repositories/{name}" for name in names]

    def hooks(self, place: str) -> list[dict[str, Any]]:
        return list(self.ask("GET", f"{place}/hooks?pagelen=100")["values"])

    def ours(self, place: str) -> list[dict[str, Any]]:
        return [hook for hook in self.hooks(place) if hook["description"].startswith("Portal: ")]

    def change(self, place: str, hook: dict[str, Any], **wish: Any) -> None:
        whole = {name: hook[name] for name in ("url", "description", "active", "events")}
        self.ask("PUT", f"{place}/hooks/{hook['uuid']}", whole | wish)

    def add(self, place: str, **wish: Any) -> dict[str, Any]:
        usual = {"url": "https://ci.example/hook", "description": "CI", "events": ["repo:push"]}
        return dict(self.ask("POST", f"{place}/hooks", {"active": True, **usual, **wish}))

    def remove(self, place: str, hook: dict[str, Any]) -> None:
        self.ask("DELETE", f"{place}/hooks/{hook['uuid']}")

    def sent(self, method: str) -> int:
        """How many of these requests to hooks there were."""
        found = self.vendor.requests()
        return sum(r["method"] == method and "/hooks" in r["path"] for r in found)

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        content = None if body is None else json.dumps(body).encode()
        request = Request(f"{self.vendor.url}/2.0/{path}", content, method=method)
        request.add_header("Authorization", self.header)
        request.add_header("Content-Type", "application/json")
        with urlopen(request, timeout=10) as answer:
            text = answer.read()
        return json.loads(text) if text else {}
