"""Bitbucket Cloud's webhooks: which there are, how they are signed, how they are made and mended.

https://support.atlassian.com/bitbucket-cloud/docs/manage-webhooks/ and the OpenAPI document of
August 2026. Fifty fit on a repository or a workspace; what is over 256 KB is never sent.
"""

from __future__ import annotations

from typing import Any

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
from integrations.bitbucket import Json, segment, text
from integrations.bitbucket_cloud import reading
from integrations.bitbucket_cloud.sync import PAGE_SIZE, Fields, repository_path, workspace_path

GONE = frozenset({404, 410})
MOST_EVENTS = 100
LONGEST_URL = 2000

_CODE = ("branches", "commits")


def _review(key: str, title: str, *tells: PullMove, default: bool = False) -> HookEvent:
    return HookEvent(key, title, ("pull-requests",), default, tells=tells)


EVENTS = (
    HookEvent("repo:push", "Push", _CODE, default=True),
    _review("pullrequest:created", "Pull request created", PullMove.OPENED, default=True),
    _review(
        "pullrequest:updated",
        "Pull request updated",
        PullMove.EDITED,
        PullMove.REVIEWERS,
        default=True,
    ),
    _review("pullrequest:approved", "Pull request approved", PullMove.APPROVED, default=True),
    _review("pullrequest:unapproved", "Approval removed", PullMove.UNAPPROVED, default=True),
    _review("pullrequest:fulfilled", "Pull request merged", PullMove.MERGED, default=True),
    HookEvent("pullrequest:comment_created", "Comment on a pull request", default=True),
    _review("pullrequest:rejected", "Pull request declined", PullMove.DECLINED),
    _review("pullrequest:push", "Push to a pull request", PullMove.PUSHED),
    _review("pullrequest:changes_request_created", "Changes requested", PullMove.CHANGES),
    _review(
        "pullrequest:changes_request_removed", "Request for changes removed", PullMove.NO_CHANGES
    ),
    HookEvent("pullrequest:comment_updated", "Comment on a pull request changed"),
    HookEvent("pullrequest:comment_deleted", "Comment on a pull request deleted"),
    HookEvent("pullrequest:comment_resolved", "Comment on a pull request resolved"),
    HookEvent("pullrequest:comment_reopened", "Comment on a pull request reopened"),
    HookEvent("repo:commit_status_created", "Build result set", ("statuses", "pipelines")),
    HookEvent("repo:commit_status_updated", "Build result changed", ("statuses", "pipelines")),
    HookEvent("repo:commit_comment_created", "Comment on a commit"),
    HookEvent("repo:created", "Repository created", ("repositories",)),
    HookEvent("repo:updated", "Repository updated", ("repositories",)),
    HookEvent("repo:transfer", "Repository transferred", ("repositories",)),
    HookEvent("repo:imported", "Repository imported", ("repositories",)),
    HookEvent("repo:deleted", "Repository deleted", ("repositories",)),
    HookEvent("repo:fork", "Repository forked"),
    HookEvent("project:updated", "Project updated", ("projects",), levels=(Level.WORKSPACE,)),
)
OF_WORKSPACES_ONLY = frozenset(e.key for e in EVENTS if Level.REPOSITORY not in e.levels)

RULES = HookRules(
    signature="x-hub-signature",
    signature_prefix="sha256=",
    algorithm="sha256",
    event="x-event-key",
    delivery="x-request-uuid",
    attempt="x-attempt-number",
    events=EVENTS,
    levels=(Level.REPOSITORY, Level.WORKSPACE),
    capability="webhooks-manage",
    most=50,
    silent_above=256 * 1024,
    attempts=3,
    https_only=True,
)


def hooks(api: Api, container: Container, fields: Fields, checkpoint: str | None) -> Page:
    """A page of the hooks of a repository or a workspace, other people's among them."""
    path = f"{_path(container)}?pagelen={PAGE_SIZE}"
    return reading.page(api.get(checkpoint or path), hook)


def make_hook(api: Api, container: Container, fields: Fields, wish: HookWish) -> HookRecord:
    """There is a hook as wished."""
    answer = api.send("POST", _path(container), _body(container, wish))
    return bitbucket.one(answer, hook)


def change_hook(
    api: Api, container: Container, fields: Fields, remote_id: str, wish: HookWish
) -> HookRecord:
    """The hook is as wished; a secret that is not named stays."""
    path = f"{_path(container)}/{segment(remote_id)}"
    return bitbucket.one(api.send("PUT", path, _body(container, wish)), hook)


def remove_hook(api: Api, container: Container, fields: Fields, remote_id: str) -> None:
    """The hook is not there any more, whoever removed it."""
    api.send("DELETE", f"{_path(container)}/{segment(remote_id)}", None, accept=GONE)


def hook(raw: Json) -> HookRecord:
    """A hook; whether it has a secret is told since 2023."""
    url, events, secret_set = raw.get("url"), raw.get("events"), raw.get("secret_set")
    listed = events if isinstance(events, list) else []
    return HookRecord(
        remote_id=reading.required_uuid(raw),
        url=url if isinstance(url, str) and len(url) <= LONGEST_URL else "",
        active=raw.get("active") is True,
        events=tuple(one[:100] for one in listed[:MOST_EVENTS] if isinstance(one, str)),
        title=text(raw, "description"),
        secret_set=secret_set if isinstance(secret_set, bool) else None,
    )


def _path(container: Container) -> str:
    if container.repository is None:
        return f"{workspace_path(container.workspace.slug)}/hooks"
    return f"{repository_path(container.workspace.slug, container.repository.slug)}/hooks"


def _body(container: Container, wish: HookWish) -> dict[str, Any]:
    """An event that only workspaces know is left out at a repository, which would refuse it all."""
    unknown = OF_WORKSPACES_ONLY if container.repository else frozenset()
    wanted: dict[str, Any] = {
        "description": wish.title,
        "url": wish.url,
        "active": wish.active,
        "events": [event for event in wish.events if event not in unknown],
    }
    return wanted if wish.secret is None else wanted | {"secret": wish.secret}
