"""Pages of long lists by cursor: each costs the same, however far one has walked.

A cursor is the last row's sort values, signed for one organization and one order, so a forged or a
foreign one is refused with 400.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

from django.core import signing
from django.core.exceptions import BadRequest
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest

from portal import tenancy

T = TypeVar("T", bound=Model)
SIZE = 50
UNKNOWN_PLACE = "This place in the list is not known. Start from its first page."


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some rows and the cursors before and after them; an empty cursor is an end of the list."""

    rows: list[T]
    previous: str
    next: str


def page(query: QuerySet[T], *, by: Sequence[str], cursor: str = "", size: int = SIZE) -> Page[T]:
    """The rows after (or before) the cursor in the order `by`, which ends with a unique field.

    Raises BadRequest on a cursor that was not made for this organization and order.
    """
    salt = f"cursor:{tenancy.organization_id() if tenancy.is_acting() else 'all'}:{','.join(by)}"
    backwards, values = _opened(cursor, salt, len(by))
    order = [_turned(name) for name in by] if backwards else list(by)
    if values is not None:
        query = query.filter(_at_or_beyond(order[0], values[0]), _beyond(order, values))
    found = list(query.order_by(*order)[: size + 1])
    more, rows = len(found) > size, found[:size]
    if backwards:
        rows.reverse()
    has_previous, has_next = (more, True) if backwards else (values is not None, more)
    return Page(
        rows=rows,
        previous=_sealed(rows[0], by, salt, backwards=True) if rows and has_previous else "",
        next=_sealed(rows[-1], by, salt, backwards=False) if rows and has_next else "",
    )


def link(request: HttpRequest, cursor: str, name: str = "cursor", anchor: str = "") -> str:
    """This page's address with its filters and another cursor; nothing for an empty cursor.

    `name` is the parameter and `anchor` the list's id, for a page with more than one list.
    """
    if not cursor:
        return ""
    query = request.GET.copy()
    query[name] = cursor
    return f"?{query.urlencode()}{'#' if anchor else ''}{anchor}"


def _turned(name: str) -> str:
    return name.removeprefix("-") if name.startswith("-") else f"-{name}"


def _at_or_beyond(name: str, value: Any) -> Q:
    """Says nothing that `_beyond` does not; an index on the first field can begin there by it."""
    return Q(**{f"{name.removeprefix('-')}__{'lte' if name.startswith('-') else 'gte'}": value})


def _beyond(order: Sequence[str], values: Sequence[Any]) -> Q:
    beyond = Q()
    level: dict[str, Any] = {}
    for name, value in zip(order, values, strict=True):
        field, way = name.removeprefix("-"), "lt" if name.startswith("-") else "gt"
        beyond |= Q(**level, **{f"{field}__{way}": value})
        level[field] = value
    return beyond


def _sealed(row: Any, by: Sequence[str], salt: str, *, backwards: bool) -> str:
    values = [_plain(_reach(row, name.removeprefix("-"))) for name in by]
    return signing.dumps([int(backwards), values], salt=salt)


def _opened(cursor: str, salt: str, width: int) -> tuple[bool, list[Any] | None]:
    if not cursor:
        return False, None
    try:
        backwards, values = signing.loads(cursor, salt=salt)
    except (signing.BadSignature, ValueError, TypeError):
        raise BadRequest(
            "This place in the list is not known. Start from its first page."
        ) from None
    if len(values) != width:
        raise BadRequest(UNKNOWN_PLACE)
    return bool(backwards), values


def _reach(row: Any, path: str) -> Any:
    for name in path.split("__"):
        row = getattr(row, name)
    return row


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else value
