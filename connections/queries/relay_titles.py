"""What people call a thing that travels, such as a commit's first line, and look for it by."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any, Final
from uuid import UUID

from django.db.models import Q

from connections.contracts import RelayKind
from connections.models import Build, Commit, Deployment, Pipeline, PullRequest, RelayItem

LONGEST: Final = 200
Name = Callable[[Any], str]

# A branch is called by its key already.
LISTS: Final[tuple[tuple[RelayKind, type[Any], tuple[str, ...], Name], ...]] = (
    (RelayKind.COMMIT, Commit, ("message",), lambda row: str(row.message).partition("\n")[0]),
    (
        RelayKind.PULL_REQUEST,
        PullRequest,
        ("number", "title"),
        lambda row: f"#{row.number} {row.title}",
    ),
    (RelayKind.BUILD, Build, ("key", "name"), lambda row: row.name or row.key),
    (RelayKind.BUILD, Pipeline, ("number",), lambda row: f"Pipeline {row.number}"),
    (RelayKind.DEPLOYMENT, Deployment, ("environment",), lambda row: str(row.environment)),
)


def called(search: str) -> Q:
    """The commit, branch, pull request or build of this name, and what was sent to this subject."""
    name = search.strip().removeprefix("#")
    keys = Q(key__istartswith=name) | Q(key__istartswith=f"branch:{name}")
    return keys | Q(subjects__overlap=[name, name.upper()])


def titles(items: Iterable[RelayItem]) -> dict[UUID, str]:
    """By item, of those whose thing was read here; one statement for each kind among them."""
    by_kind: dict[str, dict[tuple[UUID, str], UUID]] = defaultdict(dict)
    for item in items:
        by_kind[item.kind][item.repository_id, item.key] = item.id
    found: dict[UUID, str] = {}
    for kind, model, fields, name in LISTS:
        wanted = by_kind[kind]
        if not wanted:
            continue
        rows = model.objects.filter(
            repository_id__in={place for place, _ in wanted}, remote_id__in={k for _, k in wanted}
        )
        for row in rows.only("organization_id", "repository_id", "remote_id", *fields):
            if id_ := wanted.get((row.repository_id, row.remote_id)):
                found[id_] = name(row)[:LONGEST]
    return found
