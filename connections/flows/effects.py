"""What a change calls for: the streams that may have changed along with what was found changed.

A repository's `updated_on` says that something was pushed, not what. So its branches and pull
requests are asked first, and only what those found changed calls for commits, builds and the rest:
one request saved is 3.6 seconds of the hour.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final

from connections.errors import RemoteGone
from connections.flows import plan
from connections.flows.keep import Place
from connections.models import Repository, StreamState

CALLS_FOR: Final[Mapping[str, tuple[str, ...]]] = {
    plan.REPOSITORIES: ("branches", "pull-requests"),
    "branches": ("commits", "pipelines"),
    "pull-requests": ("commits",),
    "commits": ("statuses",),
    "pipelines": ("statuses", "deployments"),
}


def of(key: str, chosen: Collection[str]) -> frozenset[str]:
    """The chosen streams that a change in this one calls for; what is not chosen passes it on."""
    return frozenset(_of(key, chosen))


def _of(key: str, chosen: Collection[str]) -> Iterator[str]:
    for called in CALLS_FOR.get(key, ()):
        if called in chosen:
            yield called
        else:
            yield from _of(called, chosen)


def follow(place: Place, written: Mapping[str, Sequence[str]], chosen: Collection[str]) -> int:
    """What these changes call for is due; how many streams of repositories that made so."""
    called = {each for key, ids in written.items() if ids for each in of(key, chosen)}
    if not called:
        return 0
    rows, failing = StreamState.objects.filter(stream__in=called), StreamState.Stand.FAILING
    if place.repository is not None:
        rows = rows.filter(repository_id=place.repository.id).exclude(stand=failing)
        return plan.want(rows, plan.CHANGED)
    ids = written.get(plan.REPOSITORIES, ())
    changed = Repository.objects.filter(workspace_id=place.workspace.id, remote_id__in=ids)
    of_changed = {"repository_id__in": changed.values("id")}
    renamed = StreamState.objects.filter(stand=failing, error=RemoteGone.code, **of_changed)
    plan.want(renamed, plan.CHANGED)
    return plan.want(rows.filter(**of_changed).exclude(stand=failing), plan.CHANGED)
