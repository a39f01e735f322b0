"""Webhook subscriptions by what they watch: kept, found again, and taken over a restart."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import asdict
from typing import Any, Generic, Protocol, TypeVar

from integrations.sandbox.code.records import Hook

Json = dict[str, Any]
BUILD_SERVER = "https://ci.example/hooks/bitbucket"  # somebody else's, never dialled


class Watched(Protocol):
    @property
    def uuid(self) -> str: ...


S = TypeVar("S", bound=Watched)


class Hooks(ABC, Generic[S]):
    """Hooks of workspaces and repositories; `changes` counts what is worth keeping."""

    def __init__(self) -> None:
        self._hooks: dict[str, list[Hook]] = {}
        self.changes = 0

    @abstractmethod
    def first(self, subject: S) -> list[Hook]:
        """Those that were there from the start."""

    def key(self, subject: S) -> str:
        """What tells subjects apart, of whatever kind they are."""
        return subject.uuid

    def of(self, subject: S) -> list[Hook]:
        """Return the hooks of a workspace or repository."""
        key = self.key(subject)
        if key not in self._hooks:
            self._hooks[key] = self.first(subject)
        return self._hooks[key]

    def forget(self, subject: S) -> None:
        self._hooks[self.key(subject)] = []
        self.changes += 1

    def add(self, subject: S, one: Hook) -> None:
        self.of(subject).append(one)
        self.changes += 1

    def delete(self, subject: S, one: Hook) -> None:
        self.of(subject).remove(one)
        self.changes += 1

    def change(self, one: Hook, values: Json) -> None:
        for name, value in values.items():
            setattr(one, name, value)
        self.changes += 1

    def dump(self) -> dict[str, list[Json]]:
        """Return all hooks with their secrets, to outlive a restart of the sandbox."""
        return {subject: [asdict(one) for one in hooks] for subject, hooks in self._hooks.items()}

    def load(self, kept: dict[str, list[Json]]) -> None:
        self._hooks = {subject: [Hook(**one) for one in hooks] for subject, hooks in kept.items()}

    def find(self, uuid: str) -> tuple[str, Hook] | None:
        """Return a hook that somebody made, with the key of what it watches."""
        for subject, hooks in self._hooks.items():
            for one in hooks:
                if one.uuid.strip("{}") == uuid.strip("{}"):
                    return subject, one
        return None


def without_secret(one: Hook) -> Json:
    """A hook as the truth tells it."""
    shown = asdict(one)
    return {**shown, "secret": None, "secret_set": bool(one.secret)}
