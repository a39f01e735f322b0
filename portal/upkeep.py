"""What the portal does for itself every so often, whoever is here: old rows go."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from portal import everybody, schedules, tenancy, work
from portal.models import Heartbeat, Job

KEPT_FOR = timedelta(days=7)
SEEN_FOR = timedelta(days=1)
AT_ONCE = 500


@work.every("work.purge", 3600)
def purge() -> None:
    """Jobs that ended a week ago are gone, organization by organization."""
    everybody.for_each(everybody.organizations(), _purge)


def _purge() -> None:
    while purge_some() == AT_ONCE:
        pass


def purge_some() -> int:
    """Delete some of the acting organization's old jobs; returns how many."""
    before = timezone.now() - KEPT_FOR
    with tenancy.transaction():
        # Made before they ended: the index knows when a job was made.
        old = Job.objects.filter(created_at__lt=before, done_at__lt=before).order_by("-created_at")
        deleted: int = Job.objects.filter(
            id__in=list(old.values_list("id", flat=True)[:AT_ONCE])
        ).delete()[0]
    return deleted


@work.every("work.forget_processes", 3600)
def forget_processes() -> None:
    """Processes that were last seen a day ago, and schedules of former releases, are gone."""
    Heartbeat.objects.filter(seen_at__lt=timezone.now() - SEEN_FOR).delete()
    schedules.forget()
