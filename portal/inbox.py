"""What one person has been told: the list, how much of it is unread, and what reading changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from portal import clock, cursor
from portal.cursor import Page
from portal.models import Receipt

COUNTED = 100  # a bell says "99+"
MOST_SUBJECTS = 200


@dataclass(frozen=True, slots=True)
class Filter:
    """What the list is narrowed to."""

    unread: bool = False
    kind: str = ""
    about: UUID | None = None

    @property
    def is_set(self) -> bool:
        return self.unread or bool(self.kind or self.about)


def unread(user_id: UUID) -> int:
    """How many notices the person has not read, counted up to a hundred.

    The join leaves out those of teams that they may no longer see.
    """
    found = Receipt.objects.filter(
        user_id=user_id, read_at=None, notice__opened_at__isnull=False
    ).values("id")
    return len(found[:COUNTED])


def page(user_id: UUID, wanted: Filter, *, at: str = "") -> Page[Receipt]:
    """The person's notices, the newest first."""
    found = _matching(user_id, wanted).select_related("notice")
    return cursor.page(found, by=("-created_at", "-id"), cursor=at)


def kinds_of(user_id: UUID) -> list[str]:
    """The kinds that the person has notices of."""
    found = Receipt.objects.filter(user_id=user_id).values_list("notice__kind", flat=True)
    return sorted(set(found.distinct()))


def subjects_of(user_id: UUID) -> list[tuple[UUID, str]]:
    """What the person's notices are about, by name."""
    found = (
        Receipt.objects.filter(user_id=user_id, notice__subject_id__isnull=False)
        .values_list("notice__subject_id", "notice__subject_name")
        .distinct()
    )
    by_id = dict(found[:MOST_SUBJECTS])
    return sorted(by_id.items(), key=lambda one: one[1].lower())


def read(user_id: UUID, receipt_id: UUID) -> Receipt:
    """The person has read it; raises Receipt.DoesNotExist for anybody else's."""
    found: Receipt = Receipt.objects.select_related("notice").get(id=receipt_id, user_id=user_id)
    _read(Receipt.objects.filter(id=found.id))
    return found


def read_all(user_id: UUID, wanted: Filter) -> int:
    """The person has read all that match; returns how many were unread."""
    ids = list(_matching(user_id, wanted).filter(read_at=None).values_list("id", flat=True))
    return _read(Receipt.objects.filter(id__in=ids))


def _read(receipts: QuerySet[Receipt]) -> int:
    """Who reads it has been told; a mail that was not sent yet is not sent any more."""
    now = clock.now()
    receipts.filter(told_at=None).update(told_at=now)
    return receipts.filter(read_at=None).update(read_at=now)


def _matching(user_id: UUID, wanted: Filter) -> QuerySet[Receipt]:
    narrowed: dict[str, Any] = {"user_id": user_id, "notice__opened_at__isnull": False}
    if wanted.unread:
        narrowed["read_at"] = None
    if wanted.kind:
        narrowed["notice__kind"] = wanted.kind
    if wanted.about:
        narrowed["notice__subject_id"] = wanted.about
    found: QuerySet[Receipt] = Receipt.objects.filter(**narrowed)
    return found
