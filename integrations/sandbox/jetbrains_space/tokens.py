"""Permanent tokens and consents through the API: made, listed, withdrawn, also by themselves."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from integrations.sandbox.jetbrains_space import render
from integrations.sandbox.jetbrains_space.call import Call
from integrations.sandbox.jetbrains_space.credentials import PermanentToken
from integrations.sandbox.jetbrains_space.errors import denied, invalid, no
from integrations.sandbox.jetbrains_space.rights import is_known

Json = dict[str, Any]
Holder = dict[str, str]


def made(call: Call) -> Json:
    """The token and, this one time, its text: a pair."""
    holder = _holder(call, "Profile.PermanentTokens.Create", "Applications.Edit")
    asked = call.body()
    name, scope = asked.get("name"), asked.get("scope")
    if not isinstance(name, str) or not name.strip():
        raise invalid("A token needs a name")
    if not isinstance(scope, str) or not is_known(scope):
        raise invalid(f"Unknown scope: {scope}")
    token = call.registry.issue(
        name=name, scope=scope, created_at=call.now, expires_at=_expiry(asked), **holder
    )
    return {"first": render.token(token), "second": token.token}


def listed(call: Call) -> Json:
    holder = _holder(call, "Profile.PermanentTokens.Edit", "Applications.ViewSecrets")
    return call.batch(_of(call, holder), render.token)


def withdrawn(call: Call) -> None:
    holder = _holder(call, "Profile.PermanentTokens.Edit", "Applications.Edit")
    wanted = call.ids["tokenId"]
    found = next((t for t in _of(call, holder) if t.id == wanted), None)
    if found is None:
        raise no("Permanent token", wanted)
    found.revoked = True


def withdrew_itself(call: Call) -> None:
    """Only the token that asks can be meant; no right is needed for it."""
    if call.who.token is None:
        raise invalid("The request was not made with a permanent token")
    call.who.token.revoked = True


def consents(call: Call) -> list[Json]:
    owner = _own_profile(call)
    by_app: dict[str, list[Any]] = {}
    for grant in call.registry.grants.values():
        if grant.username == owner and not grant.revoked:
            by_app.setdefault(grant.client_id, []).append(grant)
    return [render.consent(call.registry.apps[key], found) for key, found in by_app.items()]


def left(call: Call) -> None:
    """The refresh token by whose access token this was asked is gone, and with it the grant."""
    grant = call.registry.grants.get(call.who.grant)
    if grant is None:
        raise invalid("The request was not made with a token of a consent")
    grant.revoked = True


def _own_profile(call: Call) -> str:
    profile = call.profile("owner")
    if profile is not call.who.profile:
        raise denied("Profile.View")
    return profile.username


def _holder(call: Call, right: str, right_of_apps: str) -> Holder:
    """Whose tokens the path names. Raises ApiError when the caller may not touch them."""
    if "application" in call.ids:
        app = call.app()
        call.require(right_of_apps)
        return {"client_id": app.client_id}
    profile = call.profile()
    call.require(right)
    if profile is not call.who.profile:
        raise denied(right)
    return {"username": profile.username}


def _of(call: Call, holder: Holder) -> list[PermanentToken]:
    wanted = (holder.get("username", ""), holder.get("client_id", ""))
    return [
        t
        for t in call.registry.tokens.values()
        if (t.username, t.client_id) == wanted and not t.revoked
    ]


def _expiry(asked: Json) -> float | None:
    """A DateTime is sent as an ISO text."""
    text = asked.get("expires")
    if text is None:
        return None
    try:
        return datetime.fromisoformat(str(text)).timestamp()
    except ValueError:
        raise invalid(f"Not a date: {text}") from None
