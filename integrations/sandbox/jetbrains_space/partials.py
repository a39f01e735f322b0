"""`$fields`: which fields an answer has, and which those of the objects in it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from integrations.sandbox.jetbrains_space.errors import invalid

Json = dict[str, Any]
Wanted = dict[str, "Wanted"]
ALL = "*"

_TOKEN = re.compile(r"[A-Za-z][A-Za-z0-9]*|[*(),]")


def parse(text: str) -> Wanted:
    """Read `id,name(firstName),*`. Raises ApiError for what is not so."""
    words = _TOKEN.findall(text)
    if "".join(words) != re.sub(r"\s", "", text):
        raise invalid(f"Cannot parse $fields: {text}")
    wanted, rest = _list(words)
    if rest:
        raise invalid(f"Cannot parse $fields: {text}")
    return wanted


def _list(words: list[str]) -> tuple[Wanted, list[str]]:
    wanted: Wanted = {}
    while words and words[0] not in "(),":
        name, words = words[0], words[1:]
        wanted[name] = {}
        if words[:1] == ["("]:
            wanted[name], words = _list(words[1:])
            if words[:1] != [")"]:
                raise invalid("Cannot parse $fields: a bracket is missing")
            words = words[1:]
        if words[:1] != [","]:
            break
        words = words[1:]
    return wanted, words


def partial(value: Any, parameters: Mapping[str, list[str]]) -> Any:
    """What was asked for of an answer; without `$fields`, its own fields and the objects' ids."""
    asked = parameters.get("$fields")
    return applied(value, parse(asked[0]) if asked else {ALL: {}})


def applied(value: Any, wanted: Wanted) -> Any:
    if isinstance(value, list):
        return [applied(item, wanted) for item in value]
    if not isinstance(value, dict):
        return value
    chosen = {name: each for name, each in value.items() if ALL in wanted or name in wanted}
    if "className" in value:
        chosen["className"] = value["className"]
    return {name: applied(each, wanted.get(name) or {ALL: {}}) for name, each in chosen.items()}
