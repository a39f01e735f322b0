"""Pages by `start` and `limit`; where the next one starts is not start plus limit.

What the caller may not see is skipped while a page is filled, as the server does it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from integrations.sandbox.bitbucket_data_center.errors import invalid

T = TypeVar("T")
Json = dict[str, Any]
USUAL_LIMIT = 25


def page(
    things: Iterable[T],
    parameters: Mapping[str, list[str]],
    *,
    most: int,
    is_seen: Callable[[T], bool],
    write: Callable[[T], Json],
) -> Json:
    """One page of what is seen. Raises ApiError for a start or limit that is no number."""
    start = number(parameters, "start", 0)
    limit = min(number(parameters, "limit", USUAL_LIMIT), most)
    every = list(things)
    values: list[Json] = []
    place = start
    while place < len(every) and len(values) < limit:
        if is_seen(every[place]):
            values.append(write(every[place]))
        place += 1
    rest = any(is_seen(thing) for thing in every[place:])
    answer: Json = {
        "size": len(values),
        "limit": limit,
        "isLastPage": not rest,
        "values": values,
        "start": start,
    }
    return {**answer, "nextPageStart": place} if rest else answer


def number(parameters: Mapping[str, list[str]], name: str, usual: int) -> int:
    text = parameters.get(name, [str(usual)])[0]
    if not text.isdigit():
        raise invalid(f"{name} must be a number")
    return int(text)
