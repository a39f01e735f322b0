"""Where people act in one vendor's world: what they do changes repositories, and hooks are told."""

from __future__ import annotations

import json
import random
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Generic

from integrations.sandbox.clock import Clock
from integrations.sandbox.code.hooks import BUILD_SERVER
from integrations.sandbox.code.parts import P, R, U, W
from integrations.sandbox.code.records import Commit, Hook, PullRequest, Status, Tag
from integrations.sandbox.webhook_journal import Message
from integrations.sandbox.webhook_sender import WebhookSender

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Change:
    """One ref of a push, before and after; `commits` are the new ones, newest first."""

    kind: str
    name: str
    old: str | None
    new: str | None
    commits: tuple[Commit, ...] = ()
    forced: bool = False
    old_tag: Tag | None = None
    new_tag: Tag | None = None


@dataclass(frozen=True, slots=True)
class Deed:
    """What somebody did to a pull request, and how it was `before`; `comment` is its number."""

    do: str
    at: str
    before: PullRequest
    comment: int = 0


class Stage(ABC, Generic[W, R, P, U]):
    """What every deed needs of a vendor."""

    clock: Clock
    sender: WebhookSender
    chance: random.Random

    def now(self) -> str:
        return self.clock.iso()

    # ── who and what is there ─────────────────────────────────────────────────────────────────

    @abstractmethod
    def user(self, identifier: str) -> U | None:
        """Whoever is known by this name, address or id."""

    @abstractmethod
    def workspace(self, identifier: str) -> W | None:
        """The workspace of this name."""

    @abstractmethod
    def repository(self, workspace: W, identifier: str) -> R | None:
        """The repository of this name in it."""

    @abstractmethod
    def repositories(self, workspace: W) -> list[R]:
        """Those in it."""

    @abstractmethod
    def look(self, workspace: W, repository: R) -> P:
        """A repository to read from."""

    @abstractmethod
    def place(self, workspace: W, repository: R) -> P:
        """A repository that is about to change."""

    # ── what the vendor makes of a deed ───────────────────────────────────────────────────────

    @property
    @abstractmethod
    def reviews_move_pull_request(self) -> bool:
        """Whether approving or objecting moves the pull request's date."""

    @property
    @abstractmethod
    def comments_move_pull_request(self) -> bool:
        """Whether a comment does."""

    @abstractmethod
    def reviewed(self, place: P) -> None:
        """Something was done to one of its pull requests."""

    @abstractmethod
    def tell_of_push(self, place: P, actor: U, changes: list[Change]) -> None:
        """Refs have moved."""

    @abstractmethod
    def tell_of_new_commits(self, place: P, actor: U, one: PullRequest, former: str) -> None:
        """The source of an open pull request has moved; it was at `former`."""

    @abstractmethod
    def tell_of_review(self, place: P, actor: U, one: PullRequest, deed: Deed) -> None:
        """Somebody did something to a pull request."""

    @abstractmethod
    def tell_of_build(self, place: P, actor: U, status: Status, known: bool) -> None:
        """A build's word came in, again where it was `known`."""

    # ── telling ───────────────────────────────────────────────────────────────────────────────

    @abstractmethod
    def message(self, hook: Hook, event: str, body: bytes) -> Message:
        """The delivery of an event, with a fresh identity, signed when there is a secret."""

    def tell(self, hooks: Iterable[Hook], event: str, payload: Json) -> None:
        """Send an event to those of the hooks that are active and asked for it."""
        asking = [one for one in hooks if one.active and event in one.events]
        asking = [one for one in asking if one.url != BUILD_SERVER]
        if not asking:
            return
        body = json.dumps(payload, ensure_ascii=False).encode()
        for one in asking:
            self.sender.send(self.message(one, event, body))
