"""What we send, and what the sandbox knows, is held against what Spacelift's own tools ask.

The vendor publishes no schema; `shared/specs` has the operations of its request collection and the
types of its Terraform provider. What neither has is listed here with where it was learned.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from graphql import (
    FieldNode,
    GraphQLObjectType,
    OperationDefinitionNode,
    get_named_type,
    parse,
    print_ast,
    validate,
)

from integrations.sandbox.spacelift.schema import schema
from integrations.spacelift import operations

SPECS = Path(__file__).resolve().parents[3] / "shared/specs"
OPERATIONS = SPECS / "spacelift-operations.json"
TYPES = SPECS / "spacelift-types-from-terraform-provider.json"
pytestmark = pytest.mark.skipif(
    not OPERATIONS.exists(), reason="the vendor's operations are not beside the project"
)

# root field → why the derived operations lack it
LEARNED_ELSEWHERE = {
    "viewer": "spacectl internal/cmd/whoami/whoami.go, and client/client.go on unauthorized",
    "searchSpaces": "spacelift-api-bruno Spacelift/Spaces/Search Spaces.bru @1a66da32",
}
# (root field, field) → the same for what is selected
SELECTED_ELSEWHERE = {
    ("apiKeyUser", "validUntil"): "spacectl client/session/api_token.go",
    ("spaces", "accessLevel"): "spacectl internal/cmd/space/mcp.go",
}
# (type, field) of the sandbox's schema that the derived types lack
TYPED_ELSEWHERE = {
    ("Space", "accessLevel"): "spacectl internal/cmd/space/mcp.go",
    ("APIKey", "createdAt"): "spacelift-operations.json apiKey",
    ("APIKey", "lastUsedAt"): "spacelift-operations.json apiKey",
    ("APIKey", "expiresAt"): "spacelift-operations.json apiKey",
    ("APIKey", "description"): "spacelift-operations.json apiKey",
    ("Stack", "state"): "spacelift-operations.json searchStacks",
    ("NamedWebhooksIntegration", "createdAt"): "spacelift-operations.json namedWebhooksIntegration",
    ("SearchInput", "fullTextSearch"): "spacectl client/structs/search.go",
}
DERIVED_TYPES = {  # our schema's name → the provider's struct
    "Space": "Space",
    "ApiKey": "APIKey",
    "SpaceAccessRule": "SpaceAccessRule",
    "Stack": "Stack",
    "NamedWebhooksIntegration": "NamedWebhooksIntegration",
    "SearchInput": "SearchInput",
    "PageInfo": "PageInfo",
}


@cache
def derived() -> dict[tuple[str, str], dict[str, Any]]:
    told = json.loads(OPERATIONS.read_text())["operations"]
    return {(one["kind"], one["field"]): one for one in told}


@cache
def structs() -> dict[str, set[str]]:
    told = json.loads(TYPES.read_text())["structs"]
    return {
        name: {one.get("graphql") or one.get("json", "").partition(",")[0] for one in of["fields"]}
        for name, of in told.items()
    }


def roots() -> list[tuple[str, OperationDefinitionNode, FieldNode]]:
    """Each root field that is sent, with the operation it stands in."""
    found = []
    for text in operations.ALL:
        for operation in parse(text).definitions:
            assert isinstance(operation, OperationDefinitionNode)
            for field in operation.selection_set.selections:
                assert isinstance(field, FieldNode)
                found.append((field.name.value, operation, field))
    return found


def selected(field: FieldNode, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    inner = field.selection_set.selections if field.selection_set else ()
    paths = []
    for one in inner:
        assert isinstance(one, FieldNode)
        paths += [(*path, one.name.value), *selected(one, (*path, one.name.value))]
    return paths


def known(tree: Any, path: tuple[str, ...]) -> bool:
    for name in path:
        if not isinstance(tree, dict) or name not in tree:
            return False
        tree = tree[name]
    return True


@pytest.mark.parametrize("text", operations.ALL)
def test_what_we_send_fits_the_schema(text: str) -> None:
    assert validate(schema(), parse(text)) == []


@pytest.mark.parametrize(
    ("name", "operation", "field"), roots(), ids=lambda it: it if isinstance(it, str) else ""
)
def test_each_root_field_is_one_that_the_vendors_tools_ask(
    name: str, operation: OperationDefinitionNode, field: FieldNode
) -> None:
    one = derived().get((operation.operation.value, name))
    if one is None:
        assert name in LEARNED_ELSEWHERE
        return
    assert name not in LEARNED_ELSEWHERE, "it is known now"
    assert {argument.name.value for argument in field.arguments or ()} <= {*one["arguments"]}
    for path in selected(field):
        if (name, path[-1]) not in SELECTED_ELSEWHERE:
            assert known(one["returns"], path), path


def test_each_variable_has_the_vendors_type() -> None:
    for name, operation, field in roots():
        one = derived().get((operation.operation.value, name))
        types = {
            variable.variable.name.value: print_ast(variable.type)
            for variable in operation.variable_definitions or ()
        }
        asked = one or {"arguments": (), "variables": {}}
        wanted = dict(zip(asked["arguments"], asked["variables"].values(), strict=True))
        for argument in field.arguments or ():
            if argument.name.value in wanted:
                used = print_ast(argument.value).removeprefix("$")
                assert types[used] == wanted[argument.name.value], (name, argument.name.value)


def test_the_sandboxs_types_are_the_vendors() -> None:
    known_schema = schema()
    for ours, theirs in DERIVED_TYPES.items():
        kind = known_schema.get_type(ours)
        assert kind is not None
        for field in kind.fields:
            if (theirs, field) not in TYPED_ELSEWHERE:
                assert field in structs()[theirs], (ours, field)
    vcs = known_schema.get_type("VcsProvider")
    assert {*vcs.values} == {*json.loads(TYPES.read_text())["enums"]["VCSProvider"]}


def test_the_sandboxs_operations_are_the_vendors() -> None:
    known_schema = schema()
    for root, kind in (
        ("query", known_schema.query_type),
        ("mutation", known_schema.mutation_type),
    ):
        for name, field in kind.fields.items():
            one = derived().get((root, name))
            if one is None:
                assert name in LEARNED_ELSEWHERE, name
                continue
            assert {*field.args} == {*one["arguments"]}, name
            returned = get_named_type(field.type)
            if isinstance(returned, GraphQLObjectType) and isinstance(one["returns"], dict):
                assert {*one["returns"]} <= {*returned.fields}, name


def test_no_operation_holds_a_value() -> None:
    """Values travel as variables, so that what is logged of an operation holds none."""
    for text in operations.ALL:
        assert '"' not in text
        assert "'" not in text
