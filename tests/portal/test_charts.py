"""Charts: bars that stay in their picture, numbers behind them, and an honest emptiness."""

from __future__ import annotations

import csv
from io import StringIO

import pytest

from portal.charts import HEIGHT, WIDTH, Chart, Column, Series, chart, file_of

GOOD, BAD = Series("Applied", "good"), Series("Failed", "danger")


def made(*values: tuple[float, ...]) -> Chart:
    columns = [Column(f"hour {i}", f"{i}:00", each) for i, each in enumerate(values)]
    return chart("test", "Deliveries", [GOOD, BAD], columns, about="What came in.")


@pytest.mark.parametrize("count", [1, 2, 24, 168])
def test_every_bar_stays_in_the_picture_and_stands_on_the_ground(count: int) -> None:
    shown = made(*((float(i + 1), 1.0) for i in range(count)))

    assert len(shown.bars) == count
    for bar in shown.bars:
        bottoms = [float(part.y) + float(part.height) for part in bar.parts]
        assert bottoms[0] == HEIGHT and min(float(p.y) for p in bar.parts) >= 0
        assert all(0 <= float(p.x) <= WIDTH - float(p.width) + 0.01 for p in bar.parts)


def test_what_is_there_is_never_too_thin_to_be_seen() -> None:
    shown = made((1_000_000, 1))

    assert float(shown.bars[0].parts[1].height) >= 2
    assert (shown.top, shown.bars[0].words) == (
        "2,000,000",
        "hour 0: 1,000,000 applied, 1 failed",
    )
    assert shown.axis == ["2,000,000", "1,000,000", "0"]
    assert made((5, 0)).axis == ["5", "", "0"]  # nothing is counted by halves


def test_nothing_is_said_to_be_nothing() -> None:
    assert made().is_empty and made((0, 0), (0, 0)).is_empty
    assert made((0, 0)).bars == () and not made((0, 2)).is_empty


def test_the_file_has_the_numbers_of_the_table() -> None:
    shown = made((3, 1), (0.5, 0))
    rows = list(csv.reader(StringIO(file_of(shown).content.decode("utf-8-sig"))))

    assert rows == [["When", "Applied", "Failed"], ["hour 0", "3", "1"], ["hour 1", "0.5", "0"]]
    assert shown.rows == [("hour 1", ["0.5", "0"]), ("hour 0", ["3", "1"])]


def test_a_wrong_shade_fails_loudly() -> None:
    with pytest.raises(ValueError, match="shade"):
        Series("Applied", "red")
