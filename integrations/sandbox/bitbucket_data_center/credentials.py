"""HTTP access tokens, the OAuth clients of incoming links, their grants, codes and tokens."""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import asdict, dataclass, field
from typing import Any

from integrations.sandbox import oauth

PERMISSIONS = (
    "PROJECT_READ", "PROJECT_WRITE", "PROJECT_ADMIN", "REPO_READ", "REPO_WRITE", "REPO_ADMIN",
)  # fmt: skip
SCOPES = (
    "PUBLIC_REPOS", "REPO_READ", "REPO_WRITE", "REPO_ADMIN", "PROJECT_ADMIN", "ACCOUNT_WRITE",
    "ADMIN_WRITE", "SYSTEM_ADMIN",
)  # fmt: skip
IMPLIES = {
    "PROJECT_ADMIN": ("PROJECT_WRITE", "REPO_ADMIN"),
    "PROJECT_WRITE": ("PROJECT_READ", "REPO_WRITE"),
    "PROJECT_READ": ("REPO_READ",),
    "REPO_ADMIN": ("REPO_WRITE",),
    "REPO_WRITE": ("REPO_READ",),
    "REPO_READ": ("PUBLIC_REPOS",),
}


@dataclass(slots=True)
class HttpToken:
    """A token of a user, of a project, or of a repository of it."""

    id: str
    token: str
    name: str
    permissions: list[str]
    created_at: float
    expires_at: float | None
    user: str = ""
    project: str = ""
    repository: str = ""
    revoked: bool = False
    about: str = ""

    @property
    def kind(self) -> str:
        return "user" if self.user else "repository" if self.repository else "project"


@dataclass(slots=True)
class Client:
    """The client of an incoming application link; `scopes` are the most it may ask for."""

    client_id: str
    secret: str
    name: str
    callbacks: list[str]
    scopes: list[str]


@dataclass(slots=True, kw_only=True)
class Code(oauth.Code):
    client_id: str
    user: str


@dataclass(slots=True)
class Grant:
    """What a person allowed a client; `spent` refresh tokens are those before the current one."""

    client_id: str
    user: str
    scopes: list[str]
    refresh: str = ""
    spent: list[str] = field(default_factory=list)
    revoked: bool = False


@dataclass(slots=True)
class AccessToken:
    grant: int
    expires_at: float


@dataclass(slots=True)
class Registry:
    """Every credential, by what is sent: tokens of OAuth by their digest."""

    serial: int = 0
    tokens: dict[str, HttpToken] = field(default_factory=dict)  # by id
    clients: dict[str, Client] = field(default_factory=dict)
    passwords: dict[str, str] = field(default_factory=dict)
    codes: dict[str, Code] = field(default_factory=dict)
    grants: list[Grant] = field(default_factory=list)
    access: dict[str, AccessToken] = field(default_factory=dict)

    def issue(self, seed: str = "", **facts: Any) -> HttpToken:
        """A new token; the same seed gives the same text."""
        self.serial += 1
        identifier, text = shaped(seed or secrets.token_hex(16))
        made = HttpToken(id=identifier, token=text, **facts)
        self.tokens[made.id] = made
        return made

    def http_token(self, text: str) -> HttpToken | None:
        return next((t for t in self.tokens.values() if t.token == text), None)

    def mark(self) -> tuple[int, ...]:
        """Numbers of which one changes whenever something worth keeping does."""
        revoked = sum(t.revoked for t in self.tokens.values()) + sum(g.revoked for g in self.grants)
        return self.serial, len(self.tokens), len(self.clients), len(self.codes), revoked

    def dump(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def load(cls, kept: dict[str, Any]) -> Registry:
        """Read what `dump` wrote."""
        return cls(
            serial=kept["serial"],
            tokens={key: HttpToken(**row) for key, row in kept["tokens"].items()},
            clients={key: Client(**row) for key, row in kept["clients"].items()},
            passwords=kept["passwords"],
            codes={key: Code(**row) for key, row in kept["codes"].items()},
            grants=[Grant(**row) for row in kept["grants"]],
            access={key: AccessToken(**row) for key, row in kept["access"].items()},
        )


def shaped(seed: str) -> tuple[str, str]:
    """Id and text of a token: base64 of the id, a colon and random bytes, and a prefix."""
    stream = hashlib.shake_256(seed.encode()).digest(32)
    identifier = str(100_000_000_000 + int.from_bytes(stream[:8]) % 800_000_000_000)
    text = base64.b64encode(identifier.encode() + b":" + stream[8:28]).decode()
    return identifier, "BBDC-" + text.rstrip("=")


def closure(held: list[str]) -> set[str]:
    """The permissions and all they imply."""
    reached, waiting = set(held), list(held)
    while waiting:
        for implied in IMPLIES.get(waiting.pop(), ()):
            if implied not in reached:
                reached.add(implied)
                waiting.append(implied)
    return reached
