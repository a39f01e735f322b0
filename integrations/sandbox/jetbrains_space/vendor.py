"""Space as one thing: an organization at JetBrains' address and one that runs its own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any, ClassVar

from integrations.sandbox.http import Request, Response, html_response
from integrations.sandbox.jetbrains_space import commands, errors
from integrations.sandbox.jetbrains_space.api import BASE
from integrations.sandbox.jetbrains_space.credentials import App, Registry
from integrations.sandbox.jetbrains_space.organization import Organization
from integrations.sandbox.jetbrains_space.rights import (
    EVERYTHING,
    GLOBAL,
    GRANTED,
    REQUESTED,
    in_project,
)
from integrations.sandbox.jetbrains_space.switches import Switches
from integrations.sandbox.jetbrains_space.world import build, identifier
from integrations.sandbox.pages import place
from integrations.sandbox.vendor import Vendor

Json = dict[str, Any]
DAY = 86_400
CLOUD = "https://acme.jetbrains.space"
OWN = "https://space.fjord.example"
PROJECTS = {CLOUD: 130, OWN: 5}
SMALL = "global:Profile.View global:Project.View"

# name, holder, scope, days
TOKENS: tuple[tuple[str, str, str, int | None], ...] = (
    ("dana-full", "dana", EVERYTHING, None),
    ("dana-small", "dana", SMALL, 90),
    ("dana-expired", "dana", EVERYTHING, -1),
    ("dana-narrow", "dana", "global:Project.View", 90),
    ("tomas-full", "tomas", EVERYTHING, 30),
    ("nora-full", "nora", EVERYTHING, None),
    ("robot-token", "robot", EVERYTHING, 90),
)
ROBOT_RIGHTS = {
    GLOBAL: {
        "Project.View": GRANTED,
        "Applications.View": GRANTED,
        "Applications.Edit": GRANTED,
        "Applications.ViewSecrets": GRANTED,
        "Automation.Execution.Start": REQUESTED,
    },
    in_project("CAR"): {
        "Automation.Execution.View": GRANTED,
        "Automation.Execution.Start": GRANTED,
        "VcsRepository.CommitStatus.Push": GRANTED,
    },
    in_project("PAY"): {"Automation.Execution.View": GRANTED},
}


class JetBrainsSpace(Vendor):
    """Answers at both addresses, and holds what the control port may change."""

    slug: ClassVar[str] = "jetbrains-space"
    HOSTS = {CLOUD: "127.0.0.31", OWN: "127.0.0.32"}

    def reset(self) -> None:
        """Worlds, credentials and switches are as they were at the start."""
        self.switches = Switches()
        self.organizations = {
            origin: self._founded(origin, self._enrolled(origin)) for origin in self.HOSTS
        }
        self.by_path = commands.by_path(self)
        self.questions = commands.questions(self)

    def answer(self, request: Request, origin: str) -> Response:
        found = self.organizations[origin]
        if request.path == "/oauth/auth":
            return found.oauth.authorize(request)
        if request.path == "/oauth/token":
            return found.oauth.token(request)
        if request.path.startswith(f"{BASE}/"):
            return found.api.answer(request)
        return html_response(place(request.path, found.world.name, "Space"))

    def words(self, status: int) -> Response:
        return errors.words(status)

    def describe(self) -> Json:
        """What there is to know for somebody who rehearses; each row says whose it is."""
        return {
            "organizations": [
                {"origin": origin, "url": self.at(origin), "name": one.world.name}
                for origin, one in self.organizations.items()
            ],
            "apps": self._rows("apps"),
            "tokens": self._rows("tokens"),
            "grants": self._rows("grants"),
            "switches": self.switches.describe(),
        }

    def announce(self) -> Iterable[str]:
        for origin, one in self.organizations.items():
            yield f"JetBrains Space sandbox: {self.at(origin)} ({one.world.name})"
            for app in one.registry.apps.values():
                yield f"  application {app.name}: {app.about}"
                yield f"    client id {app.client_id}  secret {app.secret}"
            for token in one.registry.tokens.values():
                yield f"  permanent token {token.name}\n    {token.token}"

    def keep(self) -> Json:
        return {origin: one.registry.dump() for origin, one in self.organizations.items()}

    def restore(self, kept: Json) -> None:
        """Take up the credentials that `keep` wrote, so that links outlive a restart."""
        for origin, dump in kept.items():
            fresh, registry = self._enrolled(origin), Registry.load(dump)
            registry.apps = fresh.apps | registry.apps
            self.organizations[origin] = self._founded(origin, registry)

    def mark(self) -> tuple[float, ...]:
        return tuple(n for one in self.organizations.values() for n in one.registry.mark())

    def _rows(self, kind: str) -> list[Json]:
        return [
            {"origin": origin, **asdict(row)}
            for origin, one in self.organizations.items()
            for row in getattr(one.registry, kind).values()
        ]

    def _founded(self, origin: str, registry: Registry) -> Organization:
        name = "Acme" if origin == CLOUD else "Fjord"
        return Organization(build(name, PROJECTS[origin]), registry, self.switches, self.clock.now)

    def _enrolled(self, origin: str) -> Registry:
        registry, now = Registry(), self.clock.now()
        mark = "acme" if origin == CLOUD else "fjord"
        portal = App(
            id=identifier(f"{mark}/portal"),
            client_id=f"{mark}-space-portal",
            secret=f"{mark}-space-portal-secret-5b1c",
            name="Portal",
            redirect_uris=self.callbacks(self.slug),
            code_flow=True,
            about="people sign in through it",
        )
        robot = App(
            id=identifier(f"{mark}/robot"),
            client_id=f"{mark}-space-robot",
            secret=f"{mark}-space-robot-secret-e07a",
            name="Robot",
            client_credentials=True,
            rights={where: dict(codes) for where, codes in ROBOT_RIGHTS.items()},
            about="acts on its own behalf: reads projects, starts jobs in CAR",
        )
        registry.apps = {app.client_id: app for app in (portal, robot)}
        for name, holder, scope, days in TOKENS:
            whose = {"client_id": robot.client_id} if holder == "robot" else {"username": holder}
            registry.issue(
                seed=f"{mark}/{name}",
                name=name,
                scope=scope,
                created_at=now - 30 * DAY,
                expires_at=None if days is None else now + days * DAY,
                about=name,
                **whose,
            )
        return registry
