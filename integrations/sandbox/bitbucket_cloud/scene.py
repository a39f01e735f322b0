"""Bitbucket Cloud as a stage: its world with contents, and the webhooks that tell of it."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from integrations.sandbox.bitbucket_cloud import payloads
from integrations.sandbox.bitbucket_cloud.place import Place
from integrations.sandbox.bitbucket_cloud.subscriptions import Subscriptions
from integrations.sandbox.bitbucket_cloud.switches import Switches
from integrations.sandbox.bitbucket_cloud.world import Repository, User, Workspace, World
from integrations.sandbox.clock import Clock
from integrations.sandbox.code.library import Library
from integrations.sandbox.code.records import Hook, PullRequest, Status
from integrations.sandbox.code.stage import Change, Deed, Stage
from integrations.sandbox.webhook_journal import Message
from integrations.sandbox.webhook_sender import SIGNATURE, WebhookSender, signature

Json = dict[str, Any]
ATTEMPTS = 3
AGENT = "Bitbucket-Webhooks/2.0"
EVENTS = {
    "create": "created",
    "update": "updated",
    "approve": "approved",
    "unapprove": "unapproved",
    "request_changes": "changes_request_created",
    "withdraw_request": "changes_request_removed",
    "comment": "comment_created",
    "merge": "fulfilled",
    "decline": "rejected",
}


@dataclass
class Scene(Stage[Workspace, Repository, Place, User]):
    """What every deed needs; `origin` is the address that webhooks' links begin with."""

    world: World
    library: Library[Workspace, Repository]
    subscriptions: Subscriptions
    switches: Switches
    clock: Clock
    sender: WebhookSender
    origin: Callable[[], str]
    chance: random.Random = field(default_factory=lambda: random.Random("scene"))

    def user(self, identifier: str) -> User | None:
        return self.world.user(identifier)

    def workspace(self, identifier: str) -> Workspace | None:
        return self.world.workspace(identifier)

    def repository(self, workspace: Workspace, identifier: str) -> Repository | None:
        return workspace.repository(identifier)

    def repositories(self, workspace: Workspace) -> list[Repository]:
        return workspace.repositories

    def place(self, workspace: Workspace, repository: Repository) -> Place:
        contents = self.library.change(workspace, repository)
        return Place(self.world, workspace, repository, contents, self.origin())

    def look(self, workspace: Workspace, repository: Repository) -> Place:
        contents = self.library.read(workspace, repository)
        return Place(self.world, workspace, repository, contents, self.origin())

    @property
    def reviews_move_pull_request(self) -> bool:
        return self.switches.approvals_move_pull_request

    @property
    def comments_move_pull_request(self) -> bool:
        return True

    def reviewed(self, place: Place) -> None:
        """Whether activity in a pull request moves the repository is a switch."""
        if self.switches.pull_requests_move_repository:
            place.repository.updated_on = self.now()

    # ── telling ───────────────────────────────────────────────────────────────────────────────

    def tell_of(self, place: Place, event: str, payload: Json) -> None:
        """Send an event to the hooks of the repository and of its workspace."""
        self.tell(self._hooks(place), event, payload)

    def tell_of_push(self, place: Place, actor: User, changes: list[Change]) -> None:
        self.tell_of(place, "repo:push", payloads.push(place, actor, changes))

    def tell_of_new_commits(self, place: Place, actor: User, one: PullRequest, former: str) -> None:
        payload = payloads.pull_request(place, actor, one)
        self.tell_of(place, "pullrequest:updated", payload)
        self.tell_of(place, "pullrequest:push", payload)

    def tell_of_review(self, place: Place, actor: User, one: PullRequest, deed: Deed) -> None:
        what: Json = {}
        if deed.do in ("approve", "unapprove"):
            what["approval"] = payloads.said(place, actor, deed.at)
        elif deed.do in ("request_changes", "withdraw_request"):
            what["changes_request"] = payloads.said(place, actor, deed.at)
        elif deed.do == "comment":
            what["comment"] = payloads.comment(place, one, deed.comment)
        payload = payloads.pull_request(place, actor, one, **what)
        self.tell_of(place, f"pullrequest:{EVENTS[deed.do]}", payload)

    def tell_of_build(self, place: Place, actor: User, status: Status, known: bool) -> None:
        event = f"repo:commit_status_{'updated' if known else 'created'}"
        self.tell_of(place, event, payloads.commit_status(place, actor, status))

    def _hooks(self, place: Place) -> Iterator[Hook]:
        yield from self.subscriptions.of(place.repository)
        yield from self.subscriptions.of(place.workspace)

    def message(self, hook: Hook, event: str, body: bytes) -> Message:
        return message(hook, event, body)


def message(hook: Hook, event: str, body: bytes) -> Message:
    """Return the delivery of an event, with a fresh identity, signed when there is a secret."""
    mark = str(uuid.uuid4())
    headers = {
        "Content-Type": "application/json",
        "User-Agent": AGENT,
        "X-Event-Key": event,
        "X-Hook-UUID": hook.uuid.strip("{}"),
        "X-Request-UUID": mark,
        "traceparent": f"00-{uuid.uuid4().hex}-{mark[:8]}{mark[9:13]}{mark[14:18]}-01",
    }
    if hook.secret:
        headers[SIGNATURE] = signature(hook.secret, body)
    return Message(
        id=mark,
        hook=hook.uuid.strip("{}"),
        event=event,
        url=hook.url,
        headers=headers,
        body=body,
        attempts=ATTEMPTS,
        attempt_header="X-Attempt-Number",
    )
