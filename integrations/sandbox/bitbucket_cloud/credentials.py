"""Consumers, grants and tokens. Issued tokens are kept as digests and derived from one key."""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import asdict, dataclass, field
from typing import Any

from integrations.sandbox import oauth
from integrations.sandbox.bitbucket_cloud.world import User
from integrations.sandbox.oauth import digest

TOKEN_KINDS = {
    "api_token": "ATATT3xFfGF0",
    "workspace_access_token": "ATCTT3xFfGN0",
    "project_access_token": "ATCTT3xFfGP0",
    "repo_access_token": "ATCTT3xFfGR0",
    "app_password": "ATBB",
}


@dataclass(slots=True)
class Consumer:
    """An OAuth consumer of a workspace; only a `private` one may use client_credentials."""

    key: str
    secret: str
    name: str
    workspace: str
    callbacks: list[str]
    scopes: list[str]
    private: bool = False
    about: str = ""


@dataclass(slots=True)
class Grant:
    """One person's consent to one consumer (or, with no user, the consumer acting by itself).

    `calls` of the token endpoint named this grant; each was either `refused` or `issued` tokens.
    """

    id: str
    consumer_key: str
    user_uuid: str
    scopes: list[str]
    revoked: bool = False
    revoked_by: str = ""
    calls: int = 0
    issued: int = 0
    refused: int = 0

    def revoke(self, by: str) -> None:
        """End it for good; `by` is account, admin, or reuse of a spent refresh token."""
        self.revoked, self.revoked_by = True, self.revoked_by or by


@dataclass(slots=True)
class AccessToken:
    grant_id: str
    expires_at: float


@dataclass(slots=True)
class RefreshToken:
    """`successor` is the serial of the latest pair issued for it; `access` the digest of the access
    token that it came with."""

    grant_id: str
    issued_at: float
    first_used_at: float | None = None
    successor: int | None = None
    access: str = ""
    dead: bool = False


@dataclass(slots=True, kw_only=True)
class Code(oauth.Code):
    consumer_key: str
    user_uuid: str


@dataclass(slots=True)
class StaticToken:
    """A token made by hand. Access tokens reach one workspace, project or repository."""

    kind: str
    token: str
    scopes: list[str]
    expires_at: float | None
    user_uuid: str = ""
    email: str = ""
    workspace: str = ""
    project: str = ""
    repository: str = ""
    revoked: bool = False
    about: str = ""


@dataclass(slots=True)
class Registry:
    """Every credential that was ever issued, by key or by digest of the token."""

    key: str = field(default_factory=lambda: secrets.token_hex(16))
    serial: int = 0
    consumers: dict[str, Consumer] = field(default_factory=dict)
    grants: dict[str, Grant] = field(default_factory=dict)
    access: dict[str, AccessToken] = field(default_factory=dict)
    refresh: dict[str, RefreshToken] = field(default_factory=dict)
    codes: dict[str, Code] = field(default_factory=dict)
    deactivated: list[str] = field(default_factory=list)  # uuids of people
    static: dict[str, StaticToken] = field(default_factory=dict)

    def next_serial(self) -> int:
        self.serial += 1
        return self.serial

    def token_text(self, purpose: str, serial: int, length: int) -> str:
        """Derive the text of one issued token; the same serial gives the same text again."""
        return derived(f"{self.key}:{purpose}:{serial}", length)

    def keep_static(self, token: StaticToken) -> StaticToken:
        self.static[digest(token.token)] = token
        return token

    def stands(self, grant: Grant) -> bool:
        """Whether the consent is in force: not withdrawn, its person and consumer still there."""
        known = grant.consumer_key in self.consumers
        return known and not grant.revoked and grant.user_uuid not in self.deactivated

    def grants_of(self, *, user_uuid: str = "", consumer_key: str = "") -> list[Grant]:
        """Return the grants of this user, of this consumer, of both, or all."""
        return [
            grant
            for grant in self.grants.values()
            if user_uuid in {"", grant.user_uuid} and consumer_key in {"", grant.consumer_key}
        ]

    def mark(self) -> tuple[int, ...]:
        """Return numbers of which one changes whenever something worth keeping does."""
        revoked = [grant.revoked for grant in self.grants.values()]
        revoked += [token.revoked for token in self.static.values()]
        sizes = len(self.static), len(self.consumers), len(self.codes), len(self.deactivated)
        return self.serial, sum(revoked), *sizes

    def dump(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def load(cls, kept: dict[str, Any]) -> Registry:
        """Read what `dump` wrote."""
        return cls(
            key=kept["key"],
            serial=kept["serial"],
            consumers={name: Consumer(**row) for name, row in kept["consumers"].items()},
            grants={name: Grant(**row) for name, row in kept["grants"].items()},
            access={name: AccessToken(**row) for name, row in kept["access"].items()},
            refresh={name: RefreshToken(**row) for name, row in kept["refresh"].items()},
            codes={name: Code(**row) for name, row in kept["codes"].items()},
            deactivated=kept.get("deactivated", []),
            static={name: StaticToken(**row) for name, row in kept["static"].items()},
        )


def derived(seed: str, length: int) -> str:
    """Return `length` URL-safe characters that depend on the seed alone."""
    stream = hashlib.shake_256(seed.encode()).digest(length * 3 // 4 + 3)
    return base64.urlsafe_b64encode(stream).decode().rstrip("=")[:length]


def static_text(kind: str, seed: str) -> str:
    """Shape a token as Atlassian does: its prefix, random text, and eight hexadecimal digits."""
    if kind == "app_password":
        return TOKEN_KINDS[kind] + derived(seed, 32).replace("-", "a").replace("_", "b")
    return f"{TOKEN_KINDS[kind]}{derived(seed, 168)}={digest(seed)[:8].upper()}"


def actor_of(name: str, display_name: str) -> User:
    """Make the bot account that a consumer or an access token acts as."""
    mark = digest(name)
    uuid = f"{{{mark[:8]}-{mark[8:12]}-4{mark[13:16]}-8{mark[17:20]}-{mark[20:32]}}}"
    return User(
        uuid=uuid,
        account_id=f"712020:{uuid[1:-1]}",
        nickname=display_name,
        display_name=display_name,
        email=f"{mark[:12]}@bots.bitbucket.org",
        created_on="2026-01-05T09:00:00.000000+00:00",
        kind="app_user",
    )
