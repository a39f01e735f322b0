"""What Bitbucket Data Center's deliveries mean: whom they name, and what to look at because.

https://confluence.atlassian.com/bitbucketserver/event-payload-938025882.html; from 10.3 on dates
in them are ISO 8601 texts, and newer servers add the commits of a push.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from connections.contracts import Event, Target
from integrations.bitbucket import BadItem, Json, object_or_empty, text
from integrations.bitbucket_data_center import code_reading, reading
from integrations.bitbucket_data_center.hooks import EVENTS, RULES
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

PING = "diagnostics:ping"


def read_event(headers: Mapping[str, str], body: bytes) -> Event:
    """What a delivery says happened; raises BadPayload for no JSON object, and nothing else."""
    raw = payload(body)
    kind = event_key(headers, RULES.event, raw.get("eventKey"))
    if kind == PING or (not kind and raw.get("test") is True):
        return Event(kind=PING, known=True, ping=True, says="Connection tested")
    tell = _told_by(kind)
    told = tell(raw) if tell else Told("")
    repository = _repository(raw)
    project = object_or_empty(repository, "project")
    key, slug = text(project, "key"), text(repository, "slug")
    return Event(
        kind=kind,
        known=tell is not None,
        workspace=reading.known_id(project),
        repository=reading.known_id(repository),
        repository_name=f"{key}/{slug}" if key and slug else slug,
        touches=gathered(told.touches),
        pushed=told.pushed,
        actor=code_reading.person(raw.get("actor")),
        at=reading.moment(raw.get("date")),
        says=told.says or title_of(kind, EVENTS),
    )


def _repository(raw: Json) -> Json:
    """Whose hook this is: of a pull request the one it goes to, of a fork the one it is from."""
    if target := object_or_empty(object_or_empty(raw, "pullRequest"), "toRef"):
        return object_or_empty(target, "repository")
    found = object_or_empty(raw, "repository")
    if text(raw, "eventKey") == "repo:forked":
        return object_or_empty(found, "origin") or found
    return found or object_or_empty(raw, "new")


def _told_by(kind: str) -> Tell | None:
    done = _REVIEWED.get(kind)
    return partial(_pull_request, done) if done else _TOLD.get(kind)


# ── What each kind touches ────────────────────────────────────────────────────────────────────


def _push(raw: Json) -> Told:
    """The refs that moved, and the commits of branches; all of them where none is named."""
    changes = [] if raw.get("refLimitExceeded") is True else objects(raw.get("changes"))
    moved = [found for change in changes if (found := _moved(change))]
    if len(moved) == 1:  # commits stand beside the refs: whose they are is clear of one only
        named = hashes(commit.get("id") for commit in objects(raw.get("commits")))
        moved = [replace(moved[0], commits=named)]
    return pushed(moved)


def _moved(change: Json) -> Moved | None:
    """Kind and name of a ref, and whether it is there now; None for what is neither kind."""
    ref = object_or_empty(change, "ref") or {"id": change.get("refId")}
    try:
        kind, name = code_reading.ref_names(ref)
    except BadItem:
        return None
    gone = text(change, "type") == "DELETE" or not text(change, "toHash").strip("0")
    head, former = whole_hash(change.get("toHash")), whole_hash(change.get("fromHash"))
    return Moved(kind, name, not gone, head=head, former=former)


def _pull_request(done: str, raw: Json) -> Told:
    number = code_reading.pull_id(object_or_empty(raw, "pullRequest"))
    return Told(f"Pull request {number}".strip() + f": {done}", (Target("pull-requests", number),))


def _repositories(raw: Json) -> Told:
    """The list of the project: it is where a repository is found by its id."""
    return Told("", (Target("repositories"),))


def _nothing(raw: Json) -> Told:
    return Told("")


_REVIEWED = {
    "pr:opened": "opened",
    "pr:modified": "modified",
    "pr:from_ref_updated": "pushed to",
    "pr:merged": "merged",
    "pr:declined": "declined",
    "pr:deleted": "deleted",
    "pr:reviewer:updated": "reviewers changed",
    "pr:reviewer:approved": "approved",
    "pr:reviewer:unapproved": "approval removed",
    "pr:reviewer:changes_requested": "changes requested",
    "pr:reviewer:needs_work": "changes requested",
    "pr:comment:added": "comment",
    "pr:comment:edited": "comment changed",
    "pr:comment:deleted": "comment deleted",
}
_TOLD: Mapping[str, Tell] = {
    "repo:refs_changed": _push,
    "mirror:repo_synchronized": _push,
    "repo:modified": _repositories,
    "repo:forked": _repositories,
    "repo:comment:added": _nothing,
    "repo:comment:edited": _nothing,
    "repo:comment:deleted": _nothing,
    "repo:secret_detected": _nothing,
    "project:modified": _nothing,
}
