"""Bitbucket Data Center's webhooks: which there are, how they are signed, made and mended.

https://confluence.atlassian.com/bitbucketserver/event-payload-938025882.html and the OpenAPI
document of 9.4. The server tells a hook's secret to whoever may list it; here it is not kept.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from connections.contracts import (
    Api,
    Container,
    HookEvent,
    HookRecord,
    HookRules,
    HookWish,
    Level,
    Page,
    PullMove,
)
from integrations import bitbucket
from integrations.bitbucket import Json, object_or_empty, segment, text
from integrations.bitbucket_data_center import reading
from integrations.bitbucket_data_center.sync import (
    Fields,
    listed,
    project_path,
    repository_path,
)

GONE = frozenset({404, 410})
MOST_EVENTS = 100
LONGEST_URL = 2000

_CODE = ("branches", "commits")


def _review(key: str, title: str, *tells: PullMove, default: bool = False) -> HookEvent:
    return HookEvent(key, title, ("pull-requests",), default, tells=tells)


EVENTS = (
    HookEvent("repo:refs_changed", "Push", _CODE, default=True),
    _review("pr:opened", "Pull request opened", PullMove.OPENED, default=True),
    _review("pr:modified", "Pull request modified", PullMove.EDITED, default=True),
    _review("pr:from_ref_updated", "Push to a pull request", PullMove.PUSHED, default=True),
    _review("pr:reviewer:approved", "Pull request approved", PullMove.APPROVED, default=True),
    _review(
        "pr:reviewer:unapproved",
        "Approval removed",
        PullMove.UNAPPROVED,
        PullMove.NO_CHANGES,
        default=True,
    ),
    _review("pr:merged", "Pull request merged", PullMove.MERGED, default=True),
    HookEvent("pr:comment:added", "Comment on a pull request", default=True),
    _review("pr:declined", "Pull request declined", PullMove.DECLINED),
    _review("pr:deleted", "Pull request deleted"),
    _review("pr:reviewer:updated", "Reviewers changed", PullMove.REVIEWERS),
    _review("pr:reviewer:changes_requested", "Changes requested", PullMove.CHANGES),
    _review("pr:reviewer:needs_work", "Changes requested, older servers", PullMove.CHANGES),
    HookEvent("pr:comment:edited", "Comment on a pull request changed"),
    HookEvent("pr:comment:deleted", "Comment on a pull request deleted"),
    HookEvent("repo:modified", "Repository modified", ("repositories",)),
    HookEvent("repo:forked", "Repository forked"),
    HookEvent("repo:comment:added", "Comment on a commit"),
    HookEvent("repo:comment:edited", "Comment on a commit changed"),
    HookEvent("repo:comment:deleted", "Comment on a commit deleted"),
    HookEvent("repo:secret_detected", "Secret found in a push"),
    HookEvent("mirror:repo_synchronized", "Mirror synchronized"),
    HookEvent("project:modified", "Project modified", levels=(Level.WORKSPACE,)),
)
OF_PROJECTS_ONLY = frozenset(e.key for e in EVENTS if Level.REPOSITORY not in e.levels)

RULES = HookRules(
    signature="x-hub-signature",
    signature_prefix="sha256=",
    algorithm="sha256",
    event="x-event-key",
    delivery="x-request-id",
    events=EVENTS,
    levels=(Level.REPOSITORY, Level.WORKSPACE),
    capability="webhooks-manage",
    test_event="diagnostics:ping",
)


def hooks(api: Api, container: Container, fields: Fields, checkpoint: str | None) -> Page:
    """A page of the hooks of a repository or a project, other people's among them."""
    return listed(api, _path(container), checkpoint, hook)


def make_hook(api: Api, container: Container, fields: Fields, wish: HookWish) -> HookRecord:
    """There is a hook as wished."""
    secret = {"secret": wish.secret} if wish.secret else {}
    answer = api.send("POST", _path(container), _body(container, wish, secret))
    return bitbucket.one(answer, hook)


def change_hook(
    api: Api, container: Container, fields: Fields, remote_id: str, wish: HookWish
) -> HookRecord:
    """The hook is as wished; a secret that is not named stays.

    The server takes a hook as a whole, so what is to stay is asked for first.
    """
    path = f"{_path(container)}/{segment(remote_id)}"
    kept: Json = {"secret": wish.secret}
    if wish.secret is None:
        kept = object_or_empty(bitbucket.body(api.get(path)), "configuration")
    return bitbucket.one(api.send("PUT", path, _body(container, wish, kept)), hook)


def remove_hook(api: Api, container: Container, fields: Fields, remote_id: str) -> None:
    """The hook is not there any more, whoever removed it."""
    api.send("DELETE", f"{_path(container)}/{segment(remote_id)}", None, accept=GONE)


def test_hook(api: Api, container: Container, fields: Fields, remote_id: str, url: str) -> None:
    """The server sends its ping to the hook's address; what came back is not told here."""
    query = urlencode({"webhookId": remote_id, "url": url})
    api.send("POST", f"{_path(container)}/test?{query}", None)


def hook(raw: Json) -> HookRecord:
    """A hook without its secret, but with whether there is one."""
    url, events = raw.get("url"), raw.get("events")
    listed_events = events if isinstance(events, list) else []
    known = raw.get("configuration")
    return HookRecord(
        remote_id=reading.required_id(raw),
        url=url if isinstance(url, str) and len(url) <= LONGEST_URL else "",
        active=raw.get("active") is True,
        events=tuple(one[:100] for one in listed_events[:MOST_EVENTS] if isinstance(one, str)),
        title=text(raw, "name"),
        secret_set=bool(known.get("secret")) if isinstance(known, dict) else None,
    )


def _path(container: Container) -> str:
    if container.repository is None:
        return f"{project_path(container.workspace.slug)}/webhooks"
    return f"{repository_path(container.workspace.slug, container.repository.slug)}/webhooks"


def _body(container: Container, wish: HookWish, configuration: Json) -> dict[str, Any]:
    """An event that only projects know is left out at a repository, which would refuse it all."""
    unknown = OF_PROJECTS_ONLY if container.repository else frozenset()
    return {
        "name": wish.title,
        "url": wish.url,
        "active": wish.active,
        "events": [event for event in wish.events if event not in unknown],
        "configuration": dict(configuration),
        "sslVerificationRequired": True,
    }
