"""What a connector says about its webhooks: how they are signed, which there are, their sense."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol, runtime_checkable

from connections.calls import Api
from connections.code_records import NOBODY, Person
from connections.records import HookRecord, Page
from connections.streams import Container, Fields, Level, Target


class PullMove(StrEnum):
    """What can happen to a pull request that a trigger may tell of."""

    OPENED = "opened"
    EDITED = "edited"  # its title, or where it goes
    PUSHED = "pushed"
    REVIEWERS = "reviewers"
    APPROVED = "approved"
    UNAPPROVED = "unapproved"
    CHANGES = "changes"  # somebody asked for them
    NO_CHANGES = "no_changes"  # and takes that back
    MERGED = "merged"
    DECLINED = "declined"


@dataclass(frozen=True, slots=True)
class HookEvent:
    """One trigger of a hook, in the vendor's word; `needed` by which streams, empty for none.

    `levels` are where a hook may have it, `tells` what it says of pull requests.
    """

    key: str
    title: str
    needed: tuple[str, ...] = ()
    default: bool = False
    levels: tuple[Level, ...] = (Level.REPOSITORY, Level.WORKSPACE)
    tells: tuple[PullMove, ...] = ()


@dataclass(frozen=True, slots=True)
class HookRules:
    """How a vendor calls us: names of its headers in lower case, limits, triggers.

    The signature is the HMAC of the raw body, hexadecimal, after `signature_prefix`. `delivery` is
    the header with the sender's id, which no signature covers. `most` hooks fit on one container,
    0 where nobody says; bodies over `silent_above` bytes are never sent. `https_only`: the vendor
    calls no other address. `test_event` is the trigger of what the vendor sends for a test, where
    it offers one.
    """

    signature: str
    signature_prefix: str
    algorithm: str
    event: str
    delivery: str
    attempt: str = ""
    events: tuple[HookEvent, ...] = ()
    levels: tuple[Level, ...] = (Level.REPOSITORY,)
    capability: str = ""
    most: int = 0
    silent_above: int = 0
    attempts: int = 1
    test_event: str = ""
    https_only: bool = False


@dataclass(frozen=True, slots=True)
class PushedRef:
    """A branch or tag that a push moved from `former` to `head`, each empty where there was none.

    `commits` are full hashes that the message names, few of a large push.
    """

    kind: str
    name: str
    head: str = ""
    former: str = ""
    commits: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Event:
    """What one delivery says happened: only a reason to look, never the state itself.

    `kind` is the vendor's word. `touches` are the things to fetch; none for what is `ping`, or not
    `known`. `workspace` and `repository` are remote ids, empty where the body names none. Who
    pushed which refs cannot be asked for afterwards, so that `pushed` is all that tells.
    """

    kind: str
    known: bool = False
    ping: bool = False
    workspace: str = ""
    repository: str = ""
    repository_name: str = ""
    touches: tuple[Target, ...] = ()
    pushed: tuple[PushedRef, ...] = ()
    actor: Person = NOBODY
    at: datetime | None = None
    says: str = ""  # in a few words what happened, for the list of deliveries


@dataclass(frozen=True, slots=True)
class HookWish:
    """A hook as it should be; `secret` is not in its repr. None leaves the secret as it is."""

    url: str
    events: tuple[str, ...]
    title: str
    active: bool = True
    secret: str | None = None

    def __repr__(self) -> str:
        return f"HookWish({self.title}, {len(self.events)} events)"


@runtime_checkable
class Receives(Protocol):
    """A connector whose vendor calls us: it reads deliveries and fetches what they are about.

    `read_event` never raises for a body that is a JSON object; BadPayload for what is none.
    `fetch` gives the present state of the target; an empty page means that it is gone.
    """

    def read_event(self, headers: Mapping[str, str], body: bytes) -> Event: ...

    def fetch(self, api: Api, container: Container, fields: Fields, target: Target) -> Page: ...


@runtime_checkable
class ManagesHooks(Protocol):
    """A connector that can see, make, change and remove the vendor's hooks.

    All raise what `judge` names. `hooks` gives one page of HookRecords.
    """

    def hooks(
        self, api: Api, container: Container, fields: Fields, checkpoint: str | None
    ) -> Page: ...

    def make_hook(
        self, api: Api, container: Container, fields: Fields, wish: HookWish
    ) -> HookRecord: ...

    def change_hook(
        self, api: Api, container: Container, fields: Fields, remote_id: str, wish: HookWish
    ) -> HookRecord: ...

    def remove_hook(
        self, api: Api, container: Container, fields: Fields, remote_id: str
    ) -> None: ...


@runtime_checkable
class TestsHooks(Protocol):
    """A connector whose vendor sends a test to a hook when it is asked to."""

    def test_hook(
        self, api: Api, container: Container, fields: Fields, remote_id: str, url: str
    ) -> None:
        """It is on its way; raises what `judge` names."""
        ...
