"""Everything below /api/http of one organization: identify, count, find the endpoint, answer."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from integrations.sandbox.http import ApiError, Request, Response, json_response
from integrations.sandbox.jetbrains_space import endpoints, tokens
from integrations.sandbox.jetbrains_space.call import Call
from integrations.sandbox.jetbrains_space.credentials import Registry
from integrations.sandbox.jetbrains_space.errors import no, too_many
from integrations.sandbox.jetbrains_space.identity import Principal, identify
from integrations.sandbox.jetbrains_space.partials import partial
from integrations.sandbox.jetbrains_space.switches import Switches
from integrations.sandbox.jetbrains_space.world import World

BASE = "/api/http"
MINUTE = 60

PROFILES = "/team-directory/profiles"
CONSENTS = f"{PROFILES}/oauth-consents"
APPLICATION = "/applications/{application}"
RIGHTS = f"{APPLICATION}/authorizations"
Endpoint = Callable[[Call], Any]

ROUTES: tuple[tuple[str, str, Endpoint], ...] = (
    ("GET", "/organization", endpoints.organization),
    ("GET", "/projects", endpoints.projects),
    ("GET", "/projects/{project}", endpoints.project),
    ("GET", "/projects/{project}/automation/jobs", endpoints.jobs),
    ("GET", "/team-directory/memberships", endpoints.memberships),
    ("GET", f"{CONSENTS}/{{owner}}", tokens.consents),
    ("DELETE", f"{CONSENTS}/me/refresh-tokens/self", tokens.left),
    ("GET", PROFILES, endpoints.profiles),
    ("GET", f"{PROFILES}/{{profile}}", endpoints.profile),
    ("GET", APPLICATION, endpoints.application),
    ("GET", f"{RIGHTS}/authorized-contexts", endpoints.contexts),
    ("GET", f"{RIGHTS}/authorized-rights", endpoints.rights),
    ("POST", "/permissions/check-permission", endpoints.check_permission),
    *(
        each
        for holder in (f"{PROFILES}/{{profile}}", APPLICATION)
        for each in (
            ("GET", f"{holder}/permanent-tokens", tokens.listed),
            ("POST", f"{holder}/permanent-tokens", tokens.made),
            ("DELETE", f"{holder}/permanent-tokens/current", tokens.withdrew_itself),
            ("DELETE", f"{holder}/permanent-tokens/{{tokenId}}", tokens.withdrawn),
        )
    ),
)
PATTERNS = tuple(
    (method, re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path)), endpoint)
    for method, path, endpoint in ROUTES
)


@dataclass
class Api:
    """One organization's API. `asked` are the moments of the last minute, by principal."""

    world: World
    registry: Registry
    switches: Switches
    now: Callable[[], float]
    asked: dict[str, deque[float]] = field(default_factory=dict)

    def answer(self, request: Request) -> Response:
        try:
            who = identify(request, self.world, self.registry, self.now())
            request.notes["user"] = who.name
            self._count(who)
            endpoint, ids = self._route(request)
            return self._told(endpoint(self._call(request, who, ids)), request)
        except ApiError as refused:
            return refused.response

    def _told(self, value: Any, request: Request) -> Response:
        """What returns nothing is answered by 200 without a body."""
        if value is None:
            return Response(200, b"")
        return json_response(partial(value, request.parameters))

    def _route(self, request: Request) -> tuple[Endpoint, dict[str, str]]:
        path = request.path.removeprefix(BASE).rstrip("/")
        for method, pattern, endpoint in PATTERNS:
            found = pattern.fullmatch(path) if method == request.method else None
            if found is not None:
                return endpoint, {name: unquote(text) for name, text in found.groupdict().items()}
        raise no("Method", path)

    def _count(self, who: Principal) -> None:
        most = self.switches.requests_per_minute
        if not most:
            return
        times, now = self.asked.setdefault(who.name, deque()), self.now()
        while times and times[0] <= now - MINUTE:
            times.popleft()
        if len(times) >= most:
            wait = max(1, int(times[0] + MINUTE - now))
            raise too_many(wait if self.switches.retry_after else None)
        times.append(now)

    def _call(self, request: Request, who: Principal, ids: dict[str, str]) -> Call:
        return Call(
            who=who,
            ids=ids,
            request=request,
            world=self.world,
            registry=self.registry,
            switches=self.switches,
            now=self.now(),
        )
