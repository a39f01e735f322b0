"""Whom a request counts as: a user, a project's or repository's token, or nobody."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from integrations.sandbox.bitbucket_data_center.credentials import (
    HttpToken,
    Registry,
    closure,
)
from integrations.sandbox.bitbucket_data_center.switches import Switches
from integrations.sandbox.bitbucket_data_center.world import Project, Repository, User, World, sees
from integrations.sandbox.http import Request
from integrations.sandbox.oauth import basic_pair, digest

ALL = frozenset({"PROJECT_ADMIN"})


class Refused(Exception):
    """401: the credential was looked at and is wrong."""


@dataclass(frozen=True, slots=True)
class Identity:
    """`held` are the permissions of the credential, a user's own rights put aside."""

    name: str = ""
    user: User | None = None
    token: HttpToken | None = None
    held: frozenset[str] = frozenset()

    @property
    def is_stranger(self) -> bool:
        return not self.name

    def may(self, permission: str) -> bool:
        return permission in closure(list(self.held))

    def sees_project(self, project: Project) -> bool:
        if project.public:
            return True
        if self.token is not None and not self.token.user:
            return self.token.project == project.key
        return self.user is not None and self.user.name in project.members

    def sees(self, project: Project, repository: Repository) -> bool:
        if self.token is not None and not self.token.user:
            own = self.token.project == project.key
            only = self.token.repository in ("", repository.slug)
            return (own and only) or project.public or repository.public
        return sees(project, repository, self.user)

    def administers(self, project: Project) -> bool:
        if not self.may("PROJECT_ADMIN"):
            return False
        if self.token is not None and not self.token.user:
            return self.token.kind == "project" and self.token.project == project.key
        return self.user is not None and project.members.get(self.user.name) == "PROJECT_ADMIN"


STRANGER = Identity()


def identify(
    request: Request, *, world: World, registry: Registry, switches: Switches, now: float
) -> Identity:
    """Who asks. A dead bearer token makes a stranger, as was seen; a wrong password is refused."""
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        return _by_password(value, world, registry, now)
    if scheme.lower() != "bearer":
        return STRANGER
    found = _by_http_token(value.strip(), world, registry, now) or _by_access_token(
        value.strip(), world, registry, now
    )
    if found is None and switches.refused_token == "unauthorized":
        raise Refused
    return found or STRANGER


def headers_of(identity: Identity, switches: Switches) -> dict[str, str]:
    """Whom the answer was given to."""
    if identity.name:
        known = {"X-AUSERID": str(identity.user.id)} if identity.user else {}
        return {"X-AUSERNAME": quote(identity.name, safe="@"), **known}
    return {"X-AUSERNAME": "anonymous"} if switches.refused_token == "named_anonymous" else {}


def _by_http_token(text: str, world: World, registry: Registry, now: float) -> Identity | None:
    token = registry.http_token(text)
    if token is None or token.revoked or (token.expires_at is not None and token.expires_at <= now):
        return None
    held = frozenset(token.permissions)
    if token.user:
        user = world.users.get(token.user)
        return Identity(user.name, user, token, held) if user and user.active else None
    place = token.project + (f"/{token.repository}" if token.repository else "")
    return Identity(f"access-token-user/{place}", None, token, held)


def _by_access_token(text: str, world: World, registry: Registry, now: float) -> Identity | None:
    access = registry.access.get(digest(text))
    if access is None or access.expires_at <= now:
        return None
    grant = registry.grants[access.grant]
    user = world.users.get(grant.user)
    if grant.revoked or user is None or not user.active:
        return None
    return Identity(user.name, user, None, frozenset(grant.scopes))


def _by_password(value: str, world: World, registry: Registry, now: float) -> Identity:
    pair = basic_pair(value)
    if pair is None:
        raise Refused
    name, secret = pair
    user = world.users.get(name)
    if user is not None and user.active and registry.passwords.get(name) == secret:
        return Identity(user.name, user, None, ALL)
    found = _by_http_token(secret, world, registry, now)
    if found is None or found.user is None or found.user.name != name:
        raise Refused
    return found
