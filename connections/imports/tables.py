"""A CSV file, row by row: UTF-8 with or without a mark, comma, semicolon or tab. No Django here.

A cell is text and nothing else: what a spreadsheet would calculate stays as it is written.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Final

from connections.imports import columns
from connections.imports.columns import Raw
from connections.imports.findings import FileRefused, error, warning

LONGEST_CELL: Final = 16_384  # as long as the longest token that a form takes
NOT_UTF_8: Final = (
    "This file is not UTF-8. Save it again as “CSV UTF-8”: spreadsheets offer it under “Save as”."
)
MARKS: Final = (b"\xff\xfe", b"\xfe\xff")  # of UTF-16
csv.field_size_limit(LONGEST_CELL)


def rows(content: bytes, known: frozenset[str]) -> Iterator[Raw]:
    """Each row after the header; raises FileRefused where the file cannot be read on."""
    if content.startswith(MARKS) or b"\x00" in content:
        raise FileRefused(NOT_UTF_8)
    text = io.TextIOWrapper(io.BytesIO(content), encoding="utf-8-sig", newline="")
    reader = csv.reader(text, delimiter=_delimiter(content), strict=True)
    try:
        header = next(reader, [])
        names = columns.mapped(header, known)
        unused = [number for number, name in enumerate(names) if not name]
        for number, cells in enumerate(reader, start=2):
            if any(cell.strip() for cell in cells):
                yield _row(number, names, cells, unused)
                unused = []
    except UnicodeDecodeError:
        raise FileRefused(NOT_UTF_8) from None
    except csv.Error:  # its text may quote the line
        raise FileRefused(
            f"Line {reader.line_num} is not CSV: a quote is not closed, or a cell is longer than"
            f" {LONGEST_CELL:,} characters. Mend it and upload the file again."
        ) from None


def _delimiter(content: bytes) -> str:
    header = content[:2000].partition(b"\n")[0]
    return max((",", ";", "\t"), key=lambda mark: header.count(mark.encode()))


def _row(number: int, names: list[str], cells: list[str], unused: list[int]) -> Raw:
    """The first row also says which columns of the file are not used; nothing quotes a header."""
    findings = [
        warning("", f"Column {place + 1} of the file is not used: its header is not one we know.")
        for place in unused
    ]
    if len(cells) > len(names):
        findings.append(
            error("", "It has more cells than the first row. Put quotes around commas.")
        )
    paired = dict(zip(names, cells, strict=False))
    return columns.raw(number, paired, findings=tuple(findings))
