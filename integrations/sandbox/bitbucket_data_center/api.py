"""REST: identify, count, find the endpoint, check the permission, answer, and say to whom."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import unquote

from integrations.sandbox.bitbucket_data_center.call import Call
from integrations.sandbox.bitbucket_data_center.credentials import Registry
from integrations.sandbox.bitbucket_data_center.deeds import Deeds
from integrations.sandbox.bitbucket_data_center.errors import (
    failure,
    not_permitted,
    too_many,
    wrong_credentials,
)
from integrations.sandbox.bitbucket_data_center.identity import (
    Identity,
    Refused,
    headers_of,
    identify,
)
from integrations.sandbox.bitbucket_data_center.limits import Buckets
from integrations.sandbox.bitbucket_data_center.render import Writer
from integrations.sandbox.bitbucket_data_center.routes import find
from integrations.sandbox.http import ApiError, Request, Response, json_response


class Api:
    """Everything below {context}/rest over one world and registry."""

    def __init__(self, *, deeds: Deeds, registry: Registry, now: Callable[[], float]) -> None:
        self.buckets = Buckets()
        self._deeds = deeds
        self._world = deeds.scene.world
        self._registry = registry
        self._switches = deeds.scene.switches
        self._now = now

    def answer(self, request: Request, path: str) -> Response:
        """`path` is what follows /rest."""
        headers: dict[str, str] = {"X-AREQUESTID": "@1TGR1DRx900x1x0", "Vary": "X-AUSERNAME"}
        try:
            response = self._answer(request, path, headers)
        except ApiError as refused:
            response = refused.response
        response.headers |= headers
        return response

    def _answer(self, request: Request, path: str, headers: dict[str, str]) -> Response:
        identity = self._identify(request)
        headers |= headers_of(identity, self._switches)
        request.notes["user"] = identity.name
        self._spend(identity)
        found = find(request.method, path)
        if found is None:
            raise failure(404, "null for uri: " + path, "rest.NoSuchResourceException")
        route, ids = found
        if route.needs and not identity.is_stranger and not identity.may(route.needs):
            raise not_permitted()
        value = route.endpoint(self._call(request, identity, ids))
        return Response(204) if value is None else json_response(value)

    def _identify(self, request: Request) -> Identity:
        try:
            return identify(
                request,
                world=self._world,
                registry=self._registry,
                switches=self._switches,
                now=self._now(),
            )
        except Refused:
            raise wrong_credentials() from None

    def _spend(self, identity: Identity) -> None:
        size = self._switches.bucket_size
        if identity.is_stranger or not size:
            return
        refill = self._switches.refill_per_second
        wait = self.buckets.wait_seconds(
            identity.name, size=size, per_second=refill, now=self._now()
        )
        if wait:
            raise too_many(wait if self._switches.retry_after else None)

    def _call(self, request: Request, identity: Identity, ids: dict[str, str]) -> Call:
        base = request.origin + self._switches.context_path
        return Call(
            identity=identity,
            ids={name: unquote(value) for name, value in ids.items()},
            request=request,
            world=self._world,
            registry=self._registry,
            switches=self._switches,
            write=Writer(base, self._switches.iso_dates),
            now=self._now(),
            deeds=self._deeds,
        )
