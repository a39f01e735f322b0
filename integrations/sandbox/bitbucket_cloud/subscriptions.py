"""Webhook subscriptions of workspaces and repositories: who is told about what, and where."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from integrations.sandbox.bitbucket_cloud import render
from integrations.sandbox.bitbucket_cloud.errors import failure
from integrations.sandbox.bitbucket_cloud.world import Repository, Workspace, World
from integrations.sandbox.clock import isoformat
from integrations.sandbox.code.hooks import BUILD_SERVER, Hooks
from integrations.sandbox.code.marks import identifier
from integrations.sandbox.code.records import Hook

Json = dict[str, Any]
Subject = Workspace | Repository
MOST = 50
LONGEST_SECRET = 128
OF_REPOSITORIES = (
    "repo:push", "repo:fork", "repo:updated", "repo:transfer", "repo:created", "repo:deleted",
    "repo:imported", "repo:commit_comment_created", "repo:commit_status_created",
    "repo:commit_status_updated", "pullrequest:created", "pullrequest:updated",
    "pullrequest:push", "pullrequest:approved", "pullrequest:unapproved",
    "pullrequest:changes_request_created", "pullrequest:changes_request_removed",
    "pullrequest:fulfilled", "pullrequest:rejected", "pullrequest:comment_created",
    "pullrequest:comment_updated", "pullrequest:comment_deleted",
    "pullrequest:comment_resolved", "pullrequest:comment_reopened", "pipeline:span_created",
)  # fmt: skip
OF_WORKSPACES = (*OF_REPOSITORIES, "project:updated")
SOMEBODY_ELSES = ("repo:push", "pullrequest:created", "pullrequest:updated",
                  "pullrequest:fulfilled")  # fmt: skip
# What else a subscriber must be allowed to read, in both vocabularies.
READS = {
    "repo": ("repository", "read:repository:bitbucket"),
    "pullrequest": ("pullrequest", "read:pullrequest:bitbucket"),
    "pipeline": ("pipeline", "read:pipeline:bitbucket"),
    "project": ("project", "read:project:bitbucket"),
}


class Subscriptions(Hooks[Subject]):
    """Hooks by the uuid of what they watch; at first every fifth repository has somebody else's."""

    def __init__(self, world: World, now: Callable[[], float]) -> None:
        super().__init__()
        self.also: Callable[[Subject], list[Hook]] = lambda subject: []  # listed, never changed
        self._now = now
        self._chance = random.Random(f"{world.seed}:hooks")

    def first(self, subject: Subject) -> list[Hook]:
        watched = isinstance(subject, Workspace) or (
            subject.planted_on != "" and subject.number % 5 == 0
        )
        return [somebody_elses(subject.uuid)] if watched else []

    def create(self, subject: Subject, wish: Json) -> Hook:
        """Subscribe. Raises ApiError for what Bitbucket refuses; the wording is unsourced."""
        if len(self.of(subject)) >= MOST:
            raise failure(400, f"You have reached the limit of {MOST} webhooks.")
        made = Hook(
            uuid=identifier(self._chance),
            url=address_in(wish),
            description=str(wish.get("description") or ""),
            active=bool(wish.get("active", True)),
            events=events_in(wish, subject),
            secret=secret_in(wish),
            created_at=isoformat(self._now()).replace("+00:00", "Z"),
        )
        self.add(subject, made)
        return made

    def update(self, subject: Subject, one: Hook, wish: Json) -> None:
        """Change what is named: a secret that is not mentioned stays, a null or empty one goes."""
        values = {
            "url": address_in(wish) if "url" in wish else one.url,
            "events": events_in(wish, subject) if "events" in wish else one.events,
            "secret": secret_in(wish) if "secret" in wish else one.secret,
            "description": str(wish.get("description", one.description) or ""),
            "active": bool(wish.get("active", one.active)),
        }
        self.change(one, values)


def somebody_elses(subject: str) -> Hook:
    return Hook(
        uuid=identifier(random.Random(f"{subject}:hook")),
        url=BUILD_SERVER,
        description="Build server",
        active=True,
        events=list(SOMEBODY_ELSES),
        secret="of the build server",
        created_at="2025-03-04T08:00:00.000000Z",
    )


def address_in(wish: Json) -> str:
    """Return the address of a hook. Loopback passes here, where Bitbucket would refuse it."""
    parts = urlsplit(str(wish.get("url") or ""))
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise failure(400, "Bad request", fields={"url": ["Enter a valid URL."]})
    return parts.geturl()


def events_in(wish: Json, subject: Subject) -> list[str]:
    known = OF_WORKSPACES if isinstance(subject, Workspace) else OF_REPOSITORIES
    events = wish.get("events")
    if not isinstance(events, list) or not events:
        raise failure(400, "Bad request", fields={"events": ["This field is required."]})
    unknown = [event for event in events if event not in known]
    if unknown:
        raise failure(400, "Bad request", fields={"events": [f"Invalid event: {unknown[0]}"]})
    return list(dict.fromkeys(events))


def secret_in(wish: Json) -> str:
    secret = wish.get("secret")
    if secret is not None and (not isinstance(secret, str) or len(secret) > LONGEST_SECRET):
        message = f"Ensure this value has at most {LONGEST_SECRET} characters."
        raise failure(400, "Bad request", fields={"secret": [message]})
    return secret or ""


def shown(one: Hook, subject_type: str, subject: Json, address: str) -> Json:
    """Render a hook; its secret is said to be set, and no more."""
    return {
        "type": "webhook_subscription",
        "uuid": one.uuid,
        "url": one.url,
        "description": one.description,
        "subject_type": subject_type,
        "subject": subject,
        "active": one.active,
        "created_at": one.created_at,
        "events": list(one.events),
        "secret_set": bool(one.secret),
        "skip_cert_verification": False,
        "history_enabled": False,
        "read_only": False,
        "source": None,
        "links": {"self": render.link(f"{address}/{render.encoded(one.uuid)}")},
    }
