"""A list that the credential's scopes do not allow is learned of once, not once per repository.

Scopes belong to the credential. So what one repository's refusal says of a list holds for all of
the connection's repositories, and one of them, another each time, is asked whether it still does.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from django.db.models import Case, F, QuerySet, Value, When
from django.db.models.functions import Coalesce

from connections.errors import ScopeMissing
from connections.models import Credential, StreamStand, StreamState
from portal import clock

HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)


def is_lacking(state: StreamState) -> bool:
    """Whether it failed for want of a scope."""
    return state.error == ScopeMissing.code


def one_of_each(rows: Sequence[StreamState]) -> list[StreamState]:
    """Of the repositories' lists that lack a scope only one, the least often asked; all others."""
    first: dict[str, StreamState] = {}
    for row in sorted(filter(_is_one_of_many, rows), key=lambda row: row.attempts):
        first.setdefault(row.stream, row)
    return [row for row in rows if not _is_one_of_many(row) or first[row.stream] is row]


def _is_one_of_many(row: StreamState) -> bool:
    return row.repository_id is not None and is_lacking(row)


def withhold(state: StreamState) -> bool:
    """All repositories' lists of this kind have failed as this one has, and wait as long.

    False, with nothing changed, where the same credential read another of them within a day: then
    it is this repository's own trouble. Call it inside the transaction in which `state` failed.
    """
    now, others = clock.now(), _of_the_kind(state).exclude(id=state.id)
    if others.filter(last_success_at__gt=max(now - DAY, _since(state))).exists():
        return False
    failing_for = now - (state.failing_since or now)
    state.due_at = now + min(DAY, max(HOUR, failing_for))
    state.save(update_fields=["due_at"])
    others.update(
        stand=StreamStand.FAILING,
        error=state.error,
        error_detail=state.error_detail,
        failing_since=Coalesce(F("failing_since"), Value(now)),
        due_at=state.due_at,
        checkpoint=None,
        pass_id=None,
    )
    return True


def granted(state: StreamState) -> int:
    """What failed alike is read as well; how many lists that are. One of them was just read."""
    never_read = When(last_full_at=None, then=Value(StreamStand.NEW))
    same = _of_the_kind(state).exclude(id=state.id).filter(error=ScopeMissing.code)
    made: int = same.update(
        stand=Case(never_read, default=Value(StreamStand.CURRENT)),
        error="",
        error_detail="",
        failing_since=None,
        attempts=0,
        due_at=clock.now(),
    )
    return made


def _of_the_kind(state: StreamState) -> QuerySet[StreamState]:
    rows: QuerySet[StreamState] = StreamState.objects.filter(
        connection_id=state.connection_id, stream=state.stream, repository__isnull=False
    )
    return rows


def _since(state: StreamState) -> datetime:
    """From when on the credential in use was."""
    current = Credential.objects.filter(connection_id=state.connection_id, replaced_at=None)
    found: datetime | None = current.values_list("created_at", flat=True).first()
    return found or clock.now() - DAY
