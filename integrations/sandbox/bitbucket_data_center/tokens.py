"""The REST API of HTTP access tokens: list, make, look at, change and withdraw them."""

from __future__ import annotations

from typing import Any

from integrations.sandbox.bitbucket_data_center.call import Call
from integrations.sandbox.bitbucket_data_center.credentials import PERMISSIONS, HttpToken
from integrations.sandbox.bitbucket_data_center.errors import (
    invalid,
    no_token,
    no_user,
    not_permitted,
)

Json = dict[str, Any]
DAY = 86_400
Holder = tuple[str, str, str]  # user, project, repository


def listed(call: Call) -> Json:
    return call.page(_tokens(call, _holder(call)), call.write.token)


def one(call: Call) -> Json:
    return call.write.token(_token(call))


def made(call: Call) -> Json:
    """The only answer that tells the token's text."""
    user, project, repository = _holder(call)
    asked = call.body()
    name, wanted = asked.get("name"), asked.get("permissions")
    if not isinstance(name, str) or not name.strip():
        raise invalid("A name is required")
    if not isinstance(wanted, list) or not wanted or not set(wanted) <= set(PERMISSIONS):
        raise invalid("Permissions must be some of those that are known")
    if repository and any(word.startswith("PROJECT_") for word in wanted):
        raise invalid("A repository's token cannot hold project permissions")
    days = asked.get("expiryDays")
    token = call.registry.issue(
        name=name,
        permissions=sorted(wanted),
        created_at=call.now,
        expires_at=call.now + days * DAY if isinstance(days, int) and days else None,
        user=user,
        project=project,
        repository=repository,
    )
    return {**call.write.token(token), "token": token.token}


def withdrawn(call: Call) -> None:
    _token(call).revoked = True


def _token(call: Call) -> HttpToken:
    holder = _holder(call)
    found = next((t for t in _tokens(call, holder) if t.id == call.ids["tokenId"]), None)
    if found is None:
        raise no_token(call.ids["tokenId"])
    return found


def _tokens(call: Call, holder: Holder) -> list[HttpToken]:
    user, project, repository = holder
    return [
        t
        for t in call.registry.tokens.values()
        if (t.user, t.project, t.repository) == (user, project, repository) and not t.revoked
    ]


def _holder(call: Call) -> Holder:
    """Whose tokens the path names. Raises ApiError when the caller may not touch them."""
    who = call.somebody()
    if who.token is not None and not call.switches.tokens_make_tokens:
        raise not_permitted()
    if "userSlug" in call.ids:
        user = call.world.user_by_slug(call.ids["userSlug"])
        if user is None:
            raise no_user(call.ids["userSlug"])
        if who.user is None or who.user.name != user.name:
            raise not_permitted()
        return user.name, "", ""
    if "repositorySlug" not in call.ids:
        project = call.project()
        if not who.administers(project):
            raise not_permitted()
        return "", project.key, ""
    project, repository = call.repository()
    if not who.may("REPO_ADMIN"):
        raise not_permitted()
    return "", project.key, repository.slug
