"""One file, whatever its shape: CSV, JSON, JSON Lines or another program's export. No Django."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from connections.contracts import Manifest
from connections.imports import columns, documents, tables
from connections.imports.columns import Raw
from connections.imports.findings import FileRefused

MOST_BYTES: Final = 16 * 1024 * 1024
MOST_ROWS: Final = 20_000
_BLANK: Final = re.compile(rb"(?:\xef\xbb\xbf)?[ \t\r\n]*+")


@dataclass(frozen=True, slots=True)
class Opened:
    """`shape` is what kind of file it is; `rows` reads on as it is walked, one row at a time."""

    shape: str
    rows: Iterator[Raw]


def opened(content: bytes, manifests: list[Manifest]) -> Opened:
    """The file's rows. FileRefused, now or while they are walked, for what nobody can read."""
    if len(content) > MOST_BYTES:
        raise FileRefused(f"This file is larger than {MOST_BYTES // 1024**2} MB. Split it.")
    blank = _BLANK.match(content)
    begins = content[blank.end() : blank.end() + 1] if blank else b""
    if not begins:
        raise FileRefused("This file is empty.")
    known = known_columns(manifests)
    if begins in {b"{", b"["}:
        return Opened("json", _counted(documents.rows(content, known)))
    return Opened("csv", _counted(tables.rows(content, known)))


def known_columns(manifests: list[Manifest]) -> frozenset[str]:
    """The names that a column may have: what every row has, and what any method asks for."""
    asked = {
        field.name
        for manifest in manifests
        for method in manifest.methods
        for field in method.fields
        if not field.secret
    }
    return frozenset({*columns.ABOUT, *columns.SECRETS, *asked})


def _counted(rows: Iterator[Raw]) -> Iterator[Raw]:
    count = 0
    for row in rows:
        count += 1
        if count > MOST_ROWS:
            raise FileRefused(f"This file has more than {MOST_ROWS:,} rows. Split it.")
        yield row
    if not count:
        raise FileRefused("This file names no connection: there is nothing below its first row.")
