"""Accounts with their spaces, stacks and integrations, the same each time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]
ROOT = "root"
LEVELS = ("READ", "WRITE", "ADMIN")
ACME, FJORD = "acme", "fjord"

# id, name, parent; a space's id is a slug with a random tail, and "root" and "legacy" are alone
SPACES: dict[str, tuple[tuple[str, str, str | None], ...]] = {
    ACME: (
        (ROOT, "root", None),
        ("legacy", "legacy", ROOT),
        ("payments-01J8K2", "Payments", ROOT),
        ("payments-production-01J8K3", "Payments · production", "payments-01J8K2"),
        ("platform-01J8K4", "Platform & <Reliability>", ROOT),
        ("lab-01J8K5", "מעבדה 🔬", ROOT),
    ),
    FJORD: ((ROOT, "root", None), ("legacy", "legacy", ROOT)),
}
SANDBOXES = 60  # more spaces of acme's, so that a list of all has two pages


@dataclass(slots=True)
class Space:
    id: str
    name: str
    parent: str | None = None


@dataclass(slots=True)
class Account:
    """One account, by its name in the address."""

    name: str
    spaces: dict[str, Space] = field(default_factory=dict)
    stacks: list[Json] = field(default_factory=list)
    integrations: list[Json] = field(default_factory=list)
    webhooks: list[Json] = field(default_factory=list)

    def add(self, identifier: str, name: str, parent: str | None) -> Space:
        """Make a space below another. Raises ValueError."""
        if identifier in self.spaces or (parent is not None and parent not in self.spaces):
            raise ValueError(f"no room for {identifier!r} below {parent!r}")
        made = self.spaces[identifier] = Space(identifier, name, parent)
        return made

    def above(self, identifier: str) -> list[str]:
        """The space itself and those above it, up to the root."""
        found: list[str] = []
        at: str | None = identifier
        while at is not None and at not in found:
            found.append(at)
            at = self.spaces[at].parent
        return found


def build() -> dict[str, Account]:
    """Both accounts by name."""
    return {name: account(name) for name in SPACES}


def account(name: str) -> Account:
    made = Account(name)
    for identifier, title, parent in SPACES[name]:
        made.add(identifier, title, parent)
    if name == ACME:
        for number in range(1, SANDBOXES + 1):
            made.add(f"sandbox-{number:02}-01J8L0", f"Sandbox {number}", "lab-01J8K5")
    made.stacks = [stack(name, number, each) for number, each in enumerate(made.spaces.values())]
    made.integrations = [
        integration("bitbucket-default", "Default", "BITBUCKET_CLOUD", True, made.spaces[ROOT]),
    ]
    if name == ACME:
        payments = made.spaces["payments-01J8K2"]
        made.integrations.append(
            integration("payments-bitbucket", "Payments", "BITBUCKET_DATACENTER", False, payments)
        )
        made.webhooks.append(webhook("chat", payments))
    return made


def stack(account: str, number: int, space: Space) -> Json:
    return {
        "id": f"{account}-{number}",
        "name": f"{space.name} infrastructure",
        "state": ("FINISHED", "UNCONFIRMED", "FAILED")[number % 3],
        "description": None,
        "labels": [],
        "space": space.id,
        "provider": "BITBUCKET_CLOUD",
        "namespace": account,
        "repository": f"infrastructure-{number}",
        "branch": "main",
        "projectRoot": None,
        "administrative": False,
        "autodeploy": number % 2 == 0,
    }


def integration(key: str, name: str, provider: str, default: bool, space: Space) -> Json:
    return {
        "id": key,
        "name": name,
        "provider": provider,
        "isDefault": default,
        "space": space.id,
    }


def webhook(key: str, space: Space) -> Json:
    return {
        "id": key,
        "name": key.capitalize(),
        "endpoint": "https://chat.example/hook",
        "enabled": True,
        "labels": [],
        "space": space.id,
        "retryOnFailure": True,
        "createdAt": 1_780_000_000,
    }
