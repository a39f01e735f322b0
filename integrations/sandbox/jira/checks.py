"""Checks of submitted entities by tables: what is required, of which kind, how long, which words.

The limits are those of the published schema, the texts those that Jenkins' plugin has seen.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]
ENTITY_ID = re.compile(r"[A-Za-z0-9~._-]{1,1024}")
ISSUE_KEY = re.compile(r"[^\W\d_]\w{1,255}-\d{1,255}")
ISSUE_ID_OR_KEY = re.compile(r"\w{1,255}-\d{1,255}|\d{1,255}")
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)")
MOST_KEYS = 500
MOST_PROPERTIES, LONGEST_PROPERTY = 5, 255


@dataclass(frozen=True, slots=True)
class Rule:
    """`kind` is text, url, moment, number, whole (not negative), object, list, or id."""

    kind: str
    required: bool = False
    longest: int = 0
    words: tuple[str, ...] = ()


def need(kind: str, longest: int = 0, words: tuple[str, ...] = ()) -> Rule:
    return Rule(kind, True, longest, words)


def maybe(kind: str, longest: int = 0, words: tuple[str, ...] = ()) -> Rule:
    return Rule(kind, False, longest, words)


def wrong(thing: Json, rules: Mapping[str, Rule]) -> list[str]:
    """Return what is wrong with a submitted object, in Jira's words."""
    found = []
    for name, rule in rules.items():
        value = thing.get(name)
        if value is None:
            if rule.required:
                found.append(f"'{name}' is required")
            continue
        said = of_kind(value, rule)
        if said:
            found.append(f"'{name}' {said}")
    return found


def of_kind(value: Any, rule: Rule) -> str:
    """Say why a value is not of its kind; empty when it is."""
    if rule.kind in {"number", "whole"}:
        if not isinstance(value, int) or isinstance(value, bool) or abs(value) >= 2**63:
            return "must be a number"
        return "must not be negative" if rule.kind == "whole" and value < 0 else ""
    if rule.kind in {"object", "list"}:
        return "" if isinstance(value, dict if rule.kind == "object" else list) else "is invalid"
    if not isinstance(value, str):
        return "must be a string"
    if rule.longest and len(value) > rule.longest:
        return f"must not be longer than {rule.longest} characters"
    if rule.words and value not in rule.words:
        return f"must be one of {', '.join(rule.words)}"
    return of_form(value, rule.kind)


def of_form(value: str, kind: str) -> str:
    if kind == "url" and not re.match(r"https?://\S+$", value):
        return "is not a valid URL"
    if kind == "moment" and not MOMENT.fullmatch(value):
        return "is not a valid ISO 8601 date time"
    if kind == "id" and not ENTITY_ID.fullmatch(value):
        return "may only contain letters, digits and '~.-_'"
    return ""


def wrong_subjects(thing: Json, most: int = MOST_KEYS) -> list[str]:
    """Say what is wrong with an entity's issue keys or associations of issues."""
    keys, associations = thing.get("issueKeys"), thing.get("associations")
    found = []
    if keys is not None:
        if not isinstance(keys, list) or not 1 <= len(keys) <= most:
            found.append(f"'issueKeys' must contain between 1 and {most} issue keys")
        else:
            found += [f"'{k}' is not a valid issue key" for k in keys if not is_key(k)]
    if associations is not None:
        found += wrong_associations(associations)
    return found


def wrong_associations(associations: Any) -> list[str]:
    if not isinstance(associations, list):
        return ["'associations' is invalid"]
    found, count = [], 0
    for one in associations:
        kind = one.get("associationType") if isinstance(one, dict) else None
        values = one.get("values") if isinstance(one, dict) else None
        if kind is None or not isinstance(values, list) or not values:
            found.append("'associations' must each have an associationType and values")
            continue
        count += len(values)
        if kind in {"issueKeys", "issueIdOrKeys"}:
            bad = [v for v in values if not ISSUE_ID_OR_KEY.fullmatch(str(v))]
            found += [f"'{each}' is not a valid issue id or key" for each in bad]
    if count > MOST_KEYS:
        found.append(f"'associations' must not contain more than {MOST_KEYS} values")
    return found


def is_key(value: Any) -> bool:
    return isinstance(value, str) and ISSUE_KEY.fullmatch(value) is not None


def has_both(thing: Json) -> bool:
    return thing.get("issueKeys") is not None and thing.get("associations") is not None


def subjects(thing: Json) -> list[str]:
    """Return the issue keys and ids that an entity names, each once."""
    named = list(thing.get("issueKeys") or ())
    for one in thing.get("associations") or ():
        if one.get("associationType") in {"issueKeys", "issueIdOrKeys"}:
            named += one["values"]
    return list(dict.fromkeys(map(str, named)))


def wrong_properties(properties: Any) -> str:
    """Say what is wrong with the properties of a request; empty when nothing is."""
    if properties is None:
        return ""
    if not isinstance(properties, dict):
        return "Properties must be an object."
    if len(properties) > MOST_PROPERTIES:
        return f"No more than {MOST_PROPERTIES} properties may be submitted."
    for name, value in properties.items():
        if name.startswith("_"):
            return f"The property key '{name}' must not start with an underscore."
        if len(name) > LONGEST_PROPERTY or len(str(value)) > LONGEST_PROPERTY:
            return f"Property keys and values have at most {LONGEST_PROPERTY} characters."
    return ""
