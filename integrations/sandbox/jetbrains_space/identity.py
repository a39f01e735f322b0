"""Whom a request counts as: a person or an application, and how far its token's scope reaches."""

from __future__ import annotations

from dataclasses import dataclass

from integrations.sandbox.http import Request
from integrations.sandbox.jetbrains_space.credentials import App, PermanentToken, Registry
from integrations.sandbox.jetbrains_space.errors import stranger
from integrations.sandbox.jetbrains_space.rights import GLOBAL, OF_PROJECTS, covers, in_project
from integrations.sandbox.jetbrains_space.world import Profile, Project, World
from integrations.sandbox.oauth import digest

UNKNOWN = "The token is not known"
ENDED = "Access token has expired"


@dataclass(frozen=True, slots=True)
class Principal:
    """A person, or an application on its own behalf; exactly one of the two."""

    world: World
    scope: tuple[str, ...]
    profile: Profile | None = None
    app: App | None = None
    token: PermanentToken | None = None
    grant: str = ""

    @property
    def name(self) -> str:
        return self.profile.username if self.profile else self.app.client_id if self.app else ""

    def may(self, code: str, project: Project | None = None) -> bool:
        """Whether the token lets the right through and its principal has it there."""
        return covers(self.scope, _context(project), code) and self.holds(code, project)

    def holds(self, code: str, project: Project | None = None) -> bool:
        """Whether the principal has the right, whatever the token's scope."""
        if self.profile is not None:
            return self.world.may(self.profile, code, project)
        return self.app is not None and self.app.may(code, _context(project))

    def may_somewhere(self, code: str) -> bool:
        """Whether the token's scope names the right at all."""
        places = [None, *self.world.projects.values()] if code in OF_PROJECTS else [None]
        return any(covers(self.scope, _context(place), code) for place in places)


def _context(project: Project | None) -> str:
    return in_project(project.key) if project else GLOBAL


def identify(request: Request, world: World, registry: Registry, now: float) -> Principal:
    """Who asks. Raises ApiError for nobody that Space knows."""
    scheme, _, text = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not text.strip():
        raise stranger("Authentication is required")
    return _by_permanent(text.strip(), world, registry, now) or _by_access(
        text.strip(), world, registry, now
    )


def _by_permanent(text: str, world: World, registry: Registry, now: float) -> Principal | None:
    token = registry.permanent(text)
    if token is None:
        return None
    if token.revoked:
        raise stranger(UNKNOWN)
    if token.expires_at is not None and token.expires_at <= now:
        raise stranger(ENDED)
    scope = tuple(token.scope.split())
    if token.client_id:
        return Principal(world, scope, app=registry.apps[token.client_id], token=token)
    return Principal(world, scope, profile=_active(world, token.username), token=token)


def _by_access(text: str, world: World, registry: Registry, now: float) -> Principal:
    found = registry.access.get(digest(text))
    if found is None:
        raise stranger(UNKNOWN)
    if found.expires_at <= now:
        raise stranger(ENDED)
    scope = tuple(found.scope.split())
    if not found.grant:
        return Principal(world, scope, app=registry.apps[found.client_id])
    grant = registry.grants[found.grant]
    if grant.revoked:
        raise stranger(UNKNOWN)
    return Principal(world, scope, profile=_active(world, grant.username), grant=grant.id)


def _active(world: World, username: str) -> Profile:
    profile = world.people.get(username)
    if profile is None or not profile.active:
        raise stranger("The profile is suspended")
    return profile
