"""Webhooks by the thousand, for load: pushes to one hook, each with a commit of its own."""

from __future__ import annotations

import json
from collections.abc import Callable

from integrations.sandbox.bitbucket_cloud import payloads
from integrations.sandbox.bitbucket_cloud.scene import Scene, message
from integrations.sandbox.bitbucket_cloud.world import Repository, Workspace
from integrations.sandbox.code.stage import Change
from integrations.sandbox.webhook_journal import Message

EVENT = "repo:push"


def burst(scene: Scene, hook: str) -> Callable[[int], Message] | None:
    """Return what makes the messages of a burst; None for a hook that is not here.

    They tell of a push to the main branch that never happened; the body is rendered once and the
    new hash differs in each.
    """
    found = scene.subscriptions.find(hook)
    if found is None:
        return None
    subject, one = found
    workspace, repository = watched(scene, subject)
    body, mark = template(scene, workspace, repository)

    def make(number: int) -> Message:
        return message(one, EVENT, body.replace(mark, f"{number:040x}".encode()))

    return make


def watched(scene: Scene, subject: str) -> tuple[Workspace, Repository]:
    """Return the repository with this uuid, or the first with commits of the workspace with it."""
    for workspace in scene.world.workspaces.values():
        found = workspace.repository(subject)
        if found is not None and found.mainbranch is not None:
            return workspace, found
        if workspace.uuid == subject:
            return workspace, next(r for r in workspace.repositories if r.mainbranch is not None)
    raise LookupError("the hook watches an empty repository")


def template(scene: Scene, workspace: Workspace, repository: Repository) -> tuple[bytes, bytes]:
    """Return the body of a push and the hash in it that is to be replaced."""
    place = scene.look(workspace, repository)
    tip = place.contents.branches[str(repository.mainbranch)]
    commit = place.contents.commits[tip]
    old = commit.parents[0] if commit.parents else None
    change = Change("branch", str(repository.mainbranch), old, tip, (commit,))
    owner = next(iter(workspace.members))
    actor = scene.world.user(owner)
    assert actor is not None
    payload = payloads.push(place, actor, [change])
    return json.dumps(payload, ensure_ascii=False).encode(), tip.encode()
