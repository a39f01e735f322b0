"""Ask the vendor whose account each credential of an import is: many at once, at a steady pace.

Threads call the vendor and nothing else; the worker's own thread opens and writes.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from connections import access, places
from connections.access import Way, endpoint_of
from connections.contracts import Identity
from connections.errors import Blocked, ReauthorizationRequired, VendorError
from connections.flows import hosts
from connections.models import ImportRow
from portal import intake_many, tenancy, vault
from portal.secret import Secret
from portal.steps import step

TOKEN, REFRESH = "token", "refresh_token"
MOST_CREDIT_SECONDS: Final = 3.0
AT_ONCE: Final = 16  # the pace, not this, spares the vendor


class SecretGone(VendorError):
    """What the file brought waited for longer than it may, or does not open any more."""

    code = "expired"


@dataclass(slots=True)
class Asked:
    """One row with what it brought, and what the vendor said. Secrets are in no repr."""

    row: ImportRow
    way: Way | None
    secret: Secret | None = field(default=None, repr=False)
    refresh: Secret | None = field(default=None, repr=False)
    expires_at: datetime | None = None
    identity: Identity | None = None
    error: VendorError | None = None


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


def identify(many: Sequence[Asked], pace: Pace, still_here: Callable[[], None]) -> None:
    """Every row has the vendor's answer, or the error that took its place."""
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="import") as pool:
        for _ in pool.map(lambda one: _identify(one, pace), many):
            still_here()
    for one in many:
        if one.refresh is not None and isinstance(one.error, ReauthorizationRequired):
            _renewed(one, pace)


def _identify(one: Asked, pace: Pace) -> None:
    if one.error is not None or one.way is None or one.secret is None:
        return
    pace.wait()
    began = time.monotonic()
    try:
        api = one.way.api(one.secret)
        one.identity = one.way.connector.identify(api, one.row.fields, one.way.method)
    except VendorError as error:
        one.error = hosts.first_contact(one.way.place, error, began)


def _renewed(one: Asked, pace: Pace) -> None:
    """The access token had ended: its refresh token is spent, and the new ones sealed at once.

    Dying before they are sealed is what the vendor's grace is for: the next worker asks again.
    """
    assert one.way is not None and one.refresh is not None
    one.error = None
    try:
        endpoint = endpoint_of(one.way.manifest, one.row.consumer)
        answer = endpoint.refresh(refresh_token=one.refresh.reveal())
    except VendorError as error:
        one.error = error
        return
    one.secret = Secret(answer.access_token)
    one.refresh = Secret(answer.refresh_token) if answer.refresh_token else one.refresh
    row = one.row
    with tenancy.transaction():
        one.expires_at = row.expires_at = _from_now(answer.expires_in_seconds)
        vault.keep(places.of_import(row.organization_id, row.id, TOKEN), one.secret)
        vault.keep(places.of_import(row.organization_id, row.id, REFRESH), one.refresh)
        row.save(update_fields=["expires_at"])
    step("import.renewed")
    _identify(one, pace)


def _from_now(seconds: int) -> datetime:
    return datetime.now().astimezone() + timedelta(seconds=seconds)


LOOK_AGAIN_SECONDS: Final = 30


def wait_seconds(error: VendorError) -> float:
    """How long the vendor wants to be left alone."""
    return float(getattr(error, "retry_after_seconds", None) or LOOK_AGAIN_SECONDS)


def forget(rows: Sequence[ImportRow]) -> None:
    """Nothing waits or is sealed for these rows any more. Call it inside a transaction."""
    intake_many.discard_many(places.IMPORTS, [row.id for row in rows])
    for row in rows:
        if row.refreshable:
            for name in (TOKEN, REFRESH):
                vault.forget(places.of_import(row.organization_id, row.id, name))
