"""The GraphQL endpoint: parsed, held to the schema, executed, and answered with 200 as a rule."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from graphql import GraphQLSchema, graphql_sync

from integrations.sandbox.bitbucket_data_center.limits import Buckets
from integrations.sandbox.http import Request, Response, json_response, text_response
from integrations.sandbox.spacelift.keys import Key, Keys
from integrations.sandbox.spacelift.resolving import Asking, root_of
from integrations.sandbox.spacelift.schema import schema
from integrations.sandbox.spacelift.switches import Switches
from integrations.sandbox.spacelift.world import Account

Json = dict[str, Any]
ENDPOINT = "/graphql"


class Api:
    """Everything at an account's address over one world and its keys."""

    def __init__(self, *, keys: Keys, switches: Switches, now: Callable[[], float]) -> None:
        self._keys, self._switches, self._now = keys, switches, now
        self._buckets = Buckets()
        self._schemas: dict[bool, GraphQLSchema] = {}

    def answer(self, request: Request, account: Account) -> Response:
        if request.path != ENDPOINT:
            return text_response("404 page not found\n", 404)
        if request.method != "POST":
            return text_response("Method not allowed\n", 405, {"Allow": "POST"})
        asked = operation(request)
        if asked is None:
            return text_response("invalid request body\n", 400)
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        key = self._bearer(account, token)
        request.notes["user"] = key.name if key else ""
        if token and key is None and self._switches.dead_jwt == "http_401":
            return json_response({"error": "unauthorized"}, 401)
        if wait := self._wait(key):
            hint = {"Retry-After": str(wait)} if self._switches.retry_after else {}
            return text_response("Too Many Requests\n", 429, hint)
        return self._executed(asked, Asking(account, key, self._keys, self._switches, self._now()))

    def _executed(self, asked: Json, asking: Asking) -> Response:
        found = graphql_sync(
            self._schema(),
            asked["query"],
            root_value=root_of(asking),
            variable_values=asked["variables"],
            operation_name=asked["operationName"],
        )
        told: Json = {"data": found.data}
        if found.errors:
            told["errors"] = [error.formatted for error in found.errors]
        return json_response(told)

    def _schema(self) -> GraphQLSchema:
        searches = self._switches.searches_spaces
        if searches not in self._schemas:
            self._schemas[searches] = schema(searches_spaces=searches)
        return self._schemas[searches]

    def _bearer(self, account: Account, token: str) -> Key | None:
        return self._keys.bearer(
            account.name,
            token,
            now=self._now(),
            ended_by_deletion=self._switches.deletion_ends_jwts,
        )

    def _wait(self, key: Key | None) -> int:
        size = self._switches.bucket_size
        if key is None or not size:
            return 0
        refill = self._switches.refill_per_second
        return self._buckets.wait_seconds(key.id, size=size, per_second=refill, now=self._now())


def operation(request: Request) -> Json | None:
    """Query, variables and name of a request; None when its body is none."""
    try:
        found = json.loads(request.body)
    except ValueError:
        return None
    if not isinstance(found, dict) or not isinstance(found.get("query"), str):
        return None
    variables, name = found.get("variables"), found.get("operationName")
    return {
        "query": found["query"],
        "variables": variables if isinstance(variables, dict) else {},
        "operationName": name if isinstance(name, str) else None,
    }
