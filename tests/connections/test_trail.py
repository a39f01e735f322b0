"""The trail of a commit: who, what, where and when, as the sandbox's own record has it."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from typing import Any

from django.db import connection as database
from django.test.utils import CaptureQueriesContext

from connections import registry
from connections.flows import hook_endpoints, inquiries
from connections.models import (
    Commit,
    Connection,
    Deployment,
    Inquiry,
    Push,
    Repository,
    SyncSettings,
    VendorIdentity,
)
from connections.queries import trail as trails, trail_search
from connections.queries.readable import readable
from connections.queries.trail import Trail
from connections.queries.trail_lines import Line
from connections.receiving import signature
from portal import clock, tenancy
from portal.models import AuditEvent
from tests import scenes
from tests.connections.coding import SPACE, linked, truth
from tests.connections.hook_line import posted
from tests.connections.pages import signed_in, text
from tests.connections.ways import again, patiently
from tests.vendor import Vendor
from tests.works import Works

connection = scenes.begun(linked)

PAGE = "/o/acme/trail/"
KILLED = -9
LEASE_ENDS = 2.2
MOST_STATEMENTS = 26  # of the page of a trail, however much there is to tell


def story(works: Works, vendor: Vendor) -> dict[str, Any]:
    """Dana pushes what Tomás wrote; he approves it; it is merged, built and deployed."""
    slug = truth(vendor)["repositories"][0]["slug"]
    where = {"workspace": SPACE, "repository": slug}
    dana, tomas = person(vendor, "dana"), person(vendor, "tomas")
    written = f"{tomas['display_name']} <{tomas['email']}>"
    push = vendor.order("/push", **where, branch="fix", commits=["Mend the latch"], author=written)
    wish: dict[str, Any] = {"source": "fix", "title": "Mend the latch", "reviewers": ["tomas"]}
    pull = vendor.order("/pull-requests", **where, do="create", **wish)
    vendor.order("/pull-requests", **where, do="approve", id=pull["id"], user="tomas")
    run = vendor.order("/pipelines", **where, branch="fix")
    vendor.order("/pull-requests", **where, do="merge", id=pull["id"])
    number = run["build_number"]
    vendor.order("/deployments", **where, pipeline=number, environment="Production")
    [change] = push["changes"]
    found = {"slug": slug, "hash": change["new"], "pull": pull["id"], "run": number}
    return found | {"dana": dana, "tomas": tomas}


def person(vendor: Vendor, nickname: str) -> dict[str, Any]:
    return next(dict(u) for u in vendor.state()["users"] if u["nickname"] == nickname)


def tell(works: Works, connection: Connection, told: dict[str, Any]) -> None:
    """The push comes in by webhook with a right signature, and a worker applies it."""
    with works.inside():
        SyncSettings.objects.filter(connection=connection).update(mode="hooks")
        repository = Repository.objects.select_related("workspace").get(slug=told["slug"])
    with tenancy.acting_for(works.acme):
        made = hook_endpoints.make(actor=works.alice, connection=connection)
    works.drain()
    dana, head = told["dana"], {"type": "commit", "hash": told["hash"]}
    change = {"old": None, "new": {"type": "branch", "name": "fix", "target": head}}
    body = json.dumps(
        {
            "actor": {"type": "user", "uuid": dana["uuid"], "display_name": dana["display_name"]},
            "repository": {
                "uuid": repository.remote_id,
                "full_name": repository.full_name,
                "workspace": {"uuid": repository.workspace.remote_id},
            },
            "push": {"changes": [{**change, "commits": [head]}]},
        }
    ).encode()
    rules = registry.get(connection.connector).manifest.hooks
    assert made.secret is not None and rules is not None
    headers = {
        "X-Event-Key": "repo:push",
        "X-Request-UUID": "5a0e7a4c-0d57-4ab4-8c5b-1f6f4e2b7a10",
        "X-Hub-Signature": signature.signed(rules, made.secret.reveal().encode(), body),
    }
    assert posted("/hooks/v1/" + made.address.rpartition("/")[2], headers, body) == 202
    works.drain()


def trail_of(works: Works, asked: str) -> Trail:
    with works.inside():
        found = trail_search.find(works.alice, asked)
        [subject] = found.subjects
        ids = list(readable(works.alice).values_list("id", flat=True))
        return trails.trail(subject, ids)


def lines(found: Trail, label: str = "") -> list[Line]:
    every = [line for part in found.parts for line in part.lines]
    return [line for line in every if not label or line.label == label]


def names(found: Trail, label: str) -> list[str]:
    return [line.who.name if line.who else "" for line in lines(found, label)]


def test_a_trail_says_what_the_sandbox_has_on_its_own_record(
    works: Works, vendor: Vendor, connection: Connection
) -> None:
    """The truth is the sandbox's: approver, merge, build and deployment; the pusher was ordered."""
    told = story(works, vendor)
    assert works.sync(connection, SPACE).state == "done"
    tell(works, again(works, connection), told)
    so = truth(vendor, told["slug"])
    pull = next(one for one in so["pull_requests"] if one["id"] == told["pull"])
    approvers = [each["user"] for each in pull["participants"] if each["approved"]]
    runs = [one for one in so["pipelines"] if one["commit"] == told["hash"]]
    gone_to = [one for one in so["deployments"] if one["commit"] == told["hash"]]
    assert approvers == [told["tomas"]["uuid"]] and runs and gone_to

    found = trail_of(works, told["hash"][:9])

    assert names(found, "Pushed") == [told["dana"]["display_name"]]
    assert "Webhook" in lines(found, "Pushed")[0].source
    assert names(found, "Author") == [told["tomas"]["display_name"]]
    assert names(found, "Approved") == [told["tomas"]["display_name"]]
    assert names(found, "Merged") == [told["dana"]["display_name"]]
    [run] = lines(found, f"Pipeline {told['run']}")
    assert run.says.startswith("Successful")
    [deployed] = lines(found, "Production")
    assert deployed.who and deployed.who.name == told["dana"]["display_name"]
    assert f"by pipeline {told['run']}" in deployed.says
    approved_at = lines(found, "Approved")[0].at
    participant = next(each for each in pull["participants"] if each["approved"])
    assert approved_at and approved_at.isoformat()[:19] == participant["participated_on"][:19]

    # A first sync asks for no steps: they are a gap until somebody has it looked at.
    assert "steps of pipeline" in " ".join(gap.says for part in found.parts for gap in part.gaps)
    with works.inside():
        asked = {"repository": found.repository, "kind": "commit", "key": told["hash"]}
        inquiries.request(actor=works.alice, **asked)
    works.drain()
    [run] = lines(trail_of(works, told["hash"]), f"Pipeline {told['run']}")
    assert len(run.steps) == len(runs[0]["steps"]) and "successful" in run.steps[0]

    # The same by a pull request, by its number, by a build's own address, and as a page and text.
    with works.inside():
        assert Push.objects.get().by_remote_id == told["dana"]["uuid"]
    home = f"{vendor.url}/{SPACE}/{told['slug']}"
    page = f"{home}/pull-requests/{told['pull']}"
    for asked_by in (f"{told['slug']}#{told['pull']}", page, f"{page}/mend-the-latch/diff#x"):
        assert names(trail_of(works, asked_by), "Approved") == [told["tomas"]["display_name"]]
    for asked_by in (f"{home}/pipelines/results/{told['run']}", f"{home}/commits/{told['hash']}"):
        assert trail_of(works, asked_by).subject.key == told["hash"]

    client = signed_in(works.alice)
    client.get(PAGE)
    with CaptureQueriesContext(database) as statements:
        page = text(client.get(PAGE, {"q": told["hash"]}))
    assert len(statements) <= MOST_STATEMENTS, len(statements)
    assert "Approved by Tomás" in page and "Deployed to Production." in page
    assert "Pushed by Alice." in page and "as Dana Levi" in page  # who linked this very account
    assert "UTC" in page
    plain = client.get(f"{PAGE}trail.txt", {"q": told["hash"]})
    assert plain["Content-Type"].startswith("text/plain")
    assert f"- Approved: {told['tomas']['display_name']}" in plain.content.decode()


class TestAskedAgain:
    def test_what_is_not_kept_is_asked_for_now_and_survives_a_dead_worker(
        self, works: Works, vendor: Vendor, connection: Connection
    ) -> None:
        assert works.sync(connection, SPACE).state == "done"
        told = story(works, vendor)
        client = signed_in(works.alice)
        page = text(client.get(PAGE, {"q": told["hash"]}))
        assert "Nothing found" in page and "Ask the vendor now" in page

        form = {"q": told["hash"], "kind": "commit", "key": told["hash"], "name": told["slug"]}
        where = client.post(f"{PAGE}look", form)["Location"]
        assert "every 1s" in text(client.get(where))
        before = len(vendor.requests())
        assert works.fork_and_die("inquiry.asked") == KILLED
        time.sleep(LEASE_ENDS)
        patiently(works)

        asked = [one["path"] for one in vendor.requests()[before:]]
        assert len([path for path in asked if path.endswith(f"/commit/{told['hash']}")]) == 1
        found = trail_of(works, told["hash"])
        assert found.inquiry is not None and found.inquiry.state == "done"
        assert names(found, "Approved") == [told["tomas"]["display_name"]]
        assert lines(found, f"Pipeline {told['run']}") and lines(found, "Production")
        with works.inside():
            assert AuditEvent.objects.filter(action="trail.asked").count() == 1
            assert Commit.objects.get(remote_id=told["hash"]).pulls == [told["pull"]]
        assert "was asked anew" in text(client.get(where))

    def test_the_vendors_silence_about_pull_requests_is_told_in_words(
        self, works: Works, vendor: Vendor, connection: Connection
    ) -> None:
        assert works.sync(connection, SPACE).state == "done"
        slug = truth(vendor)["repositories"][0]["slug"]
        root = truth(vendor, slug)["commits"][-1]["hash"]
        with works.inside():
            repository = Repository.objects.select_related("connection").get(slug=slug)

        def ask(switch: str, *, again_after: int = 0) -> str:
            vendor.order("/switches", commit_links=switch)
            if not again_after:
                wish: dict[str, Any] = {"repository": repository, "kind": "commit", "key": root}
                with works.inside():
                    inquiries.request(actor=works.alice, **wish)
            with clock.shifted(timedelta(seconds=again_after)):
                works.drain()
            return " ".join(gap.says for part in trail_of(works, root).parts for gap in part.gaps)

        assert "still indexing" in ask("indexing")
        assert "still indexing" in ask("indexing", again_after=21)
        assert "knows of no pull request" in ask("indexed", again_after=42)
        with works.inside():
            assert Inquiry.objects.get().finished_at is not None
        assert "keeps no index" in ask("absent")
        with works.inside():
            assert Commit.objects.get(remote_id=root).pulls == []  # as it was last told

    def test_what_the_vendor_does_not_have_is_said(self, works: Works, vendor: Vendor) -> None:
        connection = linked(works, vendor, streams=["repositories", "commits"])
        assert works.sync(connection, SPACE).state == "done"
        slug = truth(vendor)["repositories"][0]["slug"]
        client = signed_in(works.alice)
        form = {"q": "ab" * 20, "kind": "commit", "key": "ab" * 20, "name": slug}
        where = client.post(f"{PAGE}look", form)["Location"]
        works.drain()
        assert "does not have it" in text(client.get(where))
        with works.inside():
            assert Inquiry.objects.get().absent
            assert not Commit.objects.filter(remote_id="ab" * 20, gone_at=None).exists()


def test_what_was_not_read_is_a_gap_and_everybody_named_is_an_identity(
    works: Works, vendor: Vendor
) -> None:
    connection = linked(works, vendor, streams=["repositories", "branches", "commits"])
    told = story(works, vendor)
    assert works.sync(connection, SPACE).state == "done"

    found = trail_of(works, told["hash"])

    gaps = " ".join(gap.says for part in found.parts for gap in part.gaps)
    for stream in ("pull requests", "build results", "pipelines", "deployments"):
        assert f"Reading {stream} is switched off" in gaps
    assert "this connection receives none" in gaps and "was not asked yet" in gaps
    assert found.summary[0] == "Who approved it is not known."
    with works.inside():
        kept = VendorIdentity.objects.get(key=told["tomas"]["uuid"])
        assert (kept.kind, kept.emails) == ("account", [told["tomas"]["email"].lower()])
        assert kept.connections == [connection.id]
        assert VendorIdentity.objects.filter(kind="address").exists()  # whom no account knows
        assert not Deployment.objects.exists()
