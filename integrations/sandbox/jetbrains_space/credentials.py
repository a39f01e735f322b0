"""Applications, permanent tokens, and what the code flow leaves: codes, consents, access tokens."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from dataclasses import asdict, dataclass, field
from typing import Any

from integrations.sandbox import oauth
from integrations.sandbox.jetbrains_space.rights import GRANTED, covers
from integrations.sandbox.jetbrains_space.world import identifier

Json = dict[str, Any]


@dataclass(slots=True)
class App:
    """An application. `rights` are by context, then by code, with their status."""

    id: str
    client_id: str
    secret: str
    name: str
    redirect_uris: list[str] = field(default_factory=list)
    code_flow: bool = False
    client_credentials: bool = False
    rights: dict[str, dict[str, str]] = field(default_factory=dict)
    about: str = ""

    def may(self, code: str, context: str) -> bool:
        granted = (
            f"{where}:{each}"
            for where, codes in self.rights.items()
            for each, status in codes.items()
            if status == GRANTED
        )
        return covers(list(granted), context, code)


@dataclass(slots=True)
class PermanentToken:
    """A token of a person or of an application; `scope` is what its words let through."""

    id: str
    token: str
    name: str
    scope: str
    created_at: float
    expires_at: float | None
    username: str = ""
    client_id: str = ""
    revoked: bool = False
    about: str = ""


@dataclass(slots=True, kw_only=True)
class Code(oauth.Code):
    client_id: str
    username: str
    offline: bool


@dataclass(slots=True)
class Grant:
    """What a person allowed an application; `refresh` is empty where it may not stay offline."""

    id: str
    client_id: str
    username: str
    scope: str
    refresh: str = ""
    spent: list[str] = field(default_factory=list)
    revoked: bool = False


@dataclass(slots=True)
class AccessToken:
    """By a grant, or of an application itself where there is none."""

    client_id: str
    scope: str
    expires_at: float
    grant: str = ""


@dataclass(slots=True)
class Registry:
    """Every credential of an organization; what OAuth issued is known by its digest."""

    serial: int = 0
    apps: dict[str, App] = field(default_factory=dict)  # by client id
    tokens: dict[str, PermanentToken] = field(default_factory=dict)  # by id
    codes: dict[str, Code] = field(default_factory=dict)
    grants: dict[str, Grant] = field(default_factory=dict)  # by id
    access: dict[str, AccessToken] = field(default_factory=dict)

    def issue(self, seed: str = "", **facts: Any) -> PermanentToken:
        """A new permanent token; the same seed gives the same text."""
        self.serial += 1
        seed = seed or secrets.token_hex(16)
        claims = {"sub": identifier(seed + "/sub"), "scope": facts["scope"], "sid": seed[:6]}
        made = PermanentToken(id=identifier(seed), token=jwt(seed, claims), **facts)
        self.tokens[made.id] = made
        return made

    def permanent(self, text: str) -> PermanentToken | None:
        return next((t for t in self.tokens.values() if t.token == text), None)

    def app(self, wanted: str) -> App | None:
        """Find one by `clientId:…` or `id:…`."""
        kind, _, text = wanted.partition(":")
        if kind == "clientId":
            return self.apps.get(text)
        return next((a for a in self.apps.values() if kind == "id" and a.id == text), None)

    def mark(self) -> tuple[int, ...]:
        """Numbers of which one changes whenever something worth keeping does."""
        ended = sum(t.revoked for t in self.tokens.values())
        ended += sum(g.revoked for g in self.grants.values())
        return self.serial, len(self.tokens), len(self.codes), ended

    def dump(self) -> Json:
        return asdict(self)

    @classmethod
    def load(cls, kept: Json) -> Registry:
        """Read what `dump` wrote."""
        return cls(
            serial=kept["serial"],
            apps={key: App(**row) for key, row in kept["apps"].items()},
            tokens={key: PermanentToken(**row) for key, row in kept["tokens"].items()},
            codes={key: Code(**row) for key, row in kept["codes"].items()},
            grants={key: Grant(**row) for key, row in kept["grants"].items()},
            access={key: AccessToken(**row) for key, row in kept["access"].items()},
        )


def jwt(seed: str, claims: Json) -> str:
    """A token as Space's look: three parts, of which the last is no signature of anything."""
    stream = hashlib.shake_256(seed.encode()).digest(96)
    parts = (b'{"alg":"RS512"}', json.dumps(claims, separators=(",", ":")).encode(), stream)
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)
