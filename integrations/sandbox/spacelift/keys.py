"""API keys, what each may do in which space, and the JWTs that they were exchanged for."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import asdict, dataclass, field
from typing import Any

from integrations.sandbox.spacelift.world import LEVELS, Account

Json = dict[str, Any]
SIGNING_KEY = b"the sandbox signs with this; nobody else believes it"
DAY = 86_400


@dataclass(slots=True)
class Key:
    """An API key: a virtual user of one account. `rules` are levels by space, `secret` hashed
    nowhere, because a rehearsal has to know it."""

    id: str
    name: str
    account: str
    secret: str
    rules: dict[str, str] = field(default_factory=dict)
    kind: str = "SECRET"
    about: str = ""
    created_at: int = 0
    last_used_at: int | None = None
    expires_at: int | None = None
    deleted: bool = False

    def level(self, account: Account, space: str) -> str:
        """The highest level it has in a space, by itself or from above; empty for none."""
        held = [self.rules[each] for each in account.above(space) if each in self.rules]
        return max(held, key=LEVELS.index, default="")

    def is_alive(self, now: float) -> bool:
        return not self.deleted and (self.expires_at is None or now < self.expires_at)


@dataclass(slots=True)
class Keys:
    """All keys by id. A JWT says which, from which secret it was made and until when it is good."""

    keys: dict[str, Key] = field(default_factory=dict)
    changes: int = 0

    def add(self, key: Key) -> Key:
        self.keys[key.id] = key
        self.changes += 1
        return key

    def exchange(
        self, account: str, key_id: str, secret: str, *, now: float, seconds: int
    ) -> tuple[Key, str, int] | None:
        """The key, a new JWT and its end; None for a pair that does not fit or a dead key."""
        key = self.keys.get(key_id)
        fits = key is not None and hmac.compare_digest(key.secret.encode(), secret.encode())
        if key is None or not fits or key.account != account or not key.is_alive(now):
            return None
        if key.kind != "SECRET":
            return None
        key.last_used_at = int(now)
        self.changes += 1
        valid_until = int(now) + seconds
        return key, jwt(key, now=int(now), valid_until=valid_until), valid_until

    def bearer(
        self, account: str, token: str, *, now: float, ended_by_deletion: bool
    ) -> Key | None:
        """Whose JWT it is, if it is good at this account now."""
        claims = claims_of(token)
        key = self.keys.get(str(claims.get("sub", "")).removeprefix("api::"))
        if key is None or key.account != account or now >= float(claims.get("exp", 0)):
            return None
        if ended_by_deletion and (not key.is_alive(now) or claims["sec"] != mark(key.secret)):
            return None
        return key

    def dump(self) -> list[Json]:
        return [asdict(key) for key in self.keys.values()]

    def load(self, kept: list[Json]) -> None:
        self.keys = {row["id"]: Key(**row) for row in kept}


def mark(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()[:12]


def jwt(key: Key, *, now: int, valid_until: int) -> str:
    """A signed token of the usual three parts."""
    claims = {
        "aud": [f"https://{key.account}.app.spacelift.io"],
        "exp": valid_until,
        "iat": now,
        "iss": f"https://{key.account}.app.spacelift.io",
        "sub": f"api::{key.id}",
        "name": key.name,
        "sec": mark(key.secret),
    }
    body = ".".join(encoded(json.dumps(part).encode()) for part in ({"alg": "HS256"}, claims))
    return f"{body}.{signature(body)}"


def claims_of(token: str) -> Json:
    """What a token says that we signed; nothing for any other text."""
    body, _, signed = token.rpartition(".")
    if not hmac.compare_digest(signature(body).encode(), signed.encode()):
        return {}
    claims: Json = json.loads(base64.urlsafe_b64decode(body.partition(".")[2] + "=="))
    return claims


def signature(body: str) -> str:
    return encoded(hmac.new(SIGNING_KEY, body.encode(), hashlib.sha256).digest())


def encoded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).decode().rstrip("=")


# id, name, account, rules, days of life, about; a ULID has 26 characters
CAST: tuple[tuple[str, str, str, dict[str, str], int | None, str], ...] = (
    ("01J8PRTAADMN00000000000001", "Portal", "acme", {"root": "ADMIN"}, None, "portal-admin"),
    (
        "01J8PRTAWRTR00000000000002", "Payments bot", "acme",
        {"payments-01J8K2": "WRITE", "platform-01J8K4": "READ"}, 30, "payments-writer",
    ),
    ("01J8PRTAREAD00000000000003", "Reader", "acme", {"platform-01J8K4": "READ"}, None, "reader"),
    ("01J8PRTANTHG00000000000004", "Nothing", "acme", {}, None, "nothing"),
    ("01J8PRTAXPRD00000000000005", "Expired", "acme", {"root": "READ"}, -1, "expired"),
    ("01J8PRTA00DC00000000000006", "By OIDC", "acme", {"root": "READ"}, None, "oidc"),
    ("01J8PRTFADMN00000000000007", "Portal", "fjord", {"root": "ADMIN"}, None, "fjord-admin"),
)  # fmt: skip


def cast(now: float) -> Keys:
    """The keys of a rehearsal; each secret is 64 hexadecimal digits, as the vendor's are."""
    made = Keys()
    for key_id, name, account, rules, days, about in CAST:
        made.add(
            Key(
                id=key_id,
                name=name,
                account=account,
                secret=hashlib.sha256(f"made up: {about}".encode()).hexdigest(),
                rules=dict(rules),
                kind="OIDC" if about == "oidc" else "SECRET",
                about=about,
                created_at=int(now) - 30 * DAY,
                expires_at=None if days is None else int(now) + days * DAY,
            )
        )
    return made
