"""Spacelift's JSON as records."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from connections.contracts import PlaceRights, WorkspaceRecord
from integrations.answers import BadItem, Json, number, required
from integrations.spacelift.scopes import ADMIN

SPACE_ID = re.compile(r"[\w.~-]{1,128}", re.ASCII)
LEVEL = re.compile(r"[A-Z][A-Z_]{0,39}")


def space(raw: Json) -> WorkspaceRecord:
    """A space; its id stays when it is renamed, and stands in addresses."""
    identifier = _identifier(raw)
    return WorkspaceRecord(
        remote_id=identifier,
        slug=identifier,
        name=required(raw, "name"),
        administrator=ADMIN in levels(raw),
    )


def rights(raw: Json) -> PlaceRights:
    """What the key may do in a space."""
    identifier = _identifier(raw)
    return PlaceRights(
        place=identifier, name=required(raw, "name"), scopes=levels(raw), slug=identifier
    )


def space_id(raw: Json) -> str:
    """The id of a space that cannot be read otherwise; "" where it has none."""
    try:
        return _identifier(raw)
    except BadItem:
        return ""


def levels(raw: Json) -> frozenset[str]:
    """The level in a space; none for a space that is only shown, as the root of others."""
    level = raw.get("accessLevel")
    return frozenset({level}) if isinstance(level, str) and LEVEL.fullmatch(level) else frozenset()


def _identifier(raw: Json) -> str:
    identifier = required(raw, "id")
    if not SPACE_ID.fullmatch(identifier) or identifier in {".", ".."}:
        raise BadItem("id is malformed")
    return identifier


def node(edge: object) -> Any:
    """What an edge of a page leads to; an edge without is what cannot be read."""
    return edge.get("node") if isinstance(edge, Mapping) else edge


def moment(seconds: object) -> datetime | None:
    """Whole seconds since 1970 as a moment; None for anything else, and for none."""
    value = number(seconds)
    if value is None or not 0 < value < 2**40:
        return None
    try:
        return datetime.fromtimestamp(value, UTC)
    except (OverflowError, OSError, ValueError):
        return None
