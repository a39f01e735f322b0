"""Partial answers: `fields=` includes, adds (+) and excludes (-) by dotted path, with `*`.

https://developer.atlassian.com/cloud/bitbucket/rest/intro/#partial-response
"""

from __future__ import annotations

from typing import Any

Tree = dict[str, Any]


def apply(value: Any, wanted: str) -> Any:
    """Return what is left of an answer; `+name` adds nothing here, since all is already sent."""
    names = [name.strip() for name in wanted.split(",") if name.strip()]
    excluded = tree([name[1:] for name in names if name.startswith("-")])
    included = tree([name for name in names if name[0] not in "+-"])
    if included:
        value = keep(value, included)
    return drop(value, excluded) if excluded else value


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
