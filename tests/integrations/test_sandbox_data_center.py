"""The sandbox's Data Center: what hooks carry is shaped like what was captured, and signed."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from integrations.sandbox.bitbucket_data_center.hooks import OF_REPOSITORIES
from integrations.sandbox.running import Sandbox
from tests.integrations.receiving import Receiver
from tests.integrations.sandboxed import Client
from tests.integrations.test_bitbucket_data_center import token

SAMPLES = Path(__file__).parents[3] / "shared/samples/bitbucket-data-center/webhooks"
HOOKS = "/bitbucket/rest/api/latest/projects/PAY/repos/billing-api/webhooks"
PLACE = {"workspace": "PAY", "repository": "billing-api"}
SECRET = "a secret of thirty-two characters"
# What captures have that nobody needs, or that differs between servers.
LEFT_OUT = (
    *("owner", "lastReviewedCommit", "commentParentId", "hierarchyId", "archived", "origin"),
    *("mergeResult", "openTaskCount", "resolvedTaskCount", "parents", "properties", "reviewers"),
    *("participants", "removedReviewers", "links", "descendants"),
)


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with Sandbox(repositories=6) as running:
        yield Client(running)


def as_dana(client: Client) -> dict[str, str]:
    return {"Authorization": f"Bearer {token(client._sandbox, 'dana-admin').token}"}


def do(client: Client, path: str, **wish: object) -> Any:
    reply = client.control("POST", f"/data-center{path}", **PLACE, **wish)
    assert reply.status == 200, reply.text
    return reply.json


def shape(value: Any, at: str = "") -> set[str]:
    """The names in a payload by their place; of a list those of its first item."""
    if isinstance(value, list):
        return shape(value[0], at) if value else set()
    if not isinstance(value, dict):
        return set()
    named = {name: inner for name, inner in value.items() if name not in LEFT_OUT}
    return {f"{at}/{name}" for name in named}.union(
        *(shape(inner, f"{at}/{name}") for name, inner in named.items())
    )


def a_day_of_work(client: Client) -> None:
    do(client, "/push", branch="fresh", commits=2)
    do(client, "/push", branch="fresh", commits=1, force=1)
    do(client, "/push", tag="v9", message="Nine")
    made = do(client, "/pull-requests", do="create", source="fresh", user="tomas")
    do(client, "/push", branch="fresh", commits=1)
    for deed in ("request_changes", "approve", "unapprove", "comment"):
        do(client, "/pull-requests", do=deed, id=made["id"], user="dlevi")
    do(client, "/pull-requests", do="update", id=made["id"], reviewers=["rashid@yarden"])
    do(client, "/pull-requests", do="update", id=made["id"], title="Another title")
    do(client, "/pull-requests", do="merge", id=made["id"], user="dlevi")
    do(client, "/push", branch="gone", commits=1)
    do(client, "/pull-requests", do="create", source="gone")
    do(client, "/pull-requests", do="decline", id=made["id"] + 1)
    do(client, "/push", branch="gone", delete=True)
    do(client, "/mirrors")
    do(client, "/repositories", rename="billing-api", new_slug="billing-anew")
    do(client, "/repositories", rename="billing-anew", new_slug="billing-api")
    client.control("POST", "/webhooks/settle", seconds=10)


@pytest.mark.parametrize("objection", ["pr:reviewer:changes_requested", "pr:reviewer:needs_work"])
def test_every_change_is_told_signed_and_shaped_like_captures(
    client: Client, objection: str
) -> None:
    client.control("POST", "/data-center/switches", objection_event=objection)
    with Receiver() as receiver:
        wish = {"name": "All", "url": receiver.url, "events": list(OF_REPOSITORIES)}
        wish["configuration"] = {"secret": SECRET}
        body = json.dumps(wish).encode()
        made = client.send("POST", HOOKS, headers=as_dana(client), body=body)
        a_day_of_work(client)
        got = list(receiver.got)
        client.send("DELETE", f"{HOOKS}/{made.json['id']}", headers=as_dana(client))

    told: dict[str, Any] = {}
    for one in got:
        headers = {name.lower(): value for name, value in one.headers.items()}
        mark = hmac.new(SECRET.encode(), one.body, hashlib.sha256).hexdigest()
        assert headers["x-hub-signature"] == f"sha256={mark}" and headers["x-request-id"]
        told.setdefault(headers["x-event-key"], json.loads(one.body))
    assert set(told) == {
        *("repo:refs_changed", "repo:modified", "mirror:repo_synchronized", "pr:opened"),
        *("pr:from_ref_updated", "pr:reviewer:approved", "pr:reviewer:unapproved", objection),
        *("pr:comment:added", "pr:reviewer:updated", "pr:modified", "pr:merged", "pr:declined"),
    }
    for path in SAMPLES.glob("*.json"):
        sample = json.loads(path.read_text())
        ours = told.get(sample.get("eventKey", ""))
        if ours is not None:
            assert shape(sample) <= shape(ours), (path.name, sorted(shape(sample) - shape(ours)))


def test_hooks_outlive_a_restart(client: Client) -> None:
    vendor = client._sandbox.data_center
    project = vendor.world.projects["PAY"]
    hooks = vendor.deeds.scene.subscriptions
    body = json.dumps({"name": "Kept", "url": "http://127.0.0.1:9/x", "events": ["pr:opened"]})
    made = client.send("POST", HOOKS, headers=as_dana(client), body=body.encode())

    vendor.restore(json.loads(json.dumps(vendor.keep())))

    names = [one.uuid for one in hooks.of(project.repositories[0])]
    assert str(made.json["id"]) in names
