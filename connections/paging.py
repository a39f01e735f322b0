"""Reading a vendor's list to its end, however its links lead: no page twice, not for ever."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from connections.contracts import Page
from connections.errors import UnexpectedResponse

MOST_PAGES = 1000


def every_page(
    read: Callable[[str | None], Page], *, after: str | None = None, most: int = MOST_PAGES
) -> Iterator[Page]:
    """Each page once, beginning after a checkpoint; UnexpectedResponse for a list without an end.

    A vendor's links may lead back to where they came from, or on and on.
    """
    visited = {after}
    checkpoint = after
    for _ in range(most):
        page = read(checkpoint)
        yield page
        checkpoint = page.checkpoint
        if checkpoint is None:
            return
        if checkpoint in visited:
            raise UnexpectedResponse("The pages lead back to one that was read.")
        visited.add(checkpoint)
    raise UnexpectedResponse("The list has no end.")
