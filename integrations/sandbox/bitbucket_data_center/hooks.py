"""Webhooks of projects and repositories: who is told about what, and where."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from integrations.sandbox.bitbucket_data_center.errors import invalid
from integrations.sandbox.bitbucket_data_center.world import Project, Repository
from integrations.sandbox.clock import isoformat
from integrations.sandbox.code.hooks import BUILD_SERVER, Hooks
from integrations.sandbox.code.records import Hook

Json = dict[str, Any]
Subject = Project | Repository
OF_REPOSITORIES = (
    "repo:refs_changed", "repo:modified", "repo:forked", "repo:comment:added",
    "repo:comment:edited", "repo:comment:deleted", "repo:secret_detected",
    "mirror:repo_synchronized", "pr:opened", "pr:from_ref_updated", "pr:modified", "pr:merged",
    "pr:declined", "pr:deleted", "pr:reviewer:updated", "pr:reviewer:approved",
    "pr:reviewer:unapproved", "pr:reviewer:needs_work", "pr:reviewer:changes_requested",
    "pr:comment:added", "pr:comment:edited", "pr:comment:deleted",
)  # fmt: skip
OF_PROJECTS = (*OF_REPOSITORIES, "project:modified")
CHECKED = {"url": str, "name": str, "events": list, "active": bool, "configuration": dict}


class Subscriptions(Hooks[Subject]):
    """Hooks by what they watch; at first every fifth repository has somebody else's."""

    def __init__(self, now: Callable[[], float]) -> None:
        super().__init__()
        self._now = now

    def first(self, subject: Subject) -> list[Hook]:
        if isinstance(subject, Project) or not subject.planted_on or subject.number % 5:
            return []
        return [
            Hook(
                uuid=str(subject.id),
                url=BUILD_SERVER,
                description="Build server",
                active=True,
                events=["repo:refs_changed", "pr:opened", "pr:merged"],
                secret="of the build server",
                created_at="2025-03-04T08:00:00+00:00",
            )
        ]

    def key(self, subject: Subject) -> str:
        kind = "project" if isinstance(subject, Project) else "repository"
        return f"{kind}:{subject.id}"

    def create(self, subject: Subject, wish: Json) -> Hook:
        """Subscribe. Raises ApiError 400 for what lacks a name, an address or events."""
        for name in ("name", "url", "events"):
            if not wish.get(name):
                raise invalid(f"{name} is required")
        made = Hook(
            uuid=str(1_000_000 + self.changes),
            url="",
            description="",
            active=True,
            events=[],
            secret="",
            created_at=isoformat(self._now()),
        )
        self.change(made, wished(subject, wish))
        self.add(subject, made)
        return made

    def replace(self, subject: Subject, one: Hook, wish: Json) -> None:
        """The hook is as sent, its secret included: what is not named is taken away."""
        whole = {"name": one.description, "url": one.url, "events": one.events, **wish}
        self.change(one, wished(subject, whole))


def wished(subject: Subject, wish: Json) -> Json:
    """The values of a hook. Raises ApiError 400; the wording is unsourced."""
    for name, kind in CHECKED.items():
        if name in wish and not isinstance(wish[name], kind):
            raise invalid(f"{name} is malformed")
    parts = urlsplit(wish["url"])
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise invalid("The URL must start with http:// or https://")
    known = OF_PROJECTS if isinstance(subject, Project) else OF_REPOSITORIES
    unknown = [event for event in wish["events"] if event not in known]
    if unknown:
        raise invalid(f"Unknown event {unknown[0]}")
    return {
        "url": wish["url"],
        "description": wish["name"],
        "active": wish.get("active", True),
        "events": list(dict.fromkeys(wish["events"])),
        "secret": str(wish.get("configuration", {}).get("secret") or ""),
    }
