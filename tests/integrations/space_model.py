"""Holds exchanges against the model of Space's API that was derived from JetBrains' SDK.

Answers are partial (`$fields`), so that of an object only what is there is looked at: its name must
be a field of the type, and its value of the field's type.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest

DOCUMENT = Path(__file__).resolve().parents[3] / "shared/specs/space-http-api-model.derived.json"
needs_model = pytest.mark.skipif(not DOCUMENT.exists(), reason="the derived model is not here")

Json = dict[str, Any]
PLAIN: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "int": (int,),
    "long": (int,),
    "bool": (bool,),
    "double": (int, float),
}
# Written as text, though the SDK has classes for them.
TEXTS = {"PermissionScope", "PermissionIdentifier"}
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
GENERIC = re.compile(r"(List|Batch|Pair|Dictionary)<(.+)>")


class ModelBroken(AssertionError):
    """A request or answer that the model does not know."""


@cache
def model() -> Json:
    found: Json = json.loads(DOCUMENT.read_text())
    return found


def validate(method: str, path: str, query: str, asked: bytes, told: Any) -> Json:
    """The model's operation of an exchange that keeps to it. Raises ModelBroken."""
    operation = find(method, path)
    given = dict(parse_qsl(query, keep_blank_values=True))
    unknown = given.keys() - set(operation["query"])
    if unknown:
        raise ModelBroken(f"{method} {path} knows no {sorted(unknown)}")
    for each in operation["params"]:
        if not each["optional"] and each["name"] in operation["query"]:
            _require(each["name"] in given, f"{method} {path} lacks {each['name']}")
    if operation["requestBody"] and asked:
        _whole(operation["requestBody"], json.loads(asked), f"{method} {path}")
    if operation["response"] is None:
        _require(told is None, f"{method} {path} answers nothing")
    else:
        conform(operation["response"], told, f"{method} {path}")
    return operation


def find(method: str, path: str) -> Json:
    """The operation of a path; one with fewer parameters goes first."""
    fitting = [
        each
        for each in model()["endpoints"]
        if each["method"] == method
        and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", each["path"]), path)
    ]
    _require(bool(fitting), f"no {method} {path} in the model")
    return min(fitting, key=lambda each: each["path"].count("{"))


def conform(kind: str, value: Any, where: str) -> None:
    """The value is of the type. Raises ModelBroken."""
    if kind.endswith("?"):
        if value is not None:
            conform(kind[:-1], value, where)
        return
    if generic := GENERIC.fullmatch(kind):
        _of_generic(generic[1], generic[2], value, where)
    elif kind in PLAIN:
        is_bool = isinstance(value, bool) and kind != "bool"
        _require(isinstance(value, PLAIN[kind]) and not is_bool, f"{where}: {value!r} is no {kind}")
    elif kind == "DateTime":
        _require(_is_moment(value), f"{where}: {value!r} is no moment")
    elif kind in TEXTS or kind in model()["urlParams"]:
        _require(isinstance(value, str), f"{where}: {value!r} is no text")
    elif kind in model()["enums"]:
        _require(value in model()["enums"][kind], f"{where}: {value!r} is no {kind}")
    else:
        _of_object(kind, value, where)


def _is_moment(value: Any) -> bool:
    """As it is answered, or the text that is sent."""
    if isinstance(value, str):
        return bool(MOMENT.fullmatch(value))
    return isinstance(value, dict) and set(value) == {"iso", "timestamp"}


def fields_of(kind: str) -> dict[str, Json]:
    """A type's fields by name, those of what it extends among them."""
    found: dict[str, Json] = {}
    described = model()["dtos"][kind]
    for parent in described["extends"]:
        found |= fields_of(parent)
    return found | {each["name"]: each for each in described["fields"]}


def _of_generic(outer: str, inner: str, value: Any, where: str) -> None:
    if outer == "List":
        _require(isinstance(value, list), f"{where}: no list")
        for number, item in enumerate(value):
            conform(inner, item, f"{where}[{number}]")
    elif outer == "Batch":
        _require(set(value) <= {"next", "totalCount", "data"}, f"{where}: no batch")
        conform("string", value.get("next", ""), f"{where}.next")
        conform("int?", value.get("totalCount"), f"{where}.totalCount")
        conform(f"List<{inner}>", value.get("data", []), f"{where}.data")
    elif outer == "Pair":
        first, second = inner.split(", ")
        conform(first, value["first"], f"{where}.first")
        conform(second, value["second"], f"{where}.second")


def _of_object(kind: str, value: Any, where: str) -> None:
    _require(isinstance(value, dict), f"{where}: no object")
    described = model()["dtos"].get(kind)
    _require(described is not None, f"{where}: the model has no {kind}")
    if described["kind"] == "interface":
        kind = _subtype(kind, value.get("className"), where)
    known = fields_of(kind)
    for name, each in value.items():
        if name != "className":
            _require(name in known, f"{where}: {kind} has no {name}")
            conform(known[name]["type"], each, f"{where}.{name}")


def _subtype(kind: str, name: Any, where: str) -> str:
    for each, described in model()["dtos"].items():
        if described["className"] == name and kind in described["extends"]:
            return str(each)
    raise ModelBroken(f"{where}: {name!r} is no {kind}")


def _whole(kind: str, value: Any, where: str) -> None:
    """What is sent has all that is required, and nothing that is not known."""
    conform(kind, value, where)
    needed = {name for name, each in fields_of(kind).items() if each["required"]}
    _require(needed <= value.keys(), f"{where}: {kind} needs {sorted(needed - value.keys())}")


def _require(holds: bool, said: str) -> None:
    if not holds:
        raise ModelBroken(said)
