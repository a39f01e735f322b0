"""Whether a vendor deserves belief now, and how fast its token endpoint may be asked.

An incident at a vendor refuses everybody: one breaker for each connector and host notices it from
what came of the last minutes (trust.md §5.5). While it is not closed no refusal is believed, and
one grant is tried each half minute. A server that people run themselves has breakers of its own.
Rows of the platform, so: outside transactions.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import log2
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db.models import Q, QuerySet

from connections.flows.failures import Window
from connections.flows.server_failures import ServerWindow
from connections.flows.vendors import Where
from connections.lineage import CALM_FOR
from connections.models import Breaker
from portal import clock, tenancy

log = logging.getLogger(__name__)

PROBE_EVERY: Final = timedelta(seconds=30)
GOOD_PROBES: Final = 3
FIRST_RATE: Final = 1.0  # a second, when it begins to open again
DOUBLES_EVERY: Final = timedelta(seconds=10)
SETTLES_IN: Final = timedelta(seconds=40)  # what was under way when it opened proves nothing

State = Breaker.State


@dataclass(frozen=True, slots=True)
class Stance:
    """Whether any of its breakers is not closed, and when one opened last."""

    is_open: bool = False
    opened_at: datetime | None = None


def stance(where: Where) -> Stance:
    """How we stand to it now. Call it inside a transaction of any organization."""
    rows = list(_rows(where).values_list("state", "opened_at"))
    openings = [opened_at for _, opened_at in rows if opened_at is not None]
    return Stance(any(state != State.CLOSED for state, _ in rows), max(openings, default=None))


def is_open(where: Where) -> bool:
    """Whether its refusals are not believed now. Call it inside a transaction."""
    return stance(where).is_open


def because(where: Where) -> str | None:
    """Why it is asked slowly now; None when it is not. Call it inside a transaction."""
    troubled = _rows(where).exclude(state=State.CLOSED).order_by("-opened_at")
    known: str | None = troubled.values_list("because", flat=True).first()
    return known


def _rows(where: Where) -> QuerySet[Breaker]:
    """The platform's rows: row security shows them to everybody."""
    found: QuerySet[Breaker] = Breaker.everywhere.filter(
        organization_id=tenancy.PLATFORM, connector=where.connector, server=where.server
    )
    return found


# ── What came of asking ───────────────────────────────────────────────────────────────────────


def note(
    where: Where,
    host: str,
    *,
    good: Collection[UUID] = (),
    refused: Collection[UUID] = (),
    faults: Collection[UUID] = (),
) -> None:
    """These connections of the acting organization were answered so; the breaker may open by it.

    `host` is one of the two that it has. Call it before what was refused is settled: so the
    incident is noticed first.
    """
    if where.server:
        faults = ()
    if not (good or refused or faults):
        return
    organization_id = tenancy.organization_id()
    if not refused and not faults and not _is_watching(where, host, organization_id):
        return
    with _held(where, host) as row:
        window = _window(row)
        window.add(organization_id, good=good, refused=refused, faults=faults)
        row.window = window.entries
        _turn(row, window, good=bool(good), failing=organization_id if refused or faults else None)


def _window(row: Breaker) -> Window | ServerWindow:
    of = ServerWindow if row.server else Window
    return of(row.window, now=clock.now())


def _is_watching(where: Where, host: str, organization_id: UUID) -> bool:
    """Whether a good answer matters now: after failures, until it is closed, and once a minute.

    One of a server matters after failures only.
    """
    with tenancy.elsewhere(tenancy.PLATFORM), tenancy.transaction():
        row = Breaker.objects.filter(connector=where.connector, host=host).first()
        if row is None:
            return not where.server
        return row.state != State.CLOSED or _window(row).wants(organization_id)


def _turn(row: Breaker, window: Window | ServerWindow, *, good: bool, failing: UUID | None) -> None:
    now = clock.now()
    if row.state == State.CLOSED:
        because = window.storm()
        if because:
            _open(row, because, now)
    elif row.state == State.OPEN:
        _probed(row, window, good=good, failing=failing)
    elif window.is_failing_again():
        log.error("breaker.opened_again", extra=_named(row))
        row.state, row.probed_at, row.good_probes = State.OPEN, now, 0


def _open(row: Breaker, because: str, now: datetime) -> None:
    log.error("breaker.opened", extra=_named(row) | {"because": because})
    if not row.because:  # else the last incident's end has not been told yet: it goes on
        row.told_at = None
    row.state, row.because, row.opened_at = State.OPEN, because, now
    row.probed_at, row.good_probes = now, 0


def _probed(
    row: Breaker, window: Window | ServerWindow, *, good: bool, failing: UUID | None
) -> None:
    """Three good answers in a row, and it begins to close.

    One organization that fails while others do well breaks no row: its consumer or its people may
    be the reason. Who did well stays known, so that its failures do not open it again either.
    """
    now, settled_at = clock.now(), (row.opened_at or clock.now()) + SETTLES_IN
    probes = window.since(settled_at)
    if failing is not None and probes.confirms(failing):
        row.good_probes = 0
    elif good and now >= settled_at:
        row.good_probes += 1
    if row.good_probes >= GOOD_PROBES:
        log.warning("breaker.half_open", extra=_named(row))
        row.state, row.probed_at, row.window = State.HALF_OPEN, now, probes.good_only()
        row.rate, row.tokens, row.filled_at = FIRST_RATE, 0.0, now


# ── How fast we may ask ───────────────────────────────────────────────────────────────────────


def take(where: Where, wanted: int) -> int:
    """How many grants may be asked about now, at most `wanted`; the rest comes later."""
    if wanted <= 0:
        return 0
    with _held(where, where.token_host) as row:
        now = clock.now()
        _settle(row, now)
        if row.state == State.OPEN:
            return _probe(row, now)
        row.rate = rate(row, now)
        passed = max(0.0, (now - row.filled_at).total_seconds())
        row.tokens = min(max(row.rate, 1.0), row.tokens + passed * row.rate)
        row.filled_at = now
        granted = min(wanted, int(row.tokens))
        row.tokens -= granted
        return granted


def rate(row: Breaker, now: datetime) -> float:
    """Grants a second: the normal rate, or while half open one that doubles every ten seconds."""
    if row.state != State.HALF_OPEN or row.probed_at is None:
        return float(row.normal_rate)
    doublings = max(now - row.probed_at, timedelta()) / DOUBLES_EVERY
    return float(min(row.normal_rate, FIRST_RATE * 2 ** min(doublings, 30)))


def _probe(row: Breaker, now: datetime) -> int:
    if row.probed_at is not None and now - row.probed_at < PROBE_EVERY:
        return 0
    row.probed_at = now
    return 1


def _settle(row: Breaker, now: datetime) -> None:
    """Half open long enough without a relapse: closed."""
    if row.state != State.HALF_OPEN or row.probed_at is None:
        return
    ramp = DOUBLES_EVERY * log2(max(row.normal_rate / FIRST_RATE, 1.0))
    if now - row.probed_at >= max(CALM_FOR, ramp):
        log.warning("breaker.closed", extra=_named(row))
        row.state, row.window, row.good_probes = State.CLOSED, [], 0


def settle_all() -> list[Breaker]:
    """The breakers of incidents that go on or whose end is untold, as they are now.

    Those that were calm long enough are closed.
    """
    with tenancy.elsewhere(tenancy.PLATFORM), tenancy.transaction():
        concerned = Breaker.objects.exclude(Q(state=State.CLOSED) & Q(because=""))
        rows = list(concerned.select_for_update().order_by("id"))
        for row in rows:
            before = row.state
            _settle(row, clock.now())
            if row.state != before:
                row.save()
        return rows


def forget(row: Breaker) -> None:
    """What was known of a server that nobody has a connection to any more is gone."""
    with tenancy.elsewhere(tenancy.PLATFORM), tenancy.transaction():
        Breaker.objects.filter(id=row.id).exclude(server="").delete()


@contextmanager
def _held(where: Where, host: str) -> Iterator[Breaker]:
    """The row, locked; it is saved when the block ends. It is made when it was not there."""
    normal = float(settings.REFRESH_PER_SECOND)
    fresh = {"rate": normal, "normal_rate": normal, "tokens": normal, "filled_at": clock.now()}
    with tenancy.elsewhere(tenancy.PLATFORM), tenancy.transaction():
        known = Breaker.objects.select_for_update().filter(connector=where.connector, host=host)
        row = known.first()
        if row is None:
            named = {"connector": where.connector, "server": where.server, "host": host}
            made = Breaker(organization_id=tenancy.PLATFORM, **named, **fresh)
            Breaker.objects.bulk_create([made], ignore_conflicts=True)
            row = known.get()
        row.normal_rate = normal
        yield row
        row.save()


def _named(row: Breaker) -> dict[str, str]:
    return {"connector": row.connector, "vendor_host": row.host}
