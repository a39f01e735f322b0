"""One product's API, at the gateway and at a site: find the path, check scopes and limits."""

from __future__ import annotations

from dataclasses import replace

from integrations.sandbox.atlassian.call import Call, Route, find, methods
from integrations.sandbox.atlassian.errors import SCOPE_MISSING, at_site, gateway
from integrations.sandbox.atlassian.limits import Limits
from integrations.sandbox.http import ApiError, Response


class Product:
    """A table of routes under one set of limits."""

    def __init__(self, routes: tuple[Route, ...], limits: Limits) -> None:
        self._routes = routes
        self._limits = limits

    def answer(self, call: Call, path: str, *, gated: bool) -> Response:
        """Answer a call at `path` of the product; `gated` ones came through the gateway."""
        method = call.request.method
        found = find(self._routes, method, path)
        if found is None:
            allowed = methods(self._routes, path)
            raise gateway(405 if allowed else 404)
        route, ids = found
        if not call.identity.may(route.scopes):
            if call.account is None and not gated:
                raise at_site()
            of_site = call.identity.kind == "site_credentials"
            raise gateway(403) if of_site else gateway(401, SCOPE_MISSING)
        headers = self._draw(call, route, ids)
        try:
            response = route.endpoint(replace(call, ids=ids))
        except ApiError as refused:
            response = refused.response
        response.headers |= headers
        return response

    def _draw(self, call: Call, route: Route, ids: dict[str, str]) -> dict[str, str]:
        identity, cloud_id = call.identity, call.site.cloud_id
        self._limits.burst(identity.name or "stranger", call.request, call.now)
        if "issue" in ids:
            self._limits.issue(ids["issue"].upper(), call.request, call.now)
        return self._limits.points(identity.budget, cloud_id, route.cost, call.now)
