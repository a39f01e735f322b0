"""Dana's code linked to the issues of Jira's site acme, with webhooks: what arrives, and how."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.request import Request, urlopen

from connections.flows import relay_links, relay_waking, replacement, waking
from connections.models import Connection, Link, RelayItem, Replacement, Workspace
from portal import clock, roles
from portal.models import Notice
from portal.secret import Secret
from tests.connections.atlassian_life import Life
from tests.connections.coding import SPACE, linked, slugs
from tests.connections.hook_line import Line, line
from tests.connections.ways import again
from tests.vendor import Vendor
from tests.works import Works

KILLED = -9
LEASE_ENDS = 2.2
CLIENT = "acme-site"
ENTITIES = ("commits", "branches", "pullRequests", "builds", "deployments")


@dataclass
class Made:
    """What stands before anything happens: the two ends, and the link between them."""

    source: Connection
    target: Connection
    link: Link


def made(works: Works, vendor: Vendor) -> Made:
    """Everything that can be read is read, and the link is active."""
    source = linked(works, vendor)
    works.sync(source, SPACE)
    life = Life(works, vendor, "jira")
    target = life.connection(life.link("site-credentials"))
    with works.inside():
        places = Workspace.objects.select_related("connection")
        place = places.get(connection_id=target.id, slug="acme")
        source = Connection.objects.get(id=source.id)
        link = relay_links.draft(actor=works.alice, source=source, destination=place)
        relay_links.choose(actor=works.alice, link=link, choice="all")
        relay_links.activate(actor=works.alice, link=link)
    works.drain()
    return Made(source, target, link)


@dataclass
class Joined:
    """The link at work, and all that a test may do to it."""

    works: Works
    vendor: Vendor
    told: Line
    slug: str
    made: Made

    # ── What happens ──────────────────────────────────────────────────────────────────────────

    def order(self, path: str, **wish: Any) -> Any:
        return self.vendor.order(path, workspace=SPACE, repository=self.slug, **wish)

    def pull(self, do: str, **wish: Any) -> Any:
        return self.order("/pull-requests", do=do, **wish)

    def arrive(self, *, seconds: float = 3) -> None:
        """What the source tells has come, and is on its way."""
        self.told.deliver(self.told.sent())
        self.told.work(seconds=seconds)

    def read(self) -> None:
        """A sync finds what no webhook tells, and it is on its way."""
        self.works.sync(self.made.source, SPACE)
        self.later(minutes=1)

    def later(self, **span: float) -> None:
        with clock.shifted(timedelta(**span)), roles.using_role("worker"):
            waking.wake()
            relay_waking.wake()
            self.works.drain()

    def fault(self, **what: Any) -> None:
        """Something goes wrong at Jira's development APIs."""
        self.vendor.order("/faults", **{"match": "POST /jira/*", "kind": "status"} | what)

    def die(self, step: str) -> None:
        """A worker dies exactly there while it does what is due; another one goes on."""
        self.told.deliver(self.told.sent())
        with clock.shifted(timedelta(seconds=3)):
            assert self.works.fork_and_die(step) == KILLED
        time.sleep(LEASE_ENDS)
        self.later(minutes=3)

    def replace_credential(self) -> None:
        """Jira's administrator made another client, and Alice hands it in and switches."""
        client = secret(self.vendor)
        fields = {"site": "acme", "client_id": client["client_id"]}
        with self.works.inside():
            one = replacement.hand_in(
                actor=self.works.alice,
                connection=Connection.objects.get(id=self.made.target.id),
                method="site-credentials",
                fields=fields,
                secret=Secret(client["secret"]),
            )
        self.works.drain()
        with self.works.inside():
            found = Replacement.objects.get(id=one.id)
            assert (found.stage, found.error) == (Replacement.Stage.CHECKED, "")
            replacement.switch(actor=self.works.alice, replacement=found)
        self.works.drain()

    def do(self, flow: Any, **rest: Any) -> Any:
        with self.works.inside():
            return flow(actor=self.works.alice, link=self._link(), **rest)

    # ── What came of it ───────────────────────────────────────────────────────────────────────

    def now(self) -> Link:
        with self.works.inside():
            return self._link()

    def _link(self) -> Link:
        rows = Link.objects.select_related("source", "target", "destination")
        found: Link = rows.get(id=self.made.link.id)
        return found

    def items(self, **where: Any) -> list[RelayItem]:
        with self.works.inside():
            return list(RelayItem.objects.filter(**where).order_by("kind", "key"))

    def titles(self) -> list[str]:
        with self.works.inside():
            return list(Notice.objects.order_by("opened_at").values_list("title", flat=True))

    def panel(self, issue: str) -> Any:
        return self.vendor.ask(f"/atlassian/panel?site=acme&issue={issue}")

    def counts(self, issue: str) -> list[int]:
        """How many of each kind the issue shows, as `ENTITIES` has them."""
        shown = self.panel(issue)
        return [len(shown[name]) for name in ENTITIES]

    def truth(self) -> Any:
        return self.vendor.ask("/atlassian/truth?site=acme")


def secret(vendor: Vendor) -> Any:
    """Jira's administrator has another secret made for the site's client; the former is dead."""
    return vendor.order("/atlassian/credentials/secret", name=CLIENT)


def told_by_another(vendor: Vendor, issue: str, *, client: str = CLIENT) -> None:
    """A commit hangs on the issue that another link, or another client's product, brought there."""
    known = vendor.state()["vendors"]["atlassian"]
    own = next(one for one in known["site_credentials"] if one["name"] == client)
    cloud = next(one["cloud_id"] for one in known["sites"] if one["name"] == own["site"])
    asked = {"grant_type": "client_credentials", "audience": "api.atlassian.com"}
    asked |= {"client_id": own["client_id"], "client_secret": own["secret"]}
    auth, api = (vendor.origins[f"https://{at}.atlassian.com"] for at in ("auth", "api"))
    token = posted(f"{auth}/oauth/token", asked)["access_token"]
    commit = {
        "id": "f" * 40, "hash": "f" * 40, "displayId": "ffffff", "issueKeys": [issue],
        "message": f"{issue} Of another", "author": {"name": "Somebody"}, "fileCount": 0,
        "authorTimestamp": "2026-01-01T00:00:00Z", "url": "https://git.example/f",
        "updateSequenceId": 1,
    }  # fmt: skip
    home = {"id": "another", "name": "another", "url": "https://git.example/", "commits": [commit]}
    body = {"repositories": [home | {"updateSequenceId": 1}], "properties": {"portalLink": "other"}}
    answer = posted(f"{api}/jira/devinfo/0.1/cloud/{cloud}/bulk", body, token)
    assert answer["acceptedDevinfoEntities"]


def posted(url: str, body: Any, token: str = "") -> Any:
    request = Request(url, json.dumps(body).encode(), method="POST")
    request.add_header("Content-Type", "application/json")
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    with urlopen(request, timeout=10) as answer:
        return json.load(answer)


@contextmanager
def joined(works: Works, vendor: Vendor, made: Made) -> Iterator[Joined]:
    with line(works, vendor, again(works, made.source)) as told:
        yield Joined(works, vendor, told, slugs(works)[0], made)


def sequences(truth: Any) -> dict[tuple[str, str, str], list[int]]:
    """The sequences that Jira was told of each thing, in the order in which they came."""
    found: dict[tuple[str, str, str], list[int]] = {}
    for one in truth["received"]:
        for kind, home, name, sequence in one["told"]:
            found.setdefault((kind, home, name), []).append(sequence)
    return found


def backwards(truth: Any) -> list[tuple[str, str, str]]:
    """The things of which an older state came after a newer one."""
    return [key for key, told in sequences(truth).items() if told != sorted(told)]
