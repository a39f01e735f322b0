"""What the last verification of a connection found not possible, by its worst check."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import CharField
from django.db.models.expressions import RawSQL
from django.utils import timezone

from connections.models import Connection

# Every connection is verified at least once a week, so an older outcome says nothing of today.
_TOLD_WITHIN = timedelta(days=8)
_UNNAMED = "vendor_error"


@dataclass(frozen=True, slots=True)
class Lack:
    """The error code of the worst check, and what that check was about."""

    code: str
    what: str

    @classmethod
    def read(cls, column: str | None) -> Lack | None:
        """From the column `last_lack`; None when everything asked for is possible."""
        if not column:
            return None
        code, _, what = column.partition(" ")
        return cls(code or _UNNAMED, what)


def last_lack() -> RawSQL:
    """A column of connections for `Lack.read`; cheap for a page of them.

    The release before did not keep it with the verification: then it has no name.
    """
    return RawSQL(
        "SELECT CASE WHEN told.outcome = 'partly' THEN coalesce(told.lack, %s) ELSE '' END"
        " FROM connections_verification AS told"
        " WHERE told.organization_id = connections_connection.organization_id"
        " AND told.connection_id = connections_connection.id"
        " AND told.started_at >= %s AND told.finished_at IS NOT NULL"
        " ORDER BY told.started_at DESC LIMIT 1",
        [_UNNAMED, since()],
        output_field=CharField(),
    )


def lack_of(connection_id: UUID) -> Lack | None:
    """What the last verification of this connection found not possible."""
    found = Connection.objects.filter(id=connection_id).annotate(lack=last_lack())
    return Lack.read(found.values_list("lack", flat=True).first())


def since() -> datetime:
    """Verifications that began before say nothing of today."""
    return timezone.now() - _TOLD_WITHIN
