"""What the tests of a connection's life do again and again: link by consent, hurry what waits."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import connections as databases
from django.utils import timezone

from connections.flows import link
from connections.models import Connection, PendingLink, RequestBudget, SyncRun
from portal import roles, tenancy
from portal.models import Job, Organization, SealedValue, Team
from portal.secret import Secret
from tests.vendor import Vendor
from tests.works import SESSION, Works

UNHURRIED = ("forget_link",)
PLATFORM = Organization(id=tenancy.PLATFORM)


def hurry(works: Works) -> None:
    """What waits for its hour is due now; links are still forgotten in their own time."""
    let_ask(works)
    with roles.using_role("worker"), works.inside():
        Job.objects.filter(done_at=None).exclude(kind__in=UNHURRIED).update(run_at=timezone.now())


def let_ask(works: Works) -> None:
    """No vendor asked us to wait, as far as any budget knows."""
    with roles.using_role("worker"), works.inside(PLATFORM):
        RequestBudget.objects.update(blocked_until=None)


def patiently(works: Works, most: int = 12) -> int:
    """Let workers try until nothing is left to do or to wait for; how many times they tried."""
    for tried in range(1, most + 1):
        works.drain()
        if not jobs(works):
            return tried
        hurry(works)
    raise AssertionError(f"still waiting: {jobs(works)}")


def jobs(works: Works) -> list[str]:
    """The kinds of jobs that are not done."""
    with works.inside():
        waiting = Job.objects.filter(done_at=None).exclude(kind__in=UNHURRIED)
        return list(waiting.order_by("kind").values_list("kind", flat=True))


def sealed_for(works: Works, row_id: UUID) -> list[str]:
    """Which fields of this row something is sealed for."""
    with roles.using_role("worker"), works.inside():
        found = SealedValue.objects.filter(row_id=row_id)
        return sorted(found.values_list("field", flat=True))


def a_team(works: Works, name: str = "Payments") -> UUID:
    with works.inside():
        made: UUID = Team.objects.create(name=name).id
        return made


def depart(works: Works, consumer_id: UUID, **rest: Any) -> tuple[PendingLink, str]:
    """Alice has chosen to sign in at the vendor; the link, and where she is sent."""
    pending = works.begin(**rest)
    with works.inside():
        link.prepare(
            actor=works.alice,
            pending=pending,
            method=rest.get("method", "oauth"),
            name=rest.get("name", "Acme code"),
            team_id=rest.get("team_id"),
            consumer_id=consumer_id,
            fields={},
            secret=None,
        )
        if rest.get("method", "oauth") != "oauth":
            return pending, ""
        return pending, link.depart(actor=works.alice, pending=pending, session_key=SESSION)


def come_back(works: Works, answer: dict[str, Any], **other: Any) -> tuple[str, PendingLink] | None:
    """The browser brings the vendor's answer; nothing has been exchanged yet."""
    return link.receive_answer(
        connector=other.get("connector", "bitbucket-cloud"),
        params=answer,
        session_key=other.get("session_key", SESSION),
        user_id=other.get("user_id", works.alice.id),
    )


def link_by_consent(
    works: Works, vendor: Vendor, *, consumer: str = "acme-portal", **rest: Any
) -> PendingLink:
    """From the consumer's registration to the settled link."""
    known = rest.pop("consumer_id", None) or works.register(vendor.consumer(consumer)).id
    user = rest.pop("user", "dana")
    pending, url = depart(works, known, **rest)
    come_back(works, works.consent(url, user=user))
    works.drain()
    return works.reloaded(pending)


def prepare_token(works: Works, token: str, **rest: Any) -> PendingLink:
    """A token is handed in; no worker has looked yet."""
    pending = rest.get("pending") or works.begin(**rest)
    with works.inside():
        link.prepare(
            actor=rest.get("actor", works.alice),
            pending=pending,
            method=rest.get("method", "api-token"),
            name=rest.get("name", "Acme code"),
            team_id=rest.get("team_id"),
            consumer_id=None,
            fields=rest.get("fields", {"email": "dana@acme.example"}),
            secret=Secret(token),
        )
    return pending


def again(works: Works, connection: Connection) -> Connection:
    """The connection as it stands now."""
    with works.inside():
        found: Connection = Connection.objects.get(id=connection.id)
        return found


def now(works: Works, run: SyncRun) -> SyncRun:
    with works.inside():
        found: SyncRun = SyncRun.objects.select_related("connection").get(id=run.id)
        return found


class Interrupted:
    """A worker reads in a thread, slowly; the test does something in the middle."""

    def __init__(self, works: Works, vendor: Vendor) -> None:
        self.works = works
        vendor.order("/latency", ms=150)
        self.thread = threading.Thread(target=self._drain)

    def _drain(self) -> None:
        try:
            self.works.drain()
        finally:
            databases.close_all()

    def after_pages(self, run: SyncRun, deed: Callable[[], None]) -> SyncRun:
        self.thread.start()
        until = timezone.now() + timedelta(seconds=30)
        while now(self.works, run).done == 0:
            assert timezone.now() < until
        deed()
        self.thread.join(60)
        return now(self.works, run)
