"""What the control port may change: switches, tokens, applications, consents, people, projects.

Each wish may name the `origin` of an organization; without one it is the first.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from typing import Any, Protocol

from integrations.sandbox.clock import Clock
from integrations.sandbox.jetbrains_space import world
from integrations.sandbox.jetbrains_space.organization import Organization
from integrations.sandbox.jetbrains_space.rights import GRANTED
from integrations.sandbox.jetbrains_space.switches import Switches

Json = dict[str, Any]
Query = Mapping[str, list[str]]
BELOW = "/jetbrains-space"


class Commanded(Protocol):
    """What is changed: both organizations, and what they share."""

    clock: Clock
    switches: Switches
    organizations: dict[str, Organization]


Deed = Callable[[Commanded, Json], Json]


def by_path(vendor: Commanded) -> dict[str, Callable[[Json], Json]]:
    deeds: dict[str, Deed] = {
        "switches": switches,
        "tokens": token,
        "tokens/end": end,
        "apps": app,
        "grants/revoke": revoke,
        "people": people,
        "projects": projects,
    }
    return {f"{BELOW}/{path}": partial(deed, vendor) for path, deed in deeds.items()}


def questions(vendor: Commanded) -> dict[str, Callable[[Query], object]]:
    return {f"{BELOW}/grants": lambda query: grants(vendor)}


def switches(vendor: Commanded, wish: Json) -> Json:
    for name, value in wish.items():
        vendor.switches.set(name, value)
    return vendor.switches.describe()


def token(vendor: Commanded, wish: Json) -> Json:
    """Make a permanent token called `name` of a `user` or an `app`, for `days` (None: for ever)."""
    now, days = vendor.clock.now(), wish.get("days", 90)
    made = _at(vendor, wish).registry.issue(
        name=str(wish["name"]),
        scope=str(wish.get("scope", "**")),
        created_at=now,
        expires_at=None if days is None else now + days * 86_400,
        username=str(wish.get("user", "")),
        client_id=str(wish.get("app", "")),
        about=str(wish["name"]),
    )
    return asdict(made)


def end(vendor: Commanded, wish: Json) -> Json:
    """Withdraw the tokens of this `name`, or let them expire (`expired`)."""
    found = [t for t in _at(vendor, wish).registry.tokens.values() if t.name == wish["name"]]
    for one in found:
        if wish.get("expired"):
            one.expires_at = vendor.clock.now()
        else:
            one.revoked = not wish.get("restore")
    return {"ended": len(found)}


def app(vendor: Commanded, wish: Json) -> Json:
    """Change an application: another `secret`, or its `rights` in a `context`, all granted."""
    found = _at(vendor, wish).registry.apps[str(wish["client_id"])]
    if wish.get("secret") is not None:
        found.secret = str(wish["secret"]) or secrets.token_hex(16)
    if "context" in wish:
        found.rights[str(wish["context"])] = dict.fromkeys(wish.get("rights", []), GRANTED)
        found.rights = {where: codes for where, codes in found.rights.items() if codes}
    return asdict(found)


def revoke(vendor: Commanded, wish: Json) -> Json:
    """Withdraw the consents of a `user`, or all."""
    found = [
        grant
        for grant in _at(vendor, wish).registry.grants.values()
        if wish.get("user", grant.username) == grant.username
    ]
    for grant in found:
        grant.revoked = True
    return {"revoked": len(found)}


def people(vendor: Commanded, wish: Json) -> Json:
    """Suspend a `user`, or take them back (`active`)."""
    found = _at(vendor, wish).world.people[str(wish["user"])]
    found.active = bool(wish.get("active", False))
    return {"user": found.username, "active": found.active}


def projects(vendor: Commanded, wish: Json) -> Json:
    """Grow or shrink an organization to `count` projects."""
    world.populate(_at(vendor, wish).world, int(wish["count"]))
    return {"projects": len(_at(vendor, wish).world.projects)}


def _at(vendor: Commanded, wish: Json) -> Organization:
    first = next(iter(vendor.organizations))
    return vendor.organizations[str(wish.get("origin", first))]


def grants(vendor: Commanded) -> list[Json]:
    """Every consent that was given, in the order of the organizations."""
    found = (one.registry.grants.values() for one in vendor.organizations.values())
    return [asdict(grant) for each in found for grant in each]
