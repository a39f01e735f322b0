"""Who a request comes from, what it was granted, and what that lets it see."""

from __future__ import annotations

from dataclasses import dataclass

from integrations.sandbox.bitbucket_cloud import scopes
from integrations.sandbox.bitbucket_cloud.credentials import (
    Registry,
    StaticToken,
    actor_of,
)
from integrations.sandbox.bitbucket_cloud.switches import Switches
from integrations.sandbox.bitbucket_cloud.world import (
    RANKS,
    Repository,
    User,
    Workspace,
    World,
    permission_on,
)
from integrations.sandbox.clock import isoformat
from integrations.sandbox.http import Request
from integrations.sandbox.oauth import basic_pair, digest

INVALID = "Token is invalid, expired, or not supported for this endpoint."
EXPIRED = "Access token expired."


class Unauthenticated(Exception):
    """The credential is not accepted; the message is the vendor's."""


@dataclass(slots=True)
class Identity:
    """The caller. Without a user it is anonymous.

    A `workspace` limits the caller to that one; `project` and `repository` limit it further. Access
    tokens and consumers acting by themselves are members of nothing: `acts` is their own right.
    """

    kind: str
    user: User | None = None
    granted: tuple[str, ...] = ()
    budget: str = "anonymous"
    workspace: str = ""
    project: str = ""
    repository: str = ""
    acts: str = ""

    @property
    def vocabulary(self) -> str:
        return "granular" if self.kind == "api_token" else "oauth"

    @property
    def is_access_token(self) -> bool:
        return self.kind.endswith("_access_token")

    @property
    def effective(self) -> frozenset[str]:
        return scopes.closure(self.granted)

    def membership(self, workspace: Workspace) -> str | None:
        """Return the caller's permission in a workspace, None when it is not in it."""
        if self.workspace and workspace.slug != self.workspace:
            return None
        if self.acts:
            return "member"
        return workspace.members.get(self.user.uuid) if self.user else None

    def permission(self, workspace: Workspace, repository: Repository) -> str | None:
        """Return admin, write, read or None for one repository."""
        public = None if repository.is_private else "read"
        if self.membership(workspace) is None:
            return public
        if self.project and repository.project.key != self.project:
            return public
        if self.repository and repository.uuid != self.repository:
            return public
        if self.acts:
            return self.acts
        return permission_on(workspace, repository, self.user.uuid if self.user else "")


ANONYMOUS = Identity(kind="unauthenticated_identity")


def identify(
    request: Request, *, registry: Registry, world: World, switches: Switches, now: float
) -> Identity:
    """Return who is calling. Raises Unauthenticated for a credential that is not accepted.

    Tokens in the query or a form body are refused since 4 May 2026.
    """
    if "access_token" in request.parameters or "access_token" in request.form:
        raise Unauthenticated(INVALID)
    header = request.headers.get("authorization")
    if header is None:
        return ANONYMOUS
    scheme, _, value = header.partition(" ")
    if scheme.lower() == "bearer":
        return by_bearer(value.strip(), registry, world, switches, now)
    if scheme.lower() == "basic":
        return by_basic(value.strip(), registry, world, switches, now)
    raise Unauthenticated(INVALID)


def by_bearer(
    token: str, registry: Registry, world: World, switches: Switches, now: float
) -> Identity:
    mark = digest(token)
    access = registry.access.get(mark)
    if access is None:
        static = registry.static.get(mark)
        if static is None or (static.kind == "api_token" and not switches.api_token_as_bearer):
            raise Unauthenticated(INVALID)
        return by_static(static, registry, world, now)
    grant = registry.grants[access.grant_id]
    if not registry.stands(grant):
        raise Unauthenticated(INVALID)
    if access.expires_at <= now:
        raise Unauthenticated(EXPIRED)
    kind, granted = switches.oauth_credential_type, tuple(grant.scopes)
    if not grant.user_uuid:
        consumer = registry.consumers[grant.consumer_key]
        actor = actor_of(f"consumer:{consumer.key}", consumer.name)
        return Identity(
            kind, actor, granted, f"consumer:{consumer.key}", consumer.workspace, acts="read"
        )
    return Identity(kind, world.user(grant.user_uuid), granted, f"user:{grant.user_uuid}")


def by_basic(
    value: str, registry: Registry, world: World, switches: Switches, now: float
) -> Identity:
    pair = basic_pair(value)
    if pair is None:
        raise Unauthenticated(INVALID)
    name, password = pair
    static = registry.static.get(digest(password))
    if static is not None and static.kind == "app_password":
        return by_app_password(name, static, registry, world, switches, now)
    if static is None or static.kind != "api_token" or static.email != name:
        raise Unauthenticated(INVALID)
    return by_static(static, registry, world, now)


def by_app_password(
    name: str,
    password: StaticToken,
    registry: Registry,
    world: World,
    switches: Switches,
    now: float,
) -> Identity:
    """Accept an app password of this user name until the day on which all of them end."""
    user, today = world.user(password.user_uuid), isoformat(now)[:10]
    over = today >= switches.app_passwords_end or password.revoked
    if over or user is None or user.nickname != name or user.uuid in registry.deactivated:
        raise Unauthenticated(INVALID)
    return Identity("apppassword", user, tuple(password.scopes), f"user:{user.uuid}")


def by_static(token: StaticToken, registry: Registry, world: World, now: float) -> Identity:
    """Accept a token made by hand; one without scopes ("classic") is refused here as there."""
    over = token.expires_at is not None and token.expires_at <= now
    over = over or token.revoked or token.user_uuid in registry.deactivated
    if over or not token.scopes or token.kind == "app_password":
        raise Unauthenticated(INVALID)
    granted = tuple(token.scopes)
    if token.kind == "api_token":
        user = world.user(token.user_uuid)
        return Identity(
            token.kind, user, granted, f"user:{token.user_uuid}", workspace=token.workspace
        )
    return Identity(
        kind=token.kind,
        user=actor_of(f"token:{digest(token.token)}", token.about.partition(":")[0]),
        granted=granted,
        budget=f"token:{digest(token.token)}",
        workspace=token.workspace,
        project=token.project,
        repository=token.repository,
        acts=strongest(granted),
    )


def strongest(granted: tuple[str, ...]) -> str:
    """Return the right over repositories that an access token's scopes amount to."""
    effective = scopes.closure(granted)
    if "repository:admin" in effective:
        return "admin"
    return "write" if "repository:write" in effective else "read"


def reaches(permission: str | None, role: str) -> bool:
    """Say whether a permission satisfies ?role=, whose words are member, contributor and admin."""
    wanted = {"member": "read", "contributor": "write", "admin": "admin"}[role]
    return permission is not None and RANKS[permission] >= RANKS[wanted]
