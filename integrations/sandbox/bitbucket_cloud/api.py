"""REST 2.0: authenticate, count, find the endpoint, check scopes, answer, and say so in headers."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from integrations.sandbox.bitbucket_cloud import partial, scopes
from integrations.sandbox.bitbucket_cloud.call import Call
from integrations.sandbox.bitbucket_cloud.credentials import Registry
from integrations.sandbox.bitbucket_cloud.deeds import Deeds
from integrations.sandbox.bitbucket_cloud.errors import (
    failure,
    no_such_address,
    scope_missing,
    too_many,
    unauthenticated,
)
from integrations.sandbox.bitbucket_cloud.identity import (
    ANONYMOUS,
    INVALID,
    Identity,
    Unauthenticated,
    identify,
)
from integrations.sandbox.bitbucket_cloud.limits import Budget, Limits, scaled
from integrations.sandbox.bitbucket_cloud.paging import Listing, page
from integrations.sandbox.bitbucket_cloud.routes import OPEN_TO_ALL, Route, find, methods
from integrations.sandbox.http import ApiError, Request, Response, json_response

Json = dict[str, Any]


class Api:
    """Everything below /2.0 over one world and registry."""

    def __init__(self, *, deeds: Deeds, registry: Registry, now: Callable[[], float]) -> None:
        self.limits = Limits()
        self._deeds = deeds
        self._world = deeds.scene.world
        self._registry = registry
        self._switches = deeds.scene.switches
        self._now = now

    def answer(self, request: Request) -> Response:
        headers: dict[str, str] = {"Vary": "Authorization, Accept-Encoding"}
        try:
            response = self._answer(request, headers)
        except ApiError as refused:
            response = refused.response
        response.headers |= headers
        return response

    def _answer(self, request: Request, headers: dict[str, str]) -> Response:
        found = find(request.method, request.path)
        if found is not None:
            headers["X-Accepted-OAuth-Scopes"] = ", ".join(found[0].oauth)
        identity = self._identify(request, headers)
        route, ids = self._route(request, found)
        budget = self._spend(identity, route, headers)
        self._check_scopes(identity, route)
        call = Call(
            identity=identity,
            ids={name: unquote(value) for name, value in ids.items()},
            parameters=request.parameters,
            origin=request.origin,
            world=self._world,
            switches=self._switches,
            library=self._deeds.scene.library,
            subscriptions=self._deeds.scene.subscriptions,
            deeds=self._deeds,
            form=request.form,
            body=request.body,
        )
        response = self._response(route, call, request)
        if response.status == 304 and budget.allowed and not self._switches.not_modified_counts:
            self.limits.give_back(identity.budget, route.resource)
        return response

    def _identify(self, request: Request, headers: dict[str, str]) -> Identity:
        try:
            identity = identify(
                request,
                registry=self._registry,
                world=self._world,
                switches=self._switches,
                now=self._now(),
            )
        except Unauthenticated as refused:
            headers["X-Credential-Type"] = ANONYMOUS.kind
            raise unauthenticated(str(refused)) from refused
        headers["X-Credential-Type"] = identity.kind
        if identity.granted:
            shown = list(identity.granted)
            if self._switches.collapse_scopes and identity.vocabulary == "oauth":
                shown = scopes.collapsed(shown)
            headers["X-OAuth-Scopes"] = ", ".join(shown)
        request.notes["credential_kind"] = identity.kind
        request.notes["user"] = identity.user.nickname if identity.user else ""
        return identity

    def _route(
        self, request: Request, found: tuple[Route, dict[str, str]] | None
    ) -> tuple[Route, dict[str, str]]:
        if found is None:
            raise no_such_address()
        allowed = methods(found[0].template)
        if request.method not in allowed:
            raise failure(405, "Method not allowed", headers={"Allow": ", ".join(allowed)})
        return found

    def _spend(self, identity: Identity, route: Route, headers: dict[str, str]) -> Budget:
        """Draw on the hour's budget. Only scaled and anonymous answers say how much there is."""
        switches = self._switches
        limit = switches.rate_limit if identity.user else switches.anonymous_rate_limit
        workspace = self._world.workspaces.get(identity.workspace)
        seats = workspace.paid_seats if identity.is_access_token and workspace else 0
        limit = scaled(limit, seats)
        budget = self.limits.spend(identity.budget, route.resource, limit, self._now())
        if seats > 100:
            headers["X-RateLimit-Limit"] = str(limit)
            headers["X-RateLimit-Resource"] = route.resource
            headers["X-RateLimit-NearLimit"] = str(budget.is_near).lower()
        elif identity.user is None:
            headers["X-RateLimit-Limit"] = f"{limit}, {limit};w=3600"
            headers["X-RateLimit-Remaining"] = str(budget.remaining)
        if not budget.allowed:
            raise too_many(switches.rate_limit_answer, switches.retry_after_seconds)
        return budget

    def _check_scopes(self, identity: Identity, route: Route) -> None:
        if identity.user is None:
            if route.oauth and route.template not in OPEN_TO_ALL:
                raise unauthenticated(INVALID)
            return
        required = route.granular if identity.vocabulary == "granular" else route.oauth
        if not set(required) <= identity.effective:
            raise scope_missing(required, identity.granted)

    def _response(self, route: Route, call: Call, request: Request) -> Response:
        """Let the endpoint answer; a listing is cut into pages, and `fields` trims what is left."""
        value = route.endpoint(call)
        if isinstance(value, Response):
            return value
        status, wanted = 200, call.first("fields")
        if isinstance(value, Listing):
            address = f"{request.origin}{request.path}"
            status, hidden = value.status, value.hidden
            value = page(value, call.parameters, address, str(self._world.seed))
            value = partial.without_hidden(value, hidden, wanted) if hidden else value
        return self._encoded(request, partial.apply(value, wanted) if wanted else value, status)

    def _encoded(self, request: Request, value: Json, status: int) -> Response:
        """Encode with an ETag; a caller that holds it already gets 304."""
        response = json_response(value, status)
        etag = f'"{hashlib.blake2b(response.body, digest_size=16).hexdigest()}"'
        known = request.headers.get("if-none-match", "")
        if etag in {mark.strip().removeprefix("W/") for mark in known.split(",")}:
            return Response(304, b"", {"ETag": etag})
        response.headers |= {"ETag": etag, "Cache-Control": "private, max-age=0"}
        if self._switches.compress and "gzip" in request.headers.get("accept-encoding", ""):
            response.body = gzip.compress(response.body, 1)
            response.headers["Content-Encoding"] = "gzip"
        return response
