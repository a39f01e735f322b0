"""One file of an export: a model, the columns that are in it, and its rows in portions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from django.db.models import Model

from portal import tenancy

PORTION: Final = 500


@dataclass(frozen=True, slots=True)
class Section:
    """One file: a line of JSON for each row, in the order of their ids.

    Those `of_platform` are rows of the platform whose `organizations` name this one.
    """

    name: str
    model: type[Model]
    columns: tuple[str, ...]
    of_platform: bool = False

    def portion(self, after: UUID | None) -> list[dict[str, Any]]:
        """The rows after this id, so many at a time. Call it outside of transactions."""
        here = tenancy.organization_id()
        there = tenancy.PLATFORM if self.of_platform else here
        with tenancy.elsewhere(there), tenancy.transaction():
            rows = self.model.objects.order_by("id")  # type: ignore[attr-defined]
            if self.of_platform:
                rows = rows.filter(organizations__contains=[here])
            if after is not None:
                rows = rows.filter(id__gt=after)
            return list(rows.values("id", *self.columns)[:PORTION])


def plain(row: dict[str, Any]) -> dict[str, Any]:
    """The row as JSON has it: ids and moments as text, and a path of columns with dots."""
    return {name.replace("__", "."): _plain(value) for name, value in row.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return str(value) if isinstance(value, UUID) else value


def section(
    name: str, model: type[Model], *columns: Sequence[str] | str, of_platform: bool = False
) -> Section:
    words = " ".join(each if isinstance(each, str) else " ".join(each) for each in columns)
    return Section(f"{name}.jsonl", model, tuple(words.split()), of_platform)
