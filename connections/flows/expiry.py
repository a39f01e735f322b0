"""Warnings before a credential ends: at thirty, fourteen, seven and one day, each once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from math import ceil

from connections.flows import telling, told_kinds
from connections.models import Connection, Credential
from portal import clock, everybody, notices, tenancy, work
from portal.models import Notice

MARKS = (1, 7, 14, 30)
LAST = timedelta(days=MARKS[-1])


@work.every("connections.expiry", 3600)
def warn_everybody() -> None:
    """Every organization's warnings are as its credentials are now."""
    everybody.for_each(everybody.organizations(), _warn)


def _warn() -> None:
    with tenancy.transaction():
        warn()


def warn() -> None:
    """The acting organization's: one open warning for each credential, and none that is over."""
    now = clock.now()
    due = {
        telling.expiry(connection, mark_of(at, now)): (connection, at)
        for connection, at in _ending(now)
    }
    still_open = Notice.objects.filter(kind=told_kinds.EXPIRES, resolved_at=None)
    for cause in still_open.values_list("dedupe", flat=True):
        if cause not in due:
            notices.resolve(cause)
    for cause, (connection, at) in due.items():
        telling.expires(connection, ceil((at - now) / timedelta(days=1)), cause)


def mark_of(expires_at: datetime, now: datetime) -> int:
    """Which of the warnings it is time for."""
    return next(mark for mark in MARKS if expires_at - now <= timedelta(days=mark))


def _ending(now: datetime) -> Iterator[tuple[Connection, datetime]]:
    """Whose credential in use ends within thirty days and cannot renew itself, and when."""
    found = Credential.objects.select_related("connection").filter(
        replaced_at=None,
        refreshable=False,
        expires_at__gt=now,
        expires_at__lte=now + LAST,
        connection__paused_at=None,
    )
    for credential in found.exclude(connection__state=Connection.State.REVOKED):
        assert credential.expires_at is not None
        yield credential.connection, credential.expires_at
