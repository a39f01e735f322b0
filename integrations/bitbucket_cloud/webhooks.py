"""What Bitbucket Cloud's deliveries mean: whom and what they name, and what to look at because.

The newest shapes are those of the event payloads' page
(https://support.atlassian.com/bitbucket-cloud/docs/event-payloads/); older ones lack fields, a
deleted branch has `new: null`, and tokens act as an `app_user`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import partial

from connections.contracts import BuildState, Event, Target
from connections.errors import cleaned
from integrations import bitbucket_code
from integrations.bitbucket import BadItem, Json, iso_moment, object_or_empty, text
from integrations.bitbucket_cloud import code_reading, reading
from integrations.bitbucket_cloud.hooks import EVENTS, RULES
from integrations.bitbucket_events import (
    Moved,
    Tell,
    Told,
    event_key,
    gathered,
    hashes,
    objects,
    payload,
    pushed,
    title_of,
    whole_hash,
)

# Below the repository's own page: where a status of Bitbucket's own pipelines leads, once and now.
_PIPELINE = re.compile(
    r"/(?:addon/pipelines/home#!/results|pipelines/results)/(\d{1,9})(?:[/?#].*)?", re.ASCII
)
_COMMIT_LINK = re.compile(r"/commit/([0-9a-f]{40}|[0-9a-f]{64})$")


def read_event(headers: Mapping[str, str], body: bytes) -> Event:
    """What a delivery says happened; raises BadPayload for no JSON object, and nothing else."""
    raw = payload(body)
    kind = event_key(headers, RULES.event) or _kind_of(raw)
    tell = _told_by(kind)
    repository = object_or_empty(raw, "repository")
    told = tell(raw) if tell else Told("")
    return Event(
        kind=kind,
        known=tell is not None,
        workspace=_workspace(raw, repository),
        repository=reading.uuid_or_empty(repository),
        repository_name=text(repository, "full_name"),
        touches=gathered(told.touches),
        pushed=told.pushed,
        actor=code_reading.person(raw.get("actor")),
        at=_moment(raw),
        says=told.says or title_of(kind, EVENTS),
    )


def _workspace(raw: Json, repository: Json) -> str:
    """Whose it is. An event of a project has no repository; older payloads name the owner only."""
    project = object_or_empty(raw, "project")
    named = (repository, "workspace"), (project, "workspace"), (raw, "workspace")
    for holder, name in (*named, (repository, "owner"), (project, "owner")):
        if found := reading.uuid_or_empty(object_or_empty(holder, name)):
            return found
    return ""


def _told_by(kind: str) -> Tell | None:
    done = _REVIEWED.get(kind)
    return partial(_pull_request, done) if done else _TOLD.get(kind)


def _kind_of(raw: Json) -> str:
    """What a body without its header is about, where its shape leaves no doubt."""
    if isinstance(raw.get("push"), dict):
        return "repo:push"
    if isinstance(raw.get("commit_status"), dict):
        return "repo:commit_status_updated"
    return "pullrequest:updated" if isinstance(raw.get("pullrequest"), dict) else ""


def _moment(raw: Json) -> datetime | None:
    """When it happened, as far as the body says; a push does not."""
    for key, names in _MOMENTS:
        holder = object_or_empty(raw, key)
        for name in names:
            if found := iso_moment(holder.get(name)):
                return found
    return None


_MOMENTS = (
    ("approval", ("date",)),
    ("changes_request", ("date",)),
    ("comment", ("updated_on", "created_on")),
    ("pullrequest", ("updated_on",)),
    ("commit_status", ("updated_on", "created_on")),
)


# ── What each kind touches ────────────────────────────────────────────────────────────────────


def _push(raw: Json) -> Told:
    """The refs that moved, and the commits of branches; all of them where none is named."""
    changes = objects(object_or_empty(raw, "push").get("changes"))
    return pushed(found for change in changes if (found := _moved(change)))


def _moved(change: Json) -> Moved | None:
    """Kind and name of a ref, and whether it is there now; None where neither side names one."""
    new = object_or_empty(change, "new")
    old = object_or_empty(change, "old")
    ref = new or old
    kind = "tag" if text(ref, "type").endswith("tag") else "branch"
    try:
        name = bitbucket_code.ref_name(ref, "name")
    except BadItem:
        return None
    return Moved(
        kind,
        name,
        bool(new),
        head=whole_hash(object_or_empty(new, "target").get("hash")),
        former=whole_hash(object_or_empty(old, "target").get("hash")),
        commits=hashes(commit.get("hash") for commit in objects(change.get("commits"))),
    )


def _pull_request(done: str, raw: Json) -> Told:
    try:
        number = str(code_reading.pull_number(object_or_empty(raw, "pullrequest")))
    except BadItem:
        number = ""
    return Told(f"Pull request {number}".strip() + f": {done}", (Target("pull-requests", number),))


def _status(raw: Json) -> Told:
    """The commit that was built, and the pipeline where one of Bitbucket's own built it."""
    status = object_or_empty(raw, "commit_status")
    state = bitbucket_code.BUILD_STATES.get(text(status, "state"), BuildState.UNKNOWN)
    key = cleaned(text(status, "key"))[:60]
    home = object_or_empty(object_or_empty(object_or_empty(raw, "repository"), "links"), "html")
    return Told(f"Build {key}".strip() + f": {state}", tuple(_built(status, home.get("href"))))


def _built(status: Json, home: object) -> Iterator[Target]:
    commit = bitbucket_code.any_hash(object_or_empty(status, "commit"), "hash")
    link = object_or_empty(object_or_empty(status, "links"), "commit").get("href")
    linked = _COMMIT_LINK.search(link) if isinstance(link, str) else None
    commit = linked[1] if linked else commit
    if bitbucket_code.FULL_HASH.fullmatch(commit):
        yield Target("statuses", commit)
    url = status.get("url")
    if isinstance(url, str) and isinstance(home, str) and home and url.startswith(home):
        run = _PIPELINE.fullmatch(url.removeprefix(home))
        if run:
            yield Target("pipelines", run[1])


def _repository(raw: Json) -> Told:
    uuid = reading.uuid_or_empty(object_or_empty(raw, "repository"))
    return Told("", (Target("repositories", uuid),))


def _fork(raw: Json) -> Told:
    """A copy: here as well when it is in the workspace that was told, else none of our business."""
    copy, origin = object_or_empty(raw, "fork"), object_or_empty(raw, "repository")
    name = text(copy, "full_name")
    uuid = reading.uuid_or_empty(copy)
    same = name.partition("/")[0] == text(origin, "full_name").partition("/")[0]
    says = f"Forked to {name}" if name else ""
    return Told(says, (Target("repositories", uuid),) if same and uuid else ())


def _projects(raw: Json) -> Told:
    return Told("", (Target("projects"),))


def _nothing(raw: Json) -> Told:
    return Told("")


_REVIEWED = {
    "pullrequest:created": "created",
    "pullrequest:updated": "updated",
    "pullrequest:push": "pushed to",
    "pullrequest:approved": "approved",
    "pullrequest:unapproved": "approval removed",
    "pullrequest:changes_request_created": "changes requested",
    "pullrequest:changes_request_removed": "request for changes removed",
    "pullrequest:fulfilled": "merged",
    "pullrequest:rejected": "declined",
    "pullrequest:comment_created": "comment",
    "pullrequest:comment_updated": "comment changed",
    "pullrequest:comment_deleted": "comment deleted",
    "pullrequest:comment_resolved": "comment resolved",
    "pullrequest:comment_reopened": "comment reopened",
}
_TOLD: Mapping[str, Tell] = {
    "repo:push": _push,
    "repo:commit_status_created": _status,
    "repo:commit_status_updated": _status,
    "repo:created": _repository,
    "repo:deleted": _repository,
    "repo:imported": _repository,
    "repo:transfer": _repository,
    "repo:updated": _repository,
    "repo:fork": _fork,
    "repo:commit_comment_created": _nothing,
    "project:updated": _projects,
    "pipeline:span_created": _nothing,
    # The native issue tracker is gone since August 2026; old hooks still name its events.
    "issue:created": _nothing,
    "issue:updated": _nothing,
    "issue:comment_created": _nothing,
}
