"""JSON and JSON Lines: our own shape, and what other programs export. No Django here."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from connections.imports import columns, nango
from connections.imports.columns import Raw
from connections.imports.findings import FileRefused, error
from connections.imports.items import items
from connections.imports.tables import NOT_UTF_8
from connections.imports.values import is_plain, text_of

_HALF: Final = re.compile(r"\\u[dD][89a-fA-F]")
NO_OBJECT: Final = "It is not an object in braces."
HALF_LETTER: Final = (
    "It holds half a letter (from \\ud800 to \\udfff without its other half), which cannot be"
    " kept. Write it out, or leave it out."
)
NO_TEXT: Final = "It has to be a text, a number or a list of texts."
TWICE: Final = "Two keys of this item mean “{name}”. Leave one of them out."


def rows(content: bytes, known: frozenset[str]) -> Iterator[Raw]:
    """Each connection in the file; raises FileRefused where it cannot be read on."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise FileRefused(NOT_UTF_8) from None
    may_be_half = _HALF.search(text) is not None
    for number, item in enumerate(items(text), start=1):
        if not isinstance(item, dict):
            yield Raw(number, {}, {}, findings=(error("", NO_OBJECT),))
        elif may_be_half and _is_half(item):
            yield Raw(number, {}, {}, findings=(error("", HALF_LETTER),))
        elif nango.is_one(item):
            yield nango.row(number, item)
        else:
            yield _row(number, item, known)


def _is_half(item: dict[str, Any]) -> bool:
    """Whether a lone surrogate is in it: no UTF-8 has one (RFC 8259 §8.2)."""
    try:
        json.dumps(item, ensure_ascii=False).encode()
    except (UnicodeEncodeError, RecursionError):
        return True
    return False


def _row(number: int, item: Mapping[str, Any], known: frozenset[str]) -> Raw:
    """Our shape: flat, or with the method's answers under `fields` and secrets in `credential`.

    A key without a value is none; two keys of one meaning leave open which of them is meant.
    """
    cells: dict[str, str] = {}
    findings = []
    for key, value in _flat(item):
        name = columns.canonical(key)
        if name not in known or value is None:
            continue
        if not is_plain(value):
            findings.append(error(name, NO_TEXT))
        elif (text := text_of(value).strip()) and name in cells:
            findings.append(error(name, TWICE.format(name=name)))
        elif text:
            cells[name] = text
    return columns.raw(number, cells, findings=tuple(findings))


def _flat(item: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in item.items():
        if key in {"fields", "credential"} and isinstance(value, dict):
            yield from value.items()
        else:
            yield key, value
