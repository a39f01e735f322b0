"""Events packed into the fewest requests that Jira's limits allow."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from connections.contracts import (
    Packing,
    Parcel,
    PullRequestRecord,
    PullState,
    RelayEvent,
    RelayKind,
)
from integrations.jira.builds import build, build_key
from integrations.jira.deployments import deployment, deployment_key
from integrations.jira.devinfo import (
    DELETED_AS,
    LISTS,
    Entities,
    entities,
    entity_key,
    is_fork,
    repository,
    source_id,
)
from integrations.jira.entity_ids import repository_id
from integrations.jira.issue_keys import MOST_KEYS, issue_keys, keys_of

MARK: Final = "portalLink"  # the property that tells a link's data from all other
PRODUCT: Final = "Connections portal"
QUIET, COMMANDS = "quiet", "commands"  # options of a link
MOST_REPOSITORIES, MOST_ENTITIES, MOST_OF_A_KIND = 100, 1000, 400
MOST_BUILDS = MOST_DEPLOYMENTS = 100
BULK: Final = {
    RelayKind.COMMIT: "jira/devinfo/0.1/cloud/{site}/bulk",
    RelayKind.BUILD: "jira/builds/0.1/cloud/{site}/bulk",
    RelayKind.DEPLOYMENT: "jira/deployments/0.1/cloud/{site}/bulk",
}


def latest(events: Iterable[RelayEvent]) -> list[RelayEvent]:
    """One event of each thing, the one with the highest sequence, in their order."""
    kept: dict[tuple[str, RelayKind, str], RelayEvent] = {}
    for event in events:
        key = (repository_id(event.repository), event.kind, event.key)
        if key not in kept or kept[key].sequence <= event.sequence:
            kept[key] = event
    return list(kept.values())


def pack(
    events: Sequence[RelayEvent],
    *,
    mark: str,
    options: frozenset[str] = frozenset({COMMANDS}),
    back_fill: bool = False,
) -> Packing:
    """All requests for these events: what is taken back first, then what is told.

    Jira does nothing by itself at a back-fill or when it shall be quiet: what is long past would
    move issues of today. It has one switch for triggers and commands, so that without commands
    nothing is set off.
    """
    told: dict[RelayKind, list[RelayEvent]] = {kind: [] for kind in RelayKind}
    parcels: list[Parcel] = []
    idle: list[RelayEvent] = []
    for event in latest(events):
        if keys_of(event):
            told[event.kind].append(event)
        elif taken := withdrawal(event):
            parcels.append(taken)
        else:
            idle.append(event)
    wrapping = {
        "properties": {MARK: mark},
        "providerMetadata": {"product": PRODUCT},
        "preventTransitions": back_fill or QUIET in options or COMMANDS not in options,
        "operationType": "BACKFILL" if back_fill else "NORMAL",
    }
    parcels += _development(told, wrapping)
    for kind, name, most in (
        (RelayKind.BUILD, "builds", MOST_BUILDS),
        (RelayKind.DEPLOYMENT, "deployments", MOST_DEPLOYMENTS),
    ):
        parcels += [
            listed(kind, name, tuple(told[kind][at : at + most]), wrapping)
            for at in range(0, len(told[kind]), most)
        ]
    return Packing(tuple(parcels), tuple(idle))


def withdrawal(event: RelayEvent) -> Parcel | None:
    """The request that takes an entity back, which was sent before and names no issue any more."""
    if not event.former:
        return None
    path = _path_of(event)
    if not path:
        return None
    return Parcel(f"Take back a {event.kind.replace('_', ' ')}", (event,), "DELETE", path)


def branch_withdrawal(event: RelayEvent, *, leaves: bool = False) -> str:
    """The path by which a branch goes that hung on a pull request's issues alone; "" for none.

    It came with the pull request, and its own name says nothing or it is a fork's: when that is
    closed, taken back, or `leaves`, nobody else would take it away.
    """
    record = event.record
    if not isinstance(record, PullRequestRecord) or not event.former or not record.source_branch:
        return ""
    stays = record.state is PullState.OPEN and keys_of(event) and not leaves
    told_of = not is_fork(event, record) and _others_keys(event, record)
    if stays or told_of:
        return ""
    return _entity_path(event, RelayKind.BRANCH, source_id(event, record))


def _others_keys(event: RelayEvent, record: PullRequestRecord) -> tuple[str, ...]:
    """The issues that the branch hangs on by its name, and by what other pull requests say."""
    others = list(event.beside)
    if record.title in others:
        others.remove(record.title)
    return issue_keys(record.source_branch, *others)


def _entity_path(event: RelayEvent, kind: RelayKind, key: str) -> str:
    return (
        f"jira/devinfo/0.1/cloud/{{site}}/repository/{repository_id(event.repository)}/"
        f"{DELETED_AS[kind]}/{key}?_updateSequenceId={event.sequence}"
    )


def _path_of(event: RelayEvent) -> str:
    if event.kind in DELETED_AS:
        return _entity_path(event, event.kind, entity_key(event))
    if event.kind is RelayKind.BUILD and (run := build_key(event)):
        return (
            f"jira/builds/0.1/cloud/{{site}}/pipelines/{run.pipeline}/builds/{run.number}"
            f"?_updateSequenceNumber={event.sequence}"
        )
    if event.kind is RelayKind.DEPLOYMENT and (gone := deployment_key(event)):
        return (
            f"jira/deployments/0.1/cloud/{{site}}/pipelines/{gone.pipeline}/environments/"
            f"{gone.environment}/deployments/{gone.number}?_updateSequenceNumber={event.sequence}"
        )
    return ""


def listed(
    kind: RelayKind, name: str, events: tuple[RelayEvent, ...], wrapping: Mapping[str, Any]
) -> Parcel:
    """One request with builds, or with deployments."""
    entity = build if kind is RelayKind.BUILD else deployment
    body = {name: [entity(event) for event in events], **wrapping}
    return Parcel(f"Tell {name}", events, "POST", BULK[kind], body)


# ── Development information ───────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class _Queue:
    """What is left of one kind in one repository, oldest first."""

    home: str
    left: deque[tuple[RelayEvent, Entities]] = field(default_factory=deque)


@dataclass(slots=True)
class _Request:
    """What travels in one request, and how much of it there is by repository and kind."""

    taken: list[tuple[RelayEvent, Entities]] = field(default_factory=list)
    loads: Counter[tuple[str, RelayKind]] = field(default_factory=Counter)
    homes: set[str] = field(default_factory=set)

    def takes(self, home: str, event: RelayEvent, brought: Entities) -> bool:
        """Whether there was room for it: then it is in. A branch comes with its pull request."""
        kinds = (brought.kind, *((RelayKind.BRANCH,) if brought.branch else ()))
        if home not in self.homes and len(self.homes) == MOST_REPOSITORIES:
            return False
        if self.loads.total() + len(kinds) > MOST_ENTITIES:
            return False
        if any(self.loads[home, kind] == MOST_OF_A_KIND for kind in kinds):
            return False
        self.homes.add(home)
        self.loads.update((home, kind) for kind in kinds)
        self.taken.append((event, brought))
        return True


def _development(
    told: Mapping[RelayKind, Sequence[RelayEvent]], wrapping: Mapping[str, Any]
) -> list[Parcel]:
    """As few requests as can be: a repository may stand in each but once, so one with thousands of
    commits needs as many as it has four hundreds. Those are never put off."""
    queues: dict[tuple[str, RelayKind], _Queue] = {}
    for kind in LISTS:
        for event in told[kind]:
            home = repository_id(event.repository)
            queue = queues.setdefault((home, kind), _Queue(home))
            queue.left.append((event, entities(event)))
    waiting, parcels = list(queues.values()), []
    while waiting:
        parcels.append(_development_parcel(_next_request(waiting).taken, wrapping))
        waiting = [queue for queue in waiting if queue.left]
    return parcels


def _next_request(queues: Sequence[_Queue]) -> _Request:
    """First what could not wait for a later request, then the longest queues."""
    request, later = _Request(), _fewest(queues) - 1
    by_length = sorted(queues, key=lambda queue: -len(queue.left))
    for floor in (MOST_OF_A_KIND * later, 0):
        for queue in by_length:
            while len(queue.left) > floor and request.takes(queue.home, *queue.left[0]):
                queue.left.popleft()
    return request


def _fewest(queues: Sequence[_Queue]) -> int:
    """A number of requests that these cannot be brought in fewer than."""
    longest = max(len(queue.left) for queue in queues)
    total = sum(len(queue.left) for queue in queues)
    homes = len({queue.home for queue in queues})
    return max(
        -(-longest // MOST_OF_A_KIND), -(-total // MOST_ENTITIES), -(-homes // MOST_REPOSITORIES)
    )


def _development_parcel(
    taken: Sequence[tuple[RelayEvent, Entities]], wrapping: Mapping[str, Any]
) -> Parcel:
    events = tuple(event for event, _ in taken)
    return Parcel(
        "Tell development information",
        events,
        "POST",
        BULK[RelayKind.COMMIT],
        {"repositories": _repositories(taken), **wrapping},
    )


def development_body(events: Sequence[RelayEvent], like: Mapping[str, Any]) -> dict[str, Any]:
    """The body that brings these alone, wrapped like another one."""
    wrapping = {name: value for name, value in like.items() if name != "repositories"}
    return {"repositories": _repositories([(each, entities(each)) for each in events]), **wrapping}


def _repositories(taken: Sequence[tuple[RelayEvent, Entities]]) -> list[dict[str, Any]]:
    """The repositories with what is in them; of two entities with one id the later one counts."""
    found: dict[str, dict[str, Any]] = {}
    lists: dict[tuple[str, str], dict[str, Mapping[str, Any]]] = {}
    for event, brought in taken:
        home = repository_id(event.repository)
        kept = found.setdefault(home, repository(event.repository, event.sequence))
        kept["updateSequenceId"] = max(kept["updateSequenceId"], event.sequence)
        _add(lists.setdefault((home, LISTS[brought.kind]), {}), brought.own)
        if brought.kind is RelayKind.PULL_REQUEST:
            branches = lists.setdefault((home, LISTS[RelayKind.BRANCH]), {})
            if brought.branch is not None:
                _add(branches, brought.branch)
    for (home, name), each in lists.items():
        found[home][name] = list(each.values())
    return list(found.values())


def _add(known: dict[str, Mapping[str, Any]], entity: Mapping[str, Any]) -> None:
    """A branch may come by itself and with its pull request: its issues are those of both."""
    other = known.get(entity["id"])
    if other is None:
        known[entity["id"]] = entity
        return
    later = entity if entity["updateSequenceId"] >= other["updateSequenceId"] else other
    keys = dict.fromkeys((*other["issueKeys"], *entity["issueKeys"]))
    known[entity["id"]] = {**later, "issueKeys": list(keys)[:MOST_KEYS]}
