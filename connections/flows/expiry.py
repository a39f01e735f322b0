"""Warnings before something ends: at thirty, fourteen, seven and one day, each once.

Credentials that do not renew themselves and keys of other services.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial
from math import ceil

from connections.flows import telling, telling_due, told_kinds
from connections.models import Connection, Credential, ServiceKey
from portal import clock, everybody, notices, tenancy, work
from portal.models import Notice

MARKS = (1, 7, 14, 30)
LAST = timedelta(days=MARKS[-1])
KINDS = (told_kinds.EXPIRES, told_kinds.KEY_EXPIRES)

Warning = tuple[str, Callable[[], None]]  # the cause, and what tells of it


@work.every("connections.expiry", 3600)
def warn_everybody() -> None:
    """Every organization's warnings are as its credentials and keys are now."""
    everybody.for_each(everybody.organizations(), _warn)


def _warn() -> None:
    with tenancy.transaction():
        warn()


def warn() -> None:
    """The acting organization's: one open warning for each that ends, and none that is over."""
    now = clock.now()
    due = dict([*_credentials(now), *_keys(now)])
    still_open = Notice.objects.filter(kind__in=KINDS, resolved_at=None)
    for cause in still_open.values_list("dedupe", flat=True):
        if cause not in due:
            notices.resolve(cause)
    for tell in due.values():
        tell()


def mark_of(expires_at: datetime, now: datetime) -> int:
    """Which of the warnings it is time for."""
    return next(mark for mark in MARKS if expires_at - now <= timedelta(days=mark))


def days_left(at: datetime, now: datetime) -> int:
    """How many days are left, the day that has begun included."""
    return ceil((at - now) / timedelta(days=1))


def _credentials(now: datetime) -> Iterator[Warning]:
    """Those in use that end within thirty days and cannot renew themselves."""
    found = Credential.objects.select_related("connection").filter(
        replaced_at=None,
        refreshable=False,
        expires_at__gt=now,
        expires_at__lte=now + LAST,
        connection__paused_at=None,
    )
    for one in found.exclude(connection__state=Connection.State.REVOKED):
        assert one.expires_at is not None
        cause = telling.expiry(one.connection, mark_of(one.expires_at, now))
        days = days_left(one.expires_at, now)
        yield cause, partial(telling.expires, one.connection, days, cause)


def _keys(now: datetime) -> Iterator[Warning]:
    """Keys of services that end within thirty days, frozen ones too."""
    found = ServiceKey.objects.filter(
        revoked_at=None, expires_at__gt=now, expires_at__lte=now + LAST
    )
    for key in found:
        assert key.expires_at is not None
        cause = telling_due.key_expiry(key, mark_of(key.expires_at, now))
        days = days_left(key.expires_at, now)
        yield cause, partial(telling_due.key_expires, key, days, cause)
