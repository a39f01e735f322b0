"""Errors that are an answer and no fault: a floor above says which page tells of its own."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

Page = Callable[[HttpRequest], HttpResponse]
_pages: dict[type[Exception], Page] = {}


def tells_of(kind: type[Exception]) -> Callable[[Page], Page]:
    """The page is what a browser gets where a view raises this error."""

    def register(page: Page) -> Page:
        _pages[kind] = page
        return page

    return register


def page_of(request: HttpRequest, error: Exception) -> HttpResponse | None:
    """The page that tells of this error; None where it is a fault."""
    for kind, page in _pages.items():
        if isinstance(error, kind):
            return page(request)
    return None
