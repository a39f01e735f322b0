"""A real backup is restored, from 8 minutes ago and from a day ago; what the vendor sees counts.

PostgreSQL's own tools make and restore the backup; the clock between is simulated for us and for
the vendor. After 8 minutes every grant must go on. After a day no spent refresh token may be sent,
the list of what is held back must be exact, and its people must be told within 5 minutes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from django.db import connections
from django.test import override_settings

from connections.flows import restore, told_kinds
from connections.models import Connection, Credential, HeldBack
from portal import backups, clock, roles, work
from portal.models import Notice, Receipt
from tests.prove import crowd
from tests.prove.crowd import Linked
from tests.prove.grants import looked_at
from tests.prove.stage import Stage
from tests.prove.told import Claim, Told

LIFE = 3600
RECENT, LONG_AGO = timedelta(minutes=8), timedelta(hours=24)
TOLD_WITHIN = 300


def prove(stage: Stage, *, short: bool) -> Told:
    count = 60 if short else 3000
    marks = str(stage.folder / "high_water.sqlite3")
    with override_settings(HIGH_WATER_FILE=marks, REFRESH_PER_SECOND=1000):
        try:
            linked = crowd.gather(stage, stage.works.acme, count, life_seconds=LIFE)
            recent = from_minutes_ago(stage, linked)
            old = from_a_day_ago(stage, linked)
        finally:
            clock.reset()
    tried = f"{count} grants, two backups made by pg_dump and restored by pg_restore"
    rows, claims = [*recent[0], *old[0]], [*recent[1], *old[1]]
    return Told(tried, ("restored from", "counted", "number"), rows, claims)


Part = tuple[list[list[object]], list[Claim]]


def from_minutes_ago(stage: Stage, linked: list[Linked]) -> Part:
    """Every grant is refreshed after the backup, and the restored database has the parents."""
    with backup(stage) as made:
        refresh(stage, linked)
        advance(stage, RECENT.total_seconds())
        put_back(stage, made)
    found = at_the_next_start(stage)
    for _ in range(4):
        advance(stage, 10)
    advance(stage, 660)  # the grace of whatever was spent is over
    lost = [one for one, works in zip(linked, living(stage, linked), strict=True) if not works]
    rows: list[list[object]] = [["8 minutes ago", "asked again with the same parent", len(found)]]
    return rows, [
        Claim("8 minutes: every grant is asked again", len(found) == len(linked), len(found)),
        Claim("8 minutes: no grant is lost", not lost, len(lost)),
        Claim("8 minutes: nothing is held back", not held_back(stage), len(held_back(stage))),
    ]


def from_a_day_ago(stage: Stage, linked: list[Linked]) -> Part:
    """Two of three grants were refreshed since the backup; the third ones slept."""
    sleeping = linked[::3]
    spent = [one for one in linked if one not in sleeping]
    with backup(stage) as made:
        refresh(stage, spent)
        advance(stage, LONG_AGO.total_seconds())
        put_back(stage, made)
    before = stage.vendor.ask("/calls")
    at_the_next_start(stage)
    began = clock.now()
    due(stage, linked)
    while (clock.now() - began).total_seconds() < TOLD_WITHIN:
        advance(stage, 10)
    after, held = stage.vendor.ask("/calls"), held_back(stage)
    calls = {name: after[name] - before[name] for name in ("issued", "refused")}
    exact = held == {one.connection_id for one in spent}
    told, asked = notices(stage)
    rows: list[list[object]] = [
        ["24 hours ago", "spent since, held back", len(held)],
        ["24 hours ago", "slept since, refreshed as usual", calls["issued"]],
        ["24 hours ago", "refusals by the vendor", calls["refused"]],
    ]
    return rows, [
        Claim("24 hours: no spent token is sent", calls["refused"] == 0, calls["refused"]),
        Claim("24 hours: the list is exact", exact, f"{len(held)} of {len(spent)}"),
        Claim("24 hours: what slept goes on", calls["issued"] == len(sleeping), calls["issued"]),
        Claim("24 hours: a link is asked for each", asked == len(spent), asked),
        Claim("24 hours: and asked for once", asked_twice(stage) == 0, asked_twice(stage)),
        Claim("24 hours: everybody is told within 5 minutes", told == asked, told),
        Claim("24 hours: who must link again is shown so", waiting(stage) == len(spent)),
    ]


# ── The scene ─────────────────────────────────────────────────────────────────────────────────


@contextmanager
def backup(stage: Stage) -> Iterator[Path]:
    made = stage.folder / "backup"
    at = backups.server("postgres")
    at.run("pg_dump", "--format=custom", "--file", str(made), stage.database)
    yield made
    made.unlink()


def put_back(stage: Stage, made: Path) -> None:
    """The database is as it was; nothing outside it is."""
    at, name = backups.server("postgres"), stage.database
    connections.close_all()
    at.run("dropdb", "--force", name)
    at.run("createdb", "--template=template0", "--encoding=UTF8", name)
    at.run("pg_restore", "--exit-on-error", "--dbname", name, str(made))


def at_the_next_start(stage: Stage) -> list[restore.Behind]:
    with roles.using_role("worker"):
        return restore.settle()


def advance(stage: Stage, seconds: float) -> None:
    """It is later for us and for the vendor, and a worker does what is due."""
    clock.shift(timedelta(seconds=seconds))
    stage.vendor.order("/clock", advance=seconds)
    with roles.using_role("worker"):
        work.sweep()


def refresh(stage: Stage, linked: list[Linked]) -> None:
    due(stage, linked)
    advance(stage, 15)


def due(stage: Stage, linked: list[Linked]) -> None:
    with roles.using_role("worker"), stage.works.inside():
        ids = [one.credential_id for one in linked]
        asleep = Credential.objects.exclude(id__in=ids)
        asleep.update(refresh_due_at=clock.now() + timedelta(days=30))
        wanted = Credential.objects.filter(id__in=ids, quarantined_at=None)
        wanted.update(refresh_due_at=clock.now())


# ── Counting ──────────────────────────────────────────────────────────────────────────────────


def living(stage: Stage, linked: list[Linked]) -> list[bool]:
    """Whether the vendor would accept the refresh token that we hold of each."""
    tokens = crowd.held(stage, linked)
    return looked_at(stage.vendor, *(tokens[one.credential_id]["refresh"] for one in linked))


def held_back(stage: Stage) -> set[UUID]:
    with stage.works.inside():
        return set(HeldBack.objects.values_list("connection_id", flat=True))


def waiting(stage: Stage) -> int:
    with stage.works.inside():
        needs = Connection.objects.filter(state=Connection.State.NEEDS_REAUTHORIZATION)
        return int(needs.count())


def asked_twice(stage: Stage) -> int:
    """How many notices say for another reason what the restore's own notice has said."""
    also = (told_kinds.REFUSED, told_kinds.NEEDS_LINK)
    with roles.using_role("worker"), stage.works.inside():
        return int(Notice.objects.filter(kind__in=also).count())


def notices(stage: Stage) -> tuple[int, int]:
    """Of how many connections everybody has been sent a message, and how many were told of."""
    with roles.using_role("worker"), stage.works.inside():
        asked = Notice.objects.filter(kind=told_kinds.RESTORED)
        unsent = Receipt.objects.filter(notice__in=asked, wanted=True, told_at=None)
        return asked.count() - unsent.values("notice_id").distinct().count(), asked.count()
