"""What Bitbucket Cloud and Data Center share beside what all rooms do (`integrations.answers`)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from connections.contracts import Answer, Record, Rejected
from connections.errors import Unavailable, VendorError
from integrations import answers
from integrations.answers import (
    JUDGES as JUDGES,
    LONGEST_NAME as LONGEST_NAME,
    BadItem as BadItem,
    Json as Json,
    Judge as Judge,
    R as R,
    address as address,
    body as body,
    count as count,
    denied as denied,
    facts as facts,
    gone as gone,
    html_link as html_link,
    iso_moment as iso_moment,
    judge as judge,
    message as message,
    number as number,
    object_or_empty as object_or_empty,
    one as one,
    only as only,
    printable as printable,
    required as required,
    segment as segment,
    text as text,
    to_object as to_object,
    too_many as too_many,
    unexpected as unexpected,
)

SLUG = re.compile(r"(?!\.{1,2}$)[\w.~+-]{1,128}")


def by_gateway(answer: Answer) -> VendorError:
    """A 403 without JSON comes from a gateway in front of Bitbucket and passes.

    Taking it for good logged people out of Atlassian's own client
    (github.com/atlassian/atlascode/pull/1907).
    """
    return Unavailable("A gateway in front of Bitbucket refused this.", **facts(answer))


def items(answer: Answer) -> list[Any]:
    """The page's `values`; raises UnexpectedResponse when it is no list."""
    values = body(answer).get("values")
    if not isinstance(values, list):
        raise unexpected(answer, "The page has no list of values.")
    return values


def records(
    answer: Answer, read: Callable[[Json], Record], known_id: Callable[[Json], str]
) -> tuple[tuple[Record, ...], tuple[Rejected, ...]]:
    """A page's records, and what cannot be read with its reason and the id if it has one."""
    return answers.records(items(answer), read, known_id)
