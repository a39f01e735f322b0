"""A list is read to its end, and one without an end is noticed."""

from __future__ import annotations

import pytest

from connections.contracts import Page
from connections.errors import UnexpectedResponse
from connections.paging import every_page


def book(**following: str | None):
    """Pages by checkpoint: `start` is the first."""
    return lambda at: Page(records=(), checkpoint=following[at or "start"])


def test_each_page_comes_once():
    assert len(list(every_page(book(start="a", a="b", b=None)))) == 3
    assert len(list(every_page(book(start="a", a="b", b=None), after="a"))) == 2


@pytest.mark.parametrize(
    "following",
    [{"start": "a", "a": "a"}, {"start": "a", "a": "b", "b": "c", "c": "a"}],
    ids=["P44-itself", "P44-loop-of-three"],
)
def test_p44_pages_that_lead_back_are_refused(following):
    with pytest.raises(UnexpectedResponse, match="lead back"):
        list(every_page(book(**following)))


def test_p44_an_endless_list_is_cut():
    read = []

    def endless(at: str | None) -> Page:
        read.append(at)
        return Page(records=(), checkpoint=str(len(read)))

    with pytest.raises(UnexpectedResponse, match="no end"):
        list(every_page(endless, most=50))
    assert len(read) == 50
