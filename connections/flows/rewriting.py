"""Which branches somebody rewrote: where they stood is not below where they stand any more.

Told only from commits that are held; where those do not tell, nothing is claimed.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from connections.models import Branch, Commit, Repository
from portal import clock, roles

FARTHEST: Final = 2000

# A parent that is not held may hide the former commit, unless what names it is older than that.
_BELOW = """
WITH RECURSIVE below (hash, parents, committed_at) AS (
    SELECT remote_id, parents, committed_at FROM connections_commit
     WHERE organization_id = %(organization)s AND repository_id = %(repository)s
       AND remote_id = %(target)s
    UNION
    SELECT c.remote_id, c.parents, c.committed_at FROM below
      JOIN connections_commit c ON c.organization_id = %(organization)s
       AND c.repository_id = %(repository)s AND c.remote_id = ANY (below.parents)),
walked AS MATERIALIZED (SELECT * FROM below LIMIT %(farthest)s)
SELECT count(*), count(*) FILTER (WHERE hash = %(former)s),
       count(*) FILTER (WHERE NOT coalesce(committed_at < %(since)s, false)
           AND NOT parents::text[] <@ (SELECT array_agg(hash::text) FROM walked))
  FROM walked
"""


class Walk(NamedTuple):
    """How many held commits are below a branch, how often the former one is among them.

    `gaps` are those of them below which it may be without our knowing.
    """

    walked: int
    found: int
    gaps: int


def judge(repository: Repository) -> None:
    """Each branch that moved since we looked was rewritten, or went on, or nobody can tell.

    One whose commits are not all held yet is looked at again. Call it inside a transaction.
    """
    rows = Branch.objects.filter(repository=repository, kind="branch", gone_at=None)
    commits = Commit.objects.filter(repository=repository)
    for branch in rows.exclude(former_target="").filter(rewritten_at=None):
        former = commits.filter(remote_id=branch.former_target).first()
        walk = _walk(branch, former)
        is_elsewhere = former is not None and not walk.found and walk.walked < FARTHEST
        if walk.walked == 0 or (is_elsewhere and walk.gaps):
            continue
        if is_elsewhere:
            branch.rewritten_at = clock.now()
        else:
            branch.former_target = ""
        branch.save(update_fields=["former_target", "rewritten_at"])


def _walk(branch: Branch, former: Commit | None) -> Walk:
    named: dict[str, Any] = {
        "organization": branch.organization_id,
        "repository": branch.repository_id,
        "target": branch.target,
        "former": branch.former_target,
        "since": former and former.committed_at,
        "farthest": FARTHEST,
    }
    with roles.connection().cursor() as cursor:
        cursor.execute(_BELOW, named)
        return Walk(*cursor.fetchone())
