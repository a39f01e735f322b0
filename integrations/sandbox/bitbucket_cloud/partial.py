"""Partial answers: `fields=` includes, adds (+) and excludes (-) by dotted path, with `*`.

https://developer.atlassian.com/cloud/bitbucket/rest/intro/#partial-response
"""

from __future__ import annotations

from typing import Any

Tree = dict[str, Any]


def apply(value: Any, wanted: str) -> Any:
    """Return what is left of an answer; what `+name` adds is there already unless it is hidden."""
    names = named(wanted)
    excluded = tree([name[1:] for name in names if name.startswith("-")])
    included = tree([name for name in names if name[0] not in "+-"])
    if included:
        value = keep(value, included)
    return drop(value, excluded) if excluded else value


def named(wanted: str) -> list[str]:
    return [name.strip() for name in wanted.split(",") if name.strip()]


def without_hidden(value: Any, hidden: tuple[str, ...], wanted: str) -> Any:
    """Leave the hidden fields out of each of a page's `values`, but for those that are asked for.

    `fields=+values.participants` asks, and so does an include list that names them.
    """
    asked = [name.lstrip("+").split(".") for name in named(wanted) if name[0] != "-"]
    shown = {path[1] for path in asked if len(path) > 1 and path[0] == "values"}
    return drop(value, tree([f"values.{name}" for name in hidden if name not in shown]))


def tree(paths: list[str]) -> Tree:
    root: Tree = {}
    for path in paths:
        branch = root
        for part in path.split("."):
            branch = branch.setdefault(part, {})
    return root


def keep(value: Any, wanted: Tree) -> Any:
    if not wanted or wanted.get("*") == {}:
        return value
    if isinstance(value, list):
        return [keep(item, wanted) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        name: keep(item, wanted[name] if name in wanted else wanted["*"])
        for name, item in value.items()
        if name in wanted or "*" in wanted
    }


def drop(value: Any, unwanted: Tree) -> Any:
    if isinstance(value, list):
        return [drop(item, unwanted) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        name: drop(item, unwanted[name]) if name in unwanted else item
        for name, item in value.items()
        if unwanted.get(name) != {}
    }
