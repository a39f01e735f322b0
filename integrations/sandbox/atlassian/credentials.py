"""Apps, site credentials, service clients, API tokens, and the grants and tokens issued to them."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from integrations.sandbox import oauth
from integrations.sandbox.oauth import digest

PREFIXES = {"classic": "ATATT3xFfGF0", "scoped": "ATATT3xFfGF0", "service": "ATSTT3xFfGF0"}


@dataclass(slots=True)
class App:
    """A 3LO app of the developer console: `scopes` are those it may ask for."""

    name: str
    key: str
    secret: str
    callbacks: list[str]
    scopes: list[str]
    about: str = ""


@dataclass(slots=True)
class Client:
    """What is exchanged for a token without a person.

    `account` is the service account that acts; a site's own OAuth credentials have none.
    """

    name: str
    client_id: str
    secret: str
    site: str
    scopes: list[str]
    account: str = ""
    permissions: list[str] = field(default_factory=list)
    expires_at: float | None = None
    revoked: bool = False
    about: str = ""


@dataclass(slots=True)
class ApiToken:
    """An API token: classic without scopes, scoped, or a service account's."""

    name: str
    kind: str
    token: str
    account: str
    email: str
    scopes: list[str]
    expires_at: float | None
    revoked: bool = False
    about: str = ""


@dataclass(slots=True)
class Grant:
    """One person's consent to one app for these sites; a client's own grant has no account."""

    id: str
    key: str
    account: str
    scopes: list[str]
    sites: list[str]
    made_at: float
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
    """`spends` says each time when it was shown, and what came of it: issued, late or refused."""

    grant_id: str
    issued_at: float
    first_used_at: float | None = None
    spends: list[list[Any]] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class Code(oauth.Code):
    key: str
    account: str
    sites: list[str]


@dataclass(slots=True)
class Registry:
    """Every credential that was ever issued, by its key or by the digest of its text."""

    salt: str = field(default_factory=lambda: secrets.token_hex(16))
    serial: int = 0
    apps: dict[str, App] = field(default_factory=dict)
    clients: dict[str, Client] = field(default_factory=dict)
    tokens: dict[str, ApiToken] = field(default_factory=dict)
    grants: dict[str, Grant] = field(default_factory=dict)
    access: dict[str, AccessToken] = field(default_factory=dict)
    refresh: dict[str, RefreshToken] = field(default_factory=dict)
    codes: dict[str, Code] = field(default_factory=dict)

    def issue_text(self, purpose: str, length: int) -> str:
        """Return the text of a new token, which looks like a JWT."""
        self.serial += 1
        return "eyJ" + derived(f"{self.salt}:{purpose}:{self.serial}", length - 3)

    def keep_token(self, token: ApiToken) -> ApiToken:
        self.tokens[digest(token.token)] = token
        return token

    def named(self, name: str) -> ApiToken:
        """Return the API token of this name. Raises LookupError."""
        found = [token for token in self.tokens.values() if token.name == name]
        if not found:
            raise LookupError(f"no token {name!r}")
        return found[0]

    def client(self, name: str) -> Client:
        """Return the site credentials or service client of this name or id. Raises LookupError."""
        for client in self.clients.values():
            if name in (client.name, client.client_id):
                return client
        raise LookupError(f"no credentials {name!r}")

    def app(self, name: str) -> App:
        """Return the app of this name or key. Raises LookupError."""
        for app in self.apps.values():
            if name in (app.name, app.key):
                return app
        raise LookupError(f"no app {name!r}")

    def grants_of(self, *, account: str = "", key: str = "") -> list[Grant]:
        return [
            grant
            for grant in self.grants.values()
            if account in {"", grant.account} and key in {"", grant.key}
        ]

    def mark(self) -> tuple[float, ...]:
        rows: list[Iterable[Any]] = [
            self.grants.values(),
            self.tokens.values(),
            self.clients.values(),
        ]
        revoked = sum(row.revoked for each in rows for row in each)
        return self.serial, revoked, len(self.tokens), len(self.clients), len(self.apps)

    def dump(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def load(cls, kept: dict[str, Any]) -> Registry:
        """Read what `dump` wrote."""
        rows = {
            "apps": App, "clients": Client, "tokens": ApiToken, "grants": Grant,
            "access": AccessToken, "refresh": RefreshToken, "codes": Code,
        }  # fmt: skip
        made = {
            name: {key: kind(**row) for key, row in kept[name].items()}
            for name, kind in rows.items()
        }
        return cls(salt=kept["salt"], serial=kept["serial"], **made)


def derived(seed: str, length: int) -> str:
    """Return `length` URL-safe characters that depend on the seed alone."""
    stream = hashlib.shake_256(seed.encode()).digest(length * 3 // 4 + 3)
    return base64.urlsafe_b64encode(stream).decode().rstrip("=")[:length]


def token_text(kind: str, seed: str) -> str:
    """Shape an API token as Atlassian does: prefix, random text, eight hexadecimal digits."""
    return f"{PREFIXES[kind]}{derived(seed, 168)}={digest(seed)[:8].upper()}"
