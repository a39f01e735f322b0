"""Lists come in batches: `$skip` is where the last one's `next` said, `$top` how many."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from integrations.sandbox.jetbrains_space.errors import invalid

T = TypeVar("T")
Json = dict[str, Any]


def batch(
    things: Sequence[T],
    write: Callable[[T], Json],
    parameters: Mapping[str, list[str]],
    *,
    most: int,
    next_at_end: bool,
) -> Json:
    """One batch. Raises ApiError for a place or a size that is no number."""
    skip = number(parameters, "$skip", 0)
    top = min(number(parameters, "$top", most), most)
    end = min(skip + top, len(things))
    is_last = end >= len(things)
    return {
        "next": "" if is_last and not next_at_end else str(end),
        "totalCount": len(things),
        "data": [write(thing) for thing in things[skip:end]],
    }


def number(parameters: Mapping[str, list[str]], name: str, usual: int) -> int:
    text = parameters.get(name, [""])[0] or str(usual)
    if not text.isdigit():
        raise invalid(f"{name} is not a number")
    return int(text)
