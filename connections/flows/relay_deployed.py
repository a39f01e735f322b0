"""Which commits a deployment brought: all since the one that last went well to the same place.

The issues that their messages name are deployed with it, not only those of the newest commit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from django.db.models.functions import Coalesce

from connections.models import Deployment
from portal import roles, tenancy

MOST: Final = 500  # commits of one deployment
BELOW: Final = 2000  # commits below the one before, which it did not bring
SUCCESSFUL: Final = "successful"
_WALK: Final = """
WITH RECURSIVE walk(hash, parents) AS (
    SELECT remote_id, parents FROM connections_commit
     WHERE organization_id = %(organization)s AND repository_id = %(repository)s
       AND remote_id = %(commit)s
     UNION
    SELECT c.remote_id, c.parents FROM walk w
      JOIN connections_commit c ON c.organization_id = %(organization)s
       AND c.repository_id = %(repository)s AND c.remote_id = ANY (w.parents))
SELECT hash FROM walk LIMIT %(most)s
"""


def brought(row: Deployment) -> list[str]:
    """Hashes, nearest first; that of the deployed commit alone where none went well before."""
    before = _before(row)
    if before is None or not row.commit:
        return [row.commit]
    known = set(_below(row.repository_id, before, BELOW))
    new = [each for each in _below(row.repository_id, row.commit, MOST) if each not in known]
    return new or [row.commit]


def repeated(repository_id: UUID, runs: Sequence[str]) -> set[str]:
    """Deployments of these runs that were done again to the same environment: a later one, which
    has the number of the same run, stands for them."""
    rows: Any = Deployment.objects.filter(
        repository_id=repository_id, pipeline_remote_id__in=list(runs), gone_at=None
    )
    begun = rows.order_by(Coalesce("started_at", "remote_updated_at").asc(nulls_first=True), "id")
    listed = list(begun.values_list("pipeline_remote_id", "environment", "remote_id"))
    last = {(run, environment): remote_id for run, environment, remote_id in listed}
    return {each for _, _, each in listed} - set(last.values())


def _before(row: Deployment) -> str | None:
    """The commit of the last deployment to the same environment that ended before this began."""
    began = row.started_at or row.completed_at or row.remote_updated_at
    if began is None:
        return None
    rows: Any = Deployment.objects.filter(
        repository_id=row.repository_id,
        environment=row.environment,
        state=SUCCESSFUL,
        gone_at=None,
    )
    dated = rows.exclude(id=row.id).annotate(
        ended=Coalesce("completed_at", "remote_updated_at", "started_at")
    )
    earlier = dated.filter(ended__lte=began).order_by("-ended").values_list("commit", flat=True)
    found: str | None = earlier.first()
    return found or None


def _below(repository_id: UUID, commit: str, most: int) -> list[str]:
    """The commit and those below it that are held."""
    facts: dict[str, Any] = {
        "organization": tenancy.organization_id(),
        "repository": repository_id,
        "commit": commit,
        "most": most,
    }
    with roles.connection().cursor() as cursor:
        cursor.execute(_WALK, facts)
        return [row[0] for row in cursor.fetchall()]
