"""The server as a stage: its world with contents, and the webhooks that tell of it."""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from integrations.sandbox.bitbucket_data_center import payloads
from integrations.sandbox.bitbucket_data_center.hooks import Subscriptions
from integrations.sandbox.bitbucket_data_center.place import Place
from integrations.sandbox.bitbucket_data_center.render import Writer
from integrations.sandbox.bitbucket_data_center.switches import Switches
from integrations.sandbox.bitbucket_data_center.world import Project, Repository, User, World
from integrations.sandbox.clock import Clock
from integrations.sandbox.code.contents import Contents
from integrations.sandbox.code.library import Library
from integrations.sandbox.code.records import Hook, PullRequest, Status
from integrations.sandbox.code.stage import Change, Deed, Stage
from integrations.sandbox.webhook_journal import Message
from integrations.sandbox.webhook_sender import SIGNATURE, WebhookSender, signature

Json = dict[str, Any]
AGENT = "Atlassian HttpClient 4.2.0 / Bitbucket-{} (9004003) / Default"
PING = "diagnostics:ping"
EVENTS = {
    "create": "pr:opened",
    "approve": "pr:reviewer:approved",
    "unapprove": "pr:reviewer:unapproved",
    "withdraw_request": "pr:reviewer:unapproved",
    "comment": "pr:comment:added",
    "merge": "pr:merged",
    "decline": "pr:declined",
}


@dataclass
class Scene(Stage[Project, Repository, Place, User]):
    """What every deed needs; `base` is the address that links begin with.

    `built` are the repositories by the commits that builds speak of: the list of builds is asked
    for by the commit alone. Only a repository that somebody looked at is in it.
    """

    world: World
    library: Library[Project, Repository]
    subscriptions: Subscriptions
    switches: Switches
    clock: Clock
    sender: WebhookSender
    base: Callable[[], str]
    chance: random.Random = field(default_factory=lambda: random.Random("data center"))
    built: dict[str, tuple[Project, Repository]] = field(default_factory=dict)

    def user(self, identifier: str) -> User | None:
        return self.world.user(identifier)

    def workspace(self, identifier: str) -> Project | None:
        return self.world.project(identifier)

    def repository(self, workspace: Project, identifier: str) -> Repository | None:
        return workspace.repository(identifier)

    def repositories(self, workspace: Project) -> list[Repository]:
        return workspace.repositories

    def place(self, workspace: Project, repository: Repository) -> Place:
        return self._shown(workspace, repository, self.library.change(workspace, repository))

    def look(self, workspace: Project, repository: Repository) -> Place:
        return self._shown(workspace, repository, self.library.read(workspace, repository))

    def _shown(self, project: Project, repository: Repository, contents: Contents) -> Place:
        self.built |= dict.fromkeys(contents.statuses, (project, repository))
        write = Writer(self.base(), self.switches.iso_dates)
        return Place(self.world, project, repository, contents, write)

    @property
    def reviews_move_pull_request(self) -> bool:
        return self.switches.reviews_move_pull_request

    @property
    def comments_move_pull_request(self) -> bool:
        return self.switches.reviews_move_pull_request

    def reviewed(self, place: Place) -> None:
        """The server tells no date of a repository."""

    # ── telling ───────────────────────────────────────────────────────────────────────────────

    def tell_of(self, place: Place, event: str, actor: User, **what: Any) -> None:
        """Send an event to the hooks of the repository and of its project."""
        payload = payloads.about(place, event, actor, self.clock.now(), **what)
        self.tell(self._hooks(place), event, payload)

    def tell_of_push(self, place: Place, actor: User, changes: list[Change]) -> None:
        if changes:
            self.tell_of(place, "repo:refs_changed", actor, **payloads.push(place, changes))

    def tell_of_new_commits(self, place: Place, actor: User, one: PullRequest, former: str) -> None:
        what = payloads.reviewed(place, actor, one, Deed("create", "", one))
        self.tell_of(place, "pr:from_ref_updated", actor, **what, previousFromHash=former)

    def tell_of_review(self, place: Place, actor: User, one: PullRequest, deed: Deed) -> None:
        what = payloads.reviewed(place, actor, one, deed)
        event = EVENTS.get(deed.do, self.switches.objection_event)
        if deed.do == "update":
            event = "pr:reviewer:updated" if "addedReviewers" in what else "pr:modified"
        self.tell_of(place, event, actor, **what)

    def tell_of_build(self, place: Place, actor: User, status: Status, known: bool) -> None:
        """No webhook tells of builds."""
        self.built[status.commit] = place.project, place.repository

    def _hooks(self, place: Place) -> Iterator[Hook]:
        yield from self.subscriptions.of(place.repository)
        yield from self.subscriptions.of(place.project)

    def ping(self, hook: Hook) -> None:
        """Send what "Test connection" sends, whatever the hook asked for."""
        self.sender.send(self.message(hook, PING, json.dumps({"test": True}).encode()))

    def message(self, hook: Hook, event: str, body: bytes) -> Message:
        """A delivery: tried once, signed when there is a secret."""
        mark = str(uuid.uuid4())
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": AGENT.format(self.switches.version),
            "X-Event-Key": event,
            "X-Request-Id": mark,
        }
        if hook.secret:
            headers[SIGNATURE] = signature(hook.secret, body)
        return Message(
            id=mark,
            hook=hook.uuid,
            event=event,
            url=hook.url,
            headers=headers,
            body=body,
            attempts=1,
            attempt_header="",
        )
