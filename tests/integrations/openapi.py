"""Holds exchanges against Bitbucket's own OpenAPI document of August 2026, where it is at hand.

`validate_exchange` takes any request with its answer, ours or the sandbox's. What the document gets
wrong or leaves out is in `GAPS`, each with its name and the reason it is stepped around.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from jsonschema import Draft202012Validator, FormatChecker, ValidationError, validators
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

DOCUMENT = Path(__file__).resolve().parents[3] / "shared/specs/bitbucket-cloud-2026-08.openapi.json"
needs_document = pytest.mark.skipif(
    not DOCUMENT.exists(), reason="Bitbucket's OpenAPI document is not beside the project"
)


class ExchangeInvalid(AssertionError):
    """A request or answer that Bitbucket's document does not allow."""


@dataclass(frozen=True, slots=True)
class Gap:
    """One thing the document lacks; `place` matches "<what> <path template> <where>"."""

    name: str
    place: str
    reason: str


GAPS = (
    Gap(
        "list parameters",
        r"parameter \S+ (pagelen|page|q|sort|fields)$",
        "The introduction documents them for every list; most operations do not repeat them.",
    ),
    Gap(
        "opaque next",
        r"parameter \S+ ctx$",
        "The introduction asks clients to follow `next` as it is; its parameters are Bitbucket's.",
    ),
    Gap(
        "ranges of commits",
        r"parameter \S+/commits (include|exclude)$",
        "The prose of the operation describes both; its list of parameters leaves them out.",
    ),
    Gap(
        "descending pipelines",
        r"parameter \S+/pipelines sort=-(created_on|run_creation_date|creator.uuid)$",
        "The prose of the operation allows a leading minus; the enumeration leaves it out.",
    ),
    Gap(
        "usual statuses",
        r"status \S+ (304|400|401|402|403|404|405|410|429|451|5\d\d)$",
        "Authentication, scopes, budgets, conditions and outages answer on every operation.",
    ),
    Gap(
        "success of e-mails",
        r"status /user/emails 200$",
        "The operation describes its error only, under `default`.",
    ),
    Gap(
        "removed features",
        r"path \S+/(issues|wiki)$",
        "Native issues and wiki left the document with their removal on 20 August 2026.",
    ),
    Gap(
        "scopes in detail",
        r"body \S+ error/detail type$",
        "Observed (backstage#22383): an object where a string is promised.",
    ),
    Gap(
        "fields of an error",
        r"body \S+ error additionalProperties$",
        "The introduction shows `fields` beside the message; the schema closes the object.",
    ),
    Gap(
        "no main branch",
        r"body \S+ (values/\d+/)?mainbranch type$",
        "A repository without commits has null here; the schema knows no null.",
    ),
    Gap(
        "open pull requests",
        r"body \S+ (values/\d+/)?(merge_commit|closed_by) type$",
        "Null until the pull request is closed (seen in drone/go-scm's recordings).",
    ),
    Gap(
        "light tags",
        r"body \S+/refs(/tags)?(/\{name\})? (values/\d+/)?(message|date|tagger) type$",
        "Only an annotated tag has them; others carry null (captured in webhooks of tags).",
    ),
    Gap(
        "reviewers who said nothing",
        r"body \S+ (values/\d+/)?participants/\d+/(state|participated_on) type$",
        "The prose and the enumeration allow null; the type says string.",
    ),
    Gap(
        "statuses of no ref",
        r"body \S+ (values/\d+/)?refname type$",
        "Null where no ref was named (seen in drone/go-scm's recordings).",
    ),
    Gap(
        "clone by ssh",
        r"body \S+ (values/\d+/)?links/clone/\d+/href format$",
        "git@bitbucket.org:… is no URI, though the schema says so.",
    ),
    Gap(
        "links of pipelines",
        r"body \S+ (values/\d+/)?links(/self|/steps)? required$",
        "The schema derives the links object from `object`, which would need a `type`.",
    ),
    Gap(
        "partial answers",
        r"partial \S+ .* required$",
        "`fields=` leaves out what the schema requires, `type` above all.",
    ),
)


def validate_exchange(
    method: str, path: str, query: str | Mapping[str, object], status: int, body: object
) -> list[str]:
    """Return the names of the gaps this exchange needed. Raises ExchangeInvalid.

    `path` may begin with /2.0; the OAuth addresses below /site are not in the document and pass.
    `body` is the parsed JSON of the answer; text, bytes and None are not looked into.
    """
    used = validate_request(method, path, query)
    template, operation = find_operation(method, path.removeprefix("/2.0").rstrip("/"))
    if operation is None or path.startswith("/site/"):
        return used
    part = "partial" if any(name == "fields" for name, _ in pairs(query)) else "body"
    used += check_answer(template, operation, status, body, part)
    return used


def validate_request(method: str, path: str, query: str | Mapping[str, object]) -> list[str]:
    """Return the names of the gaps this request needed. Raises ExchangeInvalid."""
    if path.startswith("/site/"):
        return []
    template, operation = find_operation(method, path.removeprefix("/2.0").rstrip("/"))
    if operation is None:
        return [excuse(f"path {template}")]
    return [
        gap
        for name, value in pairs(query)
        for gap in check_parameter(template, operation, name, value)
    ]


def excuse(place: str) -> str:
    """Return the name of the gap that covers this place. Raises ExchangeInvalid for none."""
    for gap in GAPS:
        if re.match(gap.place, place):
            return gap.name
    raise ExchangeInvalid(place)


# ── requests ──────────────────────────────────────────────────────────────────────────────────


@cache
def document() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(DOCUMENT.read_text())
    return found


def find_operation(method: str, path: str) -> tuple[str, dict[str, Any] | None]:
    """Return the path template and its operation; a literal segment beats a parameter."""
    candidates = [template for template in document()["paths"] if fits(template, path)]
    if not candidates:
        return path, None
    template = min(candidates, key=lambda found: found.count("{"))
    item = document()["paths"][template]
    if method.lower() not in item:
        raise ExchangeInvalid(f"method {method} {template}")
    operation = dict(item[method.lower()])
    operation["parameters"] = [*item.get("parameters", []), *operation.get("parameters", [])]
    return template, operation


def fits(template: str, path: str) -> bool:
    pattern = re.sub(r"\\\{[^}]*\\\}", "[^/]+", re.escape(template))
    return re.fullmatch(pattern, path) is not None


def pairs(query: str | Mapping[str, object]) -> list[tuple[str, str]]:
    if isinstance(query, str):
        return parse_qsl(query, keep_blank_values=True)
    return [(name, str(value)) for name, value in query.items()]


def check_parameter(template: str, operation: dict[str, Any], name: str, value: str) -> list[str]:
    for parameter in operation["parameters"]:
        if parameter["in"] == "query" and parameter["name"] == name:
            schema = parameter["schema"]
            if validator(schema).is_valid(typed(value, schema["type"])):
                return []
            return [excuse(f"parameter {template} {name}={value}")]
    return [excuse(f"parameter {template} {name}")]


def typed(value: str, kind: str) -> object:
    """Read a query value as the type its schema names; what does not fit stays text."""
    if kind == "integer" and value.isdigit():
        return int(value)
    return {"true": True, "false": False}.get(value, value) if kind == "boolean" else value


# ── answers ───────────────────────────────────────────────────────────────────────────────────


def check_answer(
    template: str, operation: dict[str, Any], status: int, body: object, part: str
) -> list[str]:
    responses = operation["responses"]
    used, described = [], responses.get(str(status))
    if described is None:
        used.append(excuse(f"status {template} {status}"))
    if body is None or isinstance(body, str | bytes):
        if 200 <= status < 300 and status != 204:
            raise ExchangeInvalid(f"body {template} is not JSON")
        return used
    schema = schema_of(described, status)
    if schema is None:
        return used
    for error in validator(schema).iter_errors(body):
        used += [excuse(f"{what(part, leaf)} {template} {place(leaf)}") for leaf in leaves(error)]
    return used


def schema_of(described: dict[str, Any] | None, status: int) -> dict[str, Any] | None:
    """Return the schema of an answer; every undescribed failure is Bitbucket's error object."""
    content = (described or {}).get("content", {})
    if "application/json" in content:
        found: dict[str, Any] = content["application/json"]["schema"]
        return found
    return {"$ref": "#/components/schemas/error"} if status >= 400 else None


def leaves(error: ValidationError) -> Iterator[ValidationError]:
    """Yield the innermost reasons of an error."""
    if not error.context:
        yield error
    for inner in error.context or ():
        yield from leaves(inner)


def what(part: str, error: ValidationError) -> str:
    return part if error.validator == "required" else "body"


def place(error: ValidationError) -> str:
    where = "/".join(str(part) for part in error.absolute_path)
    return f"{where} {error.validator}"


def follow_discriminator(
    current: Any, rule: dict[str, Any], instance: object, schema: dict[str, Any]
) -> Iterator[ValidationError]:
    """Hold an object against the schema that its own `type` names, once for each object."""
    named = instance.get(rule["propertyName"]) if isinstance(instance, dict) else None
    if named not in document()["components"]["schemas"]:
        return
    mark = (id(instance), named)
    if mark in being_followed:
        return
    being_followed.add(mark)
    try:
        yield from current.descend(instance, absolute({"$ref": f"#/components/schemas/{named}"}))
    finally:
        being_followed.discard(mark)


being_followed: set[tuple[int, object]] = set()
formats = FormatChecker(formats=())


@formats.checks("date-time", raises=ValueError)
def is_moment(value: object) -> bool:
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


@formats.checks("uri")
def is_address(value: object) -> bool:
    return not isinstance(value, str) or bool(urlsplit(value).scheme)


@formats.checks("uuid")
def is_uuid(value: object) -> bool:
    bare = unquote(str(value)).strip("{}")
    return re.fullmatch(r"[0-9a-f-]{36}", bare) is not None


def validator(schema: dict[str, Any]) -> Any:
    """Return a validator in which `#/components/…` means Bitbucket's document."""
    kind = validators.extend(Draft202012Validator, {"discriminator": follow_discriminator})
    rooted = {"$id": "urn:answer", **absolute(schema)}
    return kind(rooted, registry=registry(), format_checker=formats)


def absolute(schema: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in schema:
        return {"$ref": "urn:bitbucket" + schema["$ref"]}
    return schema


@cache
def registry() -> Registry[Any]:
    resource: Resource[Any] = Resource.from_contents(document(), DRAFT202012)
    return Registry().with_resource("urn:bitbucket", resource)
