"""Ask the vendor whose account each credential of an import is: many at once, at a steady pace.

Threads call the vendor and nothing else; the worker's own thread opens and writes.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import chain
from typing import Final
from uuid import UUID

from django.db.models import QuerySet

from connections import access, exchanging, looked_up, places
from connections.access import Way
from connections.budgets import Purpose
from connections.contracts import Identity, MethodKind, TokenAnswer
from connections.errors import Blocked, ReauthorizationRequired, Unavailable, VendorError
from connections.flows import budget, counted, hosts
from connections.models import ImportRow
from portal import clock, intake_many, vault
from portal.secret import Secret

TOKEN, REFRESH = "token", "refresh_token"
ENDED_WITHOUT: Final = (
    ImportRow.Outcome.SKIPPED,
    ImportRow.Outcome.FAILED,
    ImportRow.Outcome.CANCELLED,
)
GRANT_USED: Final = "grant_used"
NOTHING_LEFT: Final = (ReauthorizationRequired.code, GRANT_USED)
MOST_CREDIT_SECONDS: Final = 3.0
AT_ONCE: Final = 16  # the pace, not this, spares the vendor


class SecretGone(VendorError):
    """What the file brought waited for longer than it may, or does not open any more."""

    code = "expired"


class Brownout(Unavailable):
    """It was refused in weeks in which the vendor refuses all of its kind now and then."""


@dataclass(slots=True)
class Asked:
    """One row with what it brought, and what the vendor said. Secrets are in no repr.

    `exchanged` is what the file brought where `secret` is the access token that was given for it.
    """

    row: ImportRow
    way: Way | None
    secret: Secret | None = field(default=None, repr=False)
    refresh: Secret | None = field(default=None, repr=False)
    exchanged: Secret | None = field(default=None, repr=False)
    expires_at: datetime | None = None
    identity: Identity | None = None
    error: VendorError | None = None
    tally: counted.Tally = field(default_factory=counted.Tally)


class Pace:
    """So many calls a second begin, whatever threads there are.

    What was not asked while answers were written may be asked faster, for three seconds at most.
    """

    def __init__(self, per_second: float) -> None:
        self._gap = 1 / per_second
        self._next = time.monotonic()
        self._lock = threading.Lock()

    def wait(self) -> None:
        """Return when it is this caller's turn."""
        with self._lock:
            at = max(self._next, time.monotonic() - MOST_CREDIT_SECONDS)
            self._next = at + self._gap
        time.sleep(max(0.0, at - time.monotonic()))


def opened(rows: Sequence[ImportRow]) -> list[Asked]:
    """Each row with its way and its secrets. Call it inside a transaction."""
    fields = (TOKEN, REFRESH)
    wanted = [places.of_import(r.organization_id, r.id, name) for r in rows for name in fields]
    waiting = intake_many.waiting_many(wanted)
    return [_opened(row, waiting) for row in rows]


def _opened(row: ImportRow, waiting: dict[vault.Place, Secret]) -> Asked:
    asked = Asked(row=row, way=None, expires_at=row.expires_at)
    try:
        asked.way = access.way_by(row.connector, row.method, row.fields, row.consumer)
    except (KeyError, Blocked) as error:  # the product or its address is no longer allowed here
        asked.error = error if isinstance(error, Blocked) else SecretGone()
    for name in (TOKEN, REFRESH):
        place = places.of_import(row.organization_id, row.id, name)
        kept = access.opened(place) if row.refreshable and vault.holds(place) else None
        found = kept or waiting.get(place)
        if name == TOKEN:
            asked.secret = found
        elif row.refreshable:
            asked.refresh = found
    if asked.secret is None or (row.refreshable and asked.refresh is None):
        asked.error = asked.error or SecretGone()
    return asked


class Asking:
    """Threads that ask the vendor about rows, while the worker's own thread settles others."""

    def __init__(self, pace: Pace) -> None:
        self.pace = pace
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="import")

    def __enter__(self) -> Asking:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def begin(self, many: Sequence[Asked]) -> list[Future[None]]:
        """The rows are being asked about from now on."""
        return [self._pool.submit(identify, one, self.pace) for one in many]


def identify(one: Asked, pace: Pace) -> None:
    """The row has the vendor's answer, or the error that took its place."""
    if one.error is not None or one.way is None or one.secret is None:
        return
    pace.wait()
    began = time.monotonic()
    try:
        one.way = looked_up.completed(one.way)
        given = _exchange(one) if one.way.method.kind is MethodKind.EXCHANGED else None
        api = one.way.api(one.secret, on_send=one.tally.send)
        found = one.way.connector.identify(api, one.way.fields, one.way.method)
        if given is not None and found.scopes is None:
            found = replace(found, scopes=given.scopes)
        one.identity = found
    except VendorError as error:
        one.error = hosts.first_contact(one.way.place, error, began)
        refused = isinstance(one.error, ReauthorizationRequired)
        if refused and one.way.method.fails_at_times(clock.now()):
            one.error = Brownout(one.error.detail)


def _exchange(one: Asked) -> TokenAnswer:
    """What the file brought is shown, and an access token is there in its place."""
    assert one.way is not None and one.secret is not None
    vocabulary, manifest = one.way.method.vocabulary, one.way.manifest
    wanted = [manifest.capability(key).scopes.get(vocabulary, ()) for key in one.row.capabilities]
    given = exchanging.exchanged(one.way, one.secret, scopes=frozenset(chain(*wanted)))
    one.exchanged, one.secret = one.secret, Secret(given.access_token)
    one.expires_at = clock.now() + timedelta(seconds=given.expires_in_seconds)
    return given


def charge(many: Sequence[Asked]) -> None:
    """What was asked as accounts that are known now counts for them; outside transactions.

    Whose a refused credential is, nobody says: its request counts for no account of ours.
    """
    made: Counter[budget.Account] = Counter()
    for one in many:
        if one.way is not None and one.identity is not None:
            made[counted.account_at(one.way, one.identity.account.remote_id)] += one.tally.taken()
    budget.charge(+made, Purpose.WAITING)


LOOK_AGAIN_SECONDS: Final = 30


def wait_seconds(error: VendorError) -> float:
    """How long the vendor wants to be left alone."""
    return float(getattr(error, "retry_after_seconds", None) or LOOK_AGAIN_SECONDS)


def keeps(row: ImportRow) -> bool:
    """Whether what its spent refresh token gave is worth keeping, to be tried again."""
    ended_so = row.outcome in ENDED_WITHOUT and row.code not in NOTHING_LEFT
    return row.renewed_at is not None and ended_so


def kept(batch_id: UUID) -> QuerySet[ImportRow]:
    """The ended rows for which a renewed grant is still sealed."""
    rows: QuerySet[ImportRow] = ImportRow.objects.filter(
        batch_id=batch_id, renewed_at__isnull=False, outcome__in=ENDED_WITHOUT
    ).exclude(code__in=NOTHING_LEFT)
    return rows


def to_forget(rows: QuerySet[ImportRow]) -> QuerySet[ImportRow]:
    """The rows with what `forget` and `erase` need of them: a bad value elsewhere stops neither."""
    return rows.only("id", "organization_id", "refreshable", "renewed_at", "outcome", "code")


def forget(rows: Sequence[ImportRow]) -> None:
    """Nothing waits for these rows any more; what is sealed is gone, but where it `keeps`.

    Call it inside a transaction.
    """
    intake_many.discard_many(places.IMPORTS, [row.id for row in rows])
    erase([row for row in rows if row.refreshable and not keeps(row)])


def erase(rows: Sequence[ImportRow]) -> None:
    """Nothing is sealed for these rows any more. Call it inside a transaction."""
    for row in rows:
        for name in (TOKEN, REFRESH):
            vault.forget(places.of_import(row.organization_id, row.id, name))
