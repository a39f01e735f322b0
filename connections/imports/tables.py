"""A CSV file, row by row: UTF-8 with or without a mark, comma, semicolon or tab. No Django here.

A cell is text and nothing else: what a spreadsheet would calculate stays as it is written.
"""

from __future__ import annotations

import csv
import io
import re
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
# What some spreadsheets write above the header, and none of them shows.
_SEPARATOR: Final = re.compile(
    rb"(?:\xef\xbb\xbf)?\"?sep=(?P<mark>[,;|\t])\"?(?:\r\n|\r|\n)", re.IGNORECASE
)
csv.field_size_limit(LONGEST_CELL)


def rows(content: bytes, known: frozenset[str]) -> Iterator[Raw]:
    """Each row after the header; raises FileRefused where the file cannot be read on."""
    if content.startswith(MARKS) or b"\x00" in content:
        raise FileRefused(NOT_UTF_8)
    told = _SEPARATOR.match(content)
    content = content[told.end() :] if told else content
    mark = told["mark"].decode() if told else _delimiter(content)
    text = io.TextIOWrapper(io.BytesIO(content), encoding="utf-8-sig", newline="")
    reader = csv.reader(text, delimiter=mark, strict=True)
    try:
        yield from _rows(reader, known)
    except UnicodeDecodeError:
        raise FileRefused(NOT_UTF_8) from None
    except csv.Error:  # its text may quote the line
        raise FileRefused(
            f"Line {reader.line_num + bool(told)} is not CSV: a quote is not closed, or a cell is"
            f" longer than {LONGEST_CELL:,} characters. Mend it and upload the file again."
        ) from None


def _rows(lines: Iterator[list[str]], known: frozenset[str]) -> Iterator[Raw]:
    names = columns.mapped(_without_end(next(lines, [])), known)
    unused = [number for number, name in enumerate(names) if not name]
    for number, cells in enumerate(map(_without_end, lines), start=2):
        if cells:
            yield _row(number, names, cells, unused)
            unused = []


def _without_end(cells: list[str]) -> list[str]:
    """The cells up to the last that has something in it: spreadsheets fill lines up with commas."""
    last = max((place for place, cell in enumerate(cells, start=1) if cell.strip()), default=0)
    return cells[:last]


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
