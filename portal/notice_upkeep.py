"""What is done for notices once a day: old ones go, and what was left waiting is looked at."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import Q

from portal import clock, everybody, gathering, tenancy, work
from portal.models import Dispatch, Notice, Receipt, Severity

KEPT_FOR = timedelta(days=90)
OPEN_FOR = timedelta(days=365)
LEFT_FOR = timedelta(hours=1)
AT_ONCE = 500


@work.every("notices.upkeep", 24 * 3600)
def tidy() -> None:
    """Organization by organization, each in transactions of its own."""
    everybody.for_each(everybody.organizations(), _tidy)


def _tidy() -> None:
    with tenancy.transaction():
        look_again()
    while purge_some() == AT_ONCE:
        pass


def look_again() -> None:
    """People whose notices wait, for instance because their address works again, get them."""
    left = Receipt.objects.filter(
        wanted=True,
        dispatch=None,
        told_at=None,
        notice__resolved_at=None,
        created_at__lt=clock.now() - LEFT_FOR,
    )
    for user_id in left.values_list("user_id", flat=True).distinct():
        gathering.again(user_id)


def purge_some() -> int:
    """Delete some of what was over or news a quarter ago, or open for a year; returns how many."""
    now = clock.now()
    before = now - KEPT_FOR
    with tenancy.transaction():
        old = Notice.objects.filter(
            Q(resolved_at__lt=before)
            | Q(severity=Severity.NEWS, opened_at__lt=before)
            | Q(opened_at__lt=now - OPEN_FOR)
        )
        ids = list(old.order_by("opened_at").values_list("id", flat=True)[:AT_ONCE])
        Notice.objects.filter(answers_id__in=ids).update(answers=None)
        Notice.objects.filter(id__in=ids).delete()
        Dispatch.objects.filter(created_at__lt=before, receipts=None).delete()
    return len(ids)
