"""The time that schedules go by: real time, plus an offset that tests and proofs may set.

Refresh, health, budgets and notices ask `now()` and hand it to SQL as a parameter, so that a proof
can let an hour pass while the code that runs is the real one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone

_NO_SHIFT = timedelta()
_shift = _NO_SHIFT


def now() -> datetime:
    """This moment, in UTC, for everything that is scheduled."""
    return timezone.now() + _shift


def shift(by: timedelta) -> None:
    """Let this process believe that so much time has passed, on top of earlier shifts.

    Raises ImproperlyConfigured in production: there time passes by itself.
    """
    global _shift
    if settings.PRODUCTION:
        raise ImproperlyConfigured("The clock cannot be shifted in production.")
    _shift += by


def reset() -> None:
    """Real time again."""
    global _shift
    _shift = _NO_SHIFT


@contextmanager
def shifted(by: timedelta) -> Iterator[None]:
    """The block happens that much later; afterwards the clock is as it was."""
    global _shift
    before = _shift
    shift(by)
    try:
        yield
    finally:
        _shift = before
