"""The reference page of the API, rendered from its OpenAPI document; open to everybody."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from connections import markdown
from connections.api import description, kinds

Described = dict[str, Any]


@dataclass(frozen=True, slots=True)
class FieldLine:
    """One field of a body or an answer, or one parameter."""

    name: str
    kind: str
    words: str
    is_required: bool


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that can be asked."""

    anchor: str
    method: str
    path: str
    summary: str
    words: str
    parameters: list[FieldLine]
    body: list[FieldLine]
    answer: list[FieldLine]
    refusals: list[tuple[str, str]]
    example: str


@require_GET
@login_not_required
def reference(request: HttpRequest) -> HttpResponse:
    """What can be asked, with which fields, and every way to say no."""
    document = description.document(settings.API_URL)
    context = {
        "title": document["info"]["title"],
        "about": markdown.render(document["info"]["description"]),
        "server": document["servers"][0]["url"],
        "key": markdown.render(
            document["components"]["securitySchemes"]["serviceKey"]["description"]
        ),
        "operations": _operations(document),
        "kinds": kinds.every(),
        "example": _example(),
    }
    return render(request, "connections/reference.html", context)


def _operations(document: Described) -> list[Operation]:
    return [
        _operation(document, path, method, operation, found.get("parameters", []))
        for path, found in document["paths"].items()
        for method, operation in found.items()
        if method != "parameters"
    ]


def _operation(
    document: Described, path: str, method: str, operation: Described, shared: list[Described]
) -> Operation:
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    answers = operation["responses"]
    good = answers["200"]["content"]["application/json"]["schema"]
    parameters = [*shared, *operation.get("parameters", [])]
    return Operation(
        anchor=operation["operationId"],
        method=method.upper(),
        path=path,
        summary=operation["summary"],
        words=markdown.render(operation.get("description", "")),
        parameters=[_parameter(each) for each in parameters],
        body=_fields(document, body.get("schema", {})),
        answer=_fields(document, good),
        refusals=[
            (status, markdown.render(each["description"]))
            for status, each in answers.items()
            if status != "200"
        ],
        example=json.dumps(body["example"], indent=2) if "example" in body else "",
    )


def _parameter(given: Described) -> FieldLine:
    return FieldLine(
        name=given["name"],
        kind=f"{given['in']}, {kind_of(given['schema'])}",
        words=given.get("description", ""),
        is_required=given.get("required", False),
    )


def _fields(document: Described, schema: Described, before: str = "") -> list[FieldLine]:
    """The fields of an object, those of inner objects after a dot."""
    schema = _resolved(document, schema)
    found = []
    for name, given in schema.get("properties", {}).items():
        inner = _resolved(document, given)
        words = inner.get("description", given.get("description", ""))
        required = name in schema.get("required", ())
        found.append(FieldLine(f"{before}{name}", kind_of(inner), words, required))
        found += _fields(document, inner, f"{before}{name}.")
        if "items" in inner and "$ref" in inner["items"]:
            found += _fields(document, inner["items"], f"{before}{name}[].")
    return found


def _resolved(document: Described, schema: Described) -> Described:
    if "$ref" not in schema:
        return schema
    found: Described = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return found


def kind_of(schema: Described) -> str:
    """The type of a field in a few words."""
    if "oneOf" in schema:
        return " or ".join(kind_of(each) for each in schema["oneOf"])
    if "const" in schema:
        return f"“{schema['const']}”"
    if "enum" in schema:
        return " | ".join(schema["enum"])
    types = schema.get("type", "object")
    names = [types] if isinstance(types, str) else list(types)
    shown = [schema.get("format", name) if name == "string" else name for name in names]
    return " or ".join(shown) + _bounds(schema)


def _bounds(schema: Described) -> str:
    if "minimum" in schema and "maximum" in schema:
        return f", {schema['minimum']:g} to {schema['maximum']:g}"
    return f", at most {schema['maxLength']} characters" if "maxLength" in schema else ""


def _example() -> str:
    return (
        f"curl {settings.API_URL}/api/v1/connections/$CONNECTION/token \\\n"
        '  -H "Authorization: Bearer $PORTAL_KEY" \\\n'
        '  --json \'{"reason": "Nightly report of open pull requests"}\''
    )
