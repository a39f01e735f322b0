"""JSON and JSON Lines, item by item: our own shape, and the export of Nango. No Django here.

Nango's export is a list of connections with `provider`, `connection_id` and `credentials`, whose
`type` says how to read them (https://nango.dev/docs/reference/api/connection/get).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from connections import strict_json
from connections.imports import columns
from connections.imports.columns import Raw
from connections.imports.findings import FileRefused, Finding, error
from connections.imports.tables import NOT_UTF_8

# What is matched is not given back (`*+`): a file of sixteen megabytes of blanks takes one pass.
_LIST: Final = re.compile(r'\s*+(?:\{[^\[\]{}]*"connections"\s*+:\s*+)?\[\s*+')
_REST: Final = re.compile(r"\s*+\]\s*+(?:,[^\[\]{}]*+)?\}?\s*+")
_COMMA: Final = re.compile(r"\s*+,\s*+")
_NEVER: Final = ("OAUTH1", "APP", "JWT", "TBA", "TWO_STEP", "SIGNATURE", "BILL", "CUSTOM")
NOT_JSON: Final = (
    "This file is not JSON from its {place} item on. Check its commas and brackets, and that no"
    " key stands twice in an item."
)


def rows(content: bytes, known: frozenset[str]) -> Iterator[Raw]:
    """Each connection in the file; raises FileRefused where it cannot be read on."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise FileRefused(NOT_UTF_8) from None
    begins = _LIST.match(text)
    items = _listed(text, begins.end()) if begins else _lines(text)
    for number, item in enumerate(items, start=1):
        if not isinstance(item, dict):
            yield Raw(number, {}, {}, findings=(error("", "It is not an object in braces."),))
        elif _is_nango(item):
            yield _nango(number, item)
        else:
            yield _ours(number, item, known)


# ── One item after the other: a long list is never a tree in memory ───────────────────────────


def _listed(text: str, place: int) -> Iterator[Any]:
    decoder = json.JSONDecoder(object_pairs_hook=_once, parse_constant=_refuse)
    count = 0
    while text[place : place + 1] not in {"]", ""}:
        count += 1
        try:
            item, place = decoder.raw_decode(text, place)
        except (ValueError, RecursionError):  # their texts may quote the file
            raise FileRefused(NOT_JSON.format(place=f"{count}.")) from None
        yield item
        comma = _COMMA.match(text, place)
        if comma is None:
            break
        place = comma.end()
    if not _REST.fullmatch(text, place):
        raise FileRefused(NOT_JSON.format(place=f"{count + 1}."))


def _lines(text: str) -> Iterator[Any]:
    count = 0
    for line in text.splitlines():
        if not line.strip():
            continue
        count += 1
        try:
            yield strict_json.loads(line.encode())
        except strict_json.JsonRefused:
            raise FileRefused(NOT_JSON.format(place=f"{count}.")) from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _refuse(constant: str) -> Any:
    raise ValueError("not a finite number")


# ── What an item means ────────────────────────────────────────────────────────────────────────


def _ours(number: int, item: Mapping[str, Any], known: frozenset[str]) -> Raw:
    """Our shape: flat, or with the method's answers under `fields` and secrets in `credential`."""
    flat: dict[str, Any] = {}
    for key, value in item.items():
        if key in {"fields", "credential"} and isinstance(value, dict):
            flat |= {columns.canonical(name): each for name, each in value.items()}
        else:
            flat[columns.canonical(key)] = value
    findings = [
        error(name, "It has to be a text, a number or a list of texts.")
        for name, value in flat.items()
        if name in known and not _is_plain(value)
    ]
    cells = {name: _text(value) for name, value in flat.items() if name in known}
    return columns.raw(number, cells, findings=tuple(findings))


def _is_nango(item: Mapping[str, Any]) -> bool:
    return "provider_config_key" in item or isinstance(item.get("credentials"), dict)


def _nango(number: int, item: Mapping[str, Any]) -> Raw:
    held, config = _mapping(item.get("credentials")), _mapping(item.get("connection_config"))
    kind = _text(held.get("type")).upper()
    findings: list[Finding] = []
    if kind in _NEVER:
        findings.append(error("method", f"{kind} credentials cannot be moved. Link it here anew."))
    cells = {
        "connector": _text(item.get("provider") or item.get("provider_config_key")),
        "name": _text(item.get("connection_id")),
        "token": _first(held, "access_token", "apiKey", "api_key", "password"),
        "refresh_token": _first(held, "refresh_token"),
        "expires_at": _first(held, "expires_at"),
        "base_url": _first(config, "baseUrl", "base_url", "instance_url", "instanceUrl"),
    }
    user = _first(held, "username")
    cells |= dict.fromkeys(("username", "email"), user)
    cells |= {name: _text(config[name]) for name in ("workspace", "project") if name in config}
    return columns.raw(number, cells, hint=kind, findings=tuple(findings))


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _first(held: Mapping[str, Any], *names: str) -> str:
    return next((_text(held[name]) for name in names if held.get(name)), "")


def _is_plain(value: Any) -> bool:
    is_list = isinstance(value, list) and all(isinstance(each, str) for each in value)
    return value is None or is_list or isinstance(value, str | int)


def _text(value: Any) -> str:
    if isinstance(value, list):
        return "; ".join(_texts(value))
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""


def _texts(values: Iterable[Any]) -> list[str]:
    return [value for value in values if isinstance(value, str)]
