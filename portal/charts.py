"""Charts of stacked bars as the server draws them: geometry for SVG, and the numbers behind it.

The picture stretches to its place, so words stand beside it as HTML and stay readable on a phone.
The same numbers are a table under it and a file.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass, field
from io import StringIO
from typing import Final

from django.http import HttpResponse

WIDTH: Final = 1000
HEIGHT: Final = 200
GAP: Final = 0.2  # of a bar's share
WIDEST: Final = 60.0  # so that a single bar is no wall
LEAST: Final = 4  # at the top of an axis of counts: one is no tower
SHADES: Final = frozenset({"good", "warning", "danger", "idle", "accent", "soft", "faint"})


@dataclass(frozen=True, slots=True)
class Series:
    """One part of every bar: its name, its shade, and the unit its numbers have."""

    label: str
    shade: str

    def __post_init__(self) -> None:
        if self.shade not in SHADES:
            raise ValueError(f"{self.shade!r} is no shade; use one of {', '.join(sorted(SHADES))}.")


@dataclass(frozen=True, slots=True)
class Column:
    """One bar: `label` says when, `short` the same under the chart, `values` one per series."""

    label: str
    short: str
    values: tuple[float, ...]

    @property
    def total(self) -> float:
        return sum(self.values)


@dataclass(frozen=True, slots=True)
class Part:
    """A rectangle of the picture."""

    shade: str
    x: str
    y: str
    width: str
    height: str


@dataclass(frozen=True, slots=True)
class Bar:
    """The rectangles of one column, and what one reads when pointing at them."""

    words: str
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """What the template needs; `name` is its id on the page and in the file's name."""

    name: str
    title: str
    about: str
    series: tuple[Series, ...]
    columns: tuple[Column, ...]
    heading: str = "When"
    unit: str = ""
    empty: str = "Nothing to show yet."
    file_url: str = ""
    bars: tuple[Bar, ...] = ()
    top: str = "0"
    half: str = ""
    totals: tuple[str, ...] = field(default=())

    @property
    def is_empty(self) -> bool:
        return not any(column.total for column in self.columns)

    @property
    def legend(self) -> list[tuple[Series, str]]:
        return list(zip(self.series, self.totals, strict=True))

    @property
    def ends(self) -> list[str]:
        """What stands under the first, the middle and the last bar."""
        if len(self.columns) < 3:
            return [column.short for column in self.columns]
        middle = self.columns[len(self.columns) // 2]
        return [self.columns[0].short, middle.short, self.columns[-1].short]

    @property
    def axis(self) -> list[str]:
        """What stands beside the lines of the picture, from the top to the ground."""
        return [f"{self.top} {self.unit}".strip(), self.half, "0"]

    @property
    def rows(self) -> list[tuple[str, list[str]]]:
        """The numbers, the newest first."""
        return [(c.label, [spoken(v) for v in c.values]) for c in reversed(self.columns)]


def chart(
    name: str,
    title: str,
    series: Sequence[Series],
    columns: Sequence[Column],
    *,
    about: str,
    heading: str = "When",
    unit: str = "",
    empty: str = "Nothing to show yet.",
    file_url: str = "",
    sums: bool = True,
) -> Chart:
    """The chart of these columns, the oldest first; `sums` when a legend of totals makes sense."""
    highest = _round_up(max((column.total for column in columns), default=0))
    if highest and sums:
        highest = max(highest, LEAST)
    totals = tuple(
        spoken(sum(column.values[i] for column in columns)) if sums else ""
        for i in range(len(series))
    )
    return Chart(
        name=name,
        title=title,
        about=about,
        series=tuple(series),
        columns=tuple(columns),
        heading=heading,
        unit=unit,
        empty=empty,
        file_url=file_url,
        bars=tuple(_bars(series, columns, highest, unit)),
        top=spoken(highest),
        half="" if sums and highest % 2 else spoken(highest / 2),
        totals=totals,
    )


def spoken(value: float) -> str:
    """The number as people read it."""
    return f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"


def _round_up(value: float) -> float:
    """The next number that is good at the top of an axis."""
    if value <= 0:
        return 0
    step = 1.0
    while True:
        for factor in (1, 2, 3, 4, 5, 6, 8):
            if value <= step * factor:
                return step * factor
        step *= 10


def _bars(
    series: Sequence[Series], columns: Sequence[Column], highest: float, unit: str
) -> list[Bar]:
    if not highest:
        return []
    share = WIDTH / len(columns)
    width = min(share * (1 - GAP), WIDEST)
    return [
        Bar(_words(series, column, unit), _parts(series, column, i * share, share, width, highest))
        for i, column in enumerate(columns)
        if column.total
    ]


def _parts(
    series: Sequence[Series],
    column: Column,
    left: float,
    share: float,
    width: float,
    highest: float,
) -> tuple[Part, ...]:
    """Its parts from the ground up; what is there is never too thin to be seen."""
    found, y = [], float(HEIGHT)
    for each, value in zip(series, column.values, strict=True):
        if value:
            tall = max(value / highest * HEIGHT, 2.0)
            y -= tall
            x = left + (share - width) / 2
            found.append(Part(each.shade, _n(x), _n(max(y, 0)), _n(width), _n(tall)))
    return tuple(found)


def _words(series: Sequence[Series], column: Column, unit: str) -> str:
    parts = [
        f"{spoken(value)}{f' {unit}' if unit else ''} {each.label.lower()}"
        for each, value in zip(series, column.values, strict=True)
        if value
    ]
    return f"{column.label}: {', '.join(parts)}"


def _n(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def file_of(chart: Chart) -> HttpResponse:
    """The numbers for a spreadsheet, the oldest first; they are ours, so no cell is a formula."""
    text = StringIO()
    lines = csv.writer(text)
    lines.writerow([chart.heading, *(each.label for each in chart.series)])
    for column in chart.columns:
        lines.writerow([column.label, *(f"{value:g}" for value in column.values)])
    response = HttpResponse("\ufeff" + text.getvalue(), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{chart.name}.csv"'
    return response
