"""What a value of JSON is as the text of a cell. No Django here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def is_plain(value: Any) -> bool:
    """Whether a cell could hold it: a text, a whole number, or a list of texts."""
    if isinstance(value, list):
        return all(isinstance(each, str) for each in value)
    return isinstance(value, str | int) and not isinstance(value, bool)


def text_of(value: Any) -> str:
    """The text of a plain value, a list by semicolons; "" for any other."""
    if not is_plain(value):
        return ""
    return "; ".join(value) if isinstance(value, list) else str(value)


def mapping(value: Any) -> Mapping[str, Any]:
    """The object; an empty one for anything else."""
    return value if isinstance(value, dict) else {}
