"""What each field of the schema answers: to a key what it may see, to a stranger `unauthorized`."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from integrations.sandbox.spacelift.keys import Key, Keys
from integrations.sandbox.spacelift.switches import Switches
from integrations.sandbox.spacelift.world import LEVELS, ROOT, Account, Space

Json = dict[str, Any]
Field = Callable[..., Any]


class Unauthorized(Exception):
    """Not known, or known and not allowed: the vendor has one word for both."""

    def __init__(self) -> None:
        super().__init__("unauthorized")


@dataclass(frozen=True, slots=True)
class Asking:
    """One request: at which account, by whose JWT, when."""

    account: Account
    key: Key | None
    keys: Keys
    switches: Switches
    now: float

    def somebody(self) -> Key:
        if self.key is None:
            raise Unauthorized
        return self.key

    def level(self, space: str) -> str:
        return self.somebody().level(self.account, space)

    def may(self, space: str, level: str) -> bool:
        held = self.level(space)
        return bool(held) and LEVELS.index(held) >= LEVELS.index(level)

    def seen(self) -> list[Space]:
        """The spaces in which it has any level."""
        return [each for each in self.account.spaces.values() if self.level(each.id)]


def root_of(asking: Asking) -> dict[str, Field]:
    """The fields of Query and Mutation, each a function of what was asked."""
    return {
        "viewer": lambda info: viewer(asking),
        "spaces": lambda info: [space(asking, each) for each in asking.seen()],
        "space": lambda info, id: one_space(asking, id),
        "searchSpaces": lambda info, input: page(
            asking, input, [space(asking, each) for each in asking.seen()]
        ),
        "apiKey": lambda info, id: api_key(asking, id),
        "stacks": lambda info: stacks(asking),
        "searchStacks": lambda info, input: page(asking, input, stacks(asking)),
        "vcsIntegrations": lambda info: listed(asking, asking.account.integrations, "READ"),
        "searchNamedWebhooksIntegrations": lambda info, input: page(
            asking, input, listed(asking, asking.account.webhooks, "ADMIN")
        ),
        "searchAuditTrailEntries": lambda info, input: page(asking, input, audit_trail(asking)),
        "apiKeyUser": lambda info, id, secret: api_key_user(asking, id, secret),
        "logout": lambda info: {"id": asking.somebody().id, "login": "", "type": "API"},
    }


def viewer(asking: Asking) -> Json | None:
    """Who asks; null for a stranger, which is how the vendor's own tool tells."""
    key = asking.key
    return None if key is None else {"id": f"api::{key.id}", "name": key.name}


def space(asking: Asking, one: Space) -> Json:
    return {
        "id": one.id,
        "name": one.name,
        "description": "",
        "parentSpace": one.parent,
        "inheritEntities": one.id != ROOT,
        "accessLevel": asking.level(one.id) or None,
        "labels": [],
    }


def one_space(asking: Asking, identifier: str) -> Json | None:
    """The space; null where there is none, and `unauthorized` for one of somebody else."""
    found = asking.account.spaces.get(identifier)
    if asking.somebody() and found is None:
        return None
    if found is None or not asking.level(found.id):
        raise Unauthorized
    return space(asking, found)


def stacks(asking: Asking) -> list[Json]:
    asking.somebody()
    return [each for each in asking.account.stacks if asking.level(each["space"])]


def listed(asking: Asking, things: Iterable[Json], level: str) -> list[Json]:
    """Those in spaces in which the key has this level; `unauthorized` where it has that nowhere."""
    if not any(asking.may(each.id, level) for each in asking.account.spaces.values()):
        raise Unauthorized
    return [
        {**each, "space": space(asking, asking.account.spaces[each["space"]])}
        for each in things
        if asking.may(each["space"], level)
    ]


def audit_trail(asking: Asking) -> list[Json]:
    """For those who administer the root space."""
    if not asking.may(ROOT, "ADMIN"):
        raise Unauthorized
    return [{"id": "01J8AUDIT", "action": "stack.create", "createdAt": int(asking.now)}]


def api_key(asking: Asking, identifier: str) -> Json | None:
    """A key; those who administer some space see all, and others none, their own included."""
    if not any(asking.may(each, "ADMIN") for each in asking.account.spaces):
        raise Unauthorized
    key = asking.keys.keys.get(identifier)
    if key is None or key.account != asking.account.name or key.deleted:
        return None
    return {
        "id": key.id,
        "name": key.name,
        "admin": key.rules.get(ROOT) == "ADMIN",
        "description": None,
        "type": key.kind,
        "isMachineUser": True,
        "teams": [],
        "accessRules": [
            {"space": one, "spaceAccessLevel": level} for one, level in key.rules.items()
        ],
        "createdAt": key.created_at,
        "lastUsedAt": key.last_used_at,
        "expiresAt": key.expires_at,
    }


def api_key_user(asking: Asking, identifier: str, secret: str) -> Json | None:
    """A JWT for a key and its secret. A pair that does not fit is null, and no error."""
    made = asking.keys.exchange(
        asking.account.name,
        identifier,
        secret,
        now=asking.now,
        seconds=asking.switches.jwt_seconds,
    )
    if made is None:
        refuse(asking.switches.wrong_key, secret)
        return None
    key, token, valid_until = made
    said = valid_until if asking.switches.says_valid_until else 0
    return {"id": f"api::{key.id}", "jwt": token, "validUntil": said}


def refuse(manner: str, secret: str) -> None:
    if manner == "unauthorized":
        raise Unauthorized
    if manner == "echo":
        raise ValueError(f'invalid secret "{secret}"')


# ── Pages ─────────────────────────────────────────────────────────────────────────────────────


def page(asking: Asking, wish: Json, nodes: list[Json]) -> Json:
    """A page of edges after the cursor; a cursor is opaque, and one of somebody's own making is
    refused."""
    size = min(int(wish.get("first") or asking.switches.page_limit), asking.switches.page_limit)
    start = position(wish.get("after") or "")
    shown = nodes[start : start + max(size, 1)]
    end = start + len(shown)
    return {
        "edges": [
            {"cursor": cursor(start + number), "node": node}
            for number, node in enumerate(shown, start=1)
        ],
        "pageInfo": {
            "endCursor": cursor(end) if shown else "",
            "hasNextPage": end < len(nodes),
            "hasPreviousPage": start > 0,
        },
    }


def cursor(number: int) -> str:
    return base64.urlsafe_b64encode(f"sandbox:{number}".encode()).decode()


def position(text: str) -> int:
    if not text:
        return 0
    try:
        name, _, number = base64.urlsafe_b64decode(text).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise ValueError("invalid cursor") from None
    if name != "sandbox" or not number.isdigit():
        raise ValueError("invalid cursor")
    return int(number)
