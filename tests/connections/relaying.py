"""A connection with code that is linked to an imaginary board, and what is on its way there."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.test import override_settings

from connections.flows import link as linking, relay_links, relay_waking
from connections.models import (
    Connection,
    Link,
    PendingLink,
    RelayAttempt,
    RelayItem,
    Repository,
    Workspace,
)
from portal import clock, roles
from portal.secret import Secret
from tests.connections.board import Wall, wall as a_wall
from tests.connections.coding import SPACE, linked
from tests.vendor import Vendor
from tests.works import SESSION, Works


@dataclass
class Relay:
    """Alice's link from what Dana shows to the wall."""

    works: Works
    vendor: Vendor
    wall: Wall
    source: Connection
    target: Connection
    link: Link

    def now(self) -> Link:
        with self.works.inside():
            rows = Link.objects.select_related("source", "target", "destination")
            found: Link = rows.get(id=self.link.id)
            return found

    def items(self, **where: Any) -> list[RelayItem]:
        with self.works.inside():
            return list(RelayItem.objects.filter(**where).order_by("kind", "key"))

    def item(self, **where: Any) -> RelayItem:
        (found,) = self.items(**where)
        return found

    def attempts(self) -> list[RelayAttempt]:
        with self.works.inside():
            return list(RelayAttempt.objects.order_by("at"))

    def do(self, flow: Any, **rest: Any) -> Any:
        with self.works.inside():
            return flow(actor=self.works.alice, link=self.now_inside(), **rest)

    def now_inside(self) -> Link:
        found: Link = Link.objects.select_related("source", "target", "destination").get(
            id=self.link.id
        )
        return found

    def later(self, **span: float) -> None:
        """Workers sweep and do what is due so much later."""
        with clock.shifted(timedelta(**span)), roles.using_role("worker"):
            relay_waking.wake()
            self.works.drain()

    def push(self, branch: str, *messages: str, **rest: Any) -> Any:
        slug = rest.pop("repository", None) or self.slugs()[0]
        return self.vendor.order(
            "/push", workspace=SPACE, repository=slug, branch=branch, commits=list(messages), **rest
        )

    def slugs(self) -> list[str]:
        with self.works.inside():
            return list(Repository.objects.order_by("slug").values_list("slug", flat=True))

    def ids(self, *slugs: str) -> list[UUID]:
        with self.works.inside():
            rows = Repository.objects.filter(slug__in=slugs) if slugs else Repository.objects.all()
            return list(rows.order_by("slug").values_list("id", flat=True))

    def read(self) -> None:
        """A sync reads what changed at the source, and what is put down is sent."""
        self.works.sync(self.source, SPACE)
        self.works.drain()


def board(works: Works) -> Connection:
    """The wall, linked by token; its one site is known."""
    with works.inside():
        pending: PendingLink = linking.begin(
            actor=works.alice,
            connector="board",
            user_id=works.alice.id,  # type: ignore[arg-type]
            session_key=SESSION,
            relink=None,
        )
        linking.choose(
            actor=works.alice,
            pending=pending,
            capabilities=["pin"],
            reason="To show it on the wall.",
        )
        linking.prepare(
            actor=works.alice,
            pending=pending,
            method="token",
            name="Wall",
            team_id=None,
            consumer_id=None,
            fields={},
            secret=Secret("board-token"),
        )
    works.drain()
    return works.connection(works.reloaded(pending))


@dataclass
class Ends:
    """What a link joins."""

    source: Connection
    target: Connection


def ends(works: Works, vendor: Vendor) -> Ends:
    """Everything read so far, and a wall that was linked."""
    source = linked(works, vendor)
    works.sync(source, SPACE)
    with override_settings(), a_wall(settings):
        return Ends(source, board(works))


def relay(works: Works, vendor: Vendor, wall: Wall, ends: Ends, **chosen: Any) -> Relay:
    """A link between these ends that is active unless `draft` is wanted."""
    source, target = ends.source, ends.target
    is_draft, fills = chosen.pop("draft", False), chosen.pop("fills", False)
    way, place = chosen.pop("way", "pins"), chosen.pop("place", "wall")
    with works.inside():
        source = Connection.objects.get(id=source.id)
        rows = Workspace.objects.select_related("connection")
        destination = rows.get(connection_id=target.id, slug=place)
        made = relay_links.draft(actor=works.alice, source=source, destination=destination)
        if way != made.way:
            options = {"builds": True, "commands": True}
            relay_links.set_options(actor=works.alice, link=made, way=way, options=options)
        relay_links.choose(actor=works.alice, link=made, **{"choice": "all"} | chosen)
        if not is_draft:
            relay_links.activate(actor=works.alice, link=made, fills=fills)
    works.drain()
    return Relay(works, vendor, wall, source, target, made)
