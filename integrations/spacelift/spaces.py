"""The spaces that a key reaches, page by page, and its level in each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from connections.contracts import Answer, Api, Page, PlaceRights
from connections.errors import EndpointRemoved
from integrations import answers
from integrations.answers import BadItem, Json, object_or_empty
from integrations.spacelift import client, operations, reading

PAGE_SIZE = 50
MOST_PAGES = 200


def page(api: Api, checkpoint: str | None) -> Page:
    """A page of spaces; one that cannot be read is set aside."""
    _, nodes, after = _asked(api, checkpoint)
    records, rejected = answers.records(nodes, reading.space, reading.space_id)
    return Page(records=records, checkpoint=after, rejected=rejected)


def first(api: Api) -> Answer:
    """The answer that holds the first page."""
    return _asked(api, None)[0]


def rights(api: Api) -> Iterator[PlaceRights]:
    """What may be done in each space; one that cannot be read is left out."""
    after: str | None = None
    for _ in range(MOST_PAGES):
        _, nodes, after = _asked(api, after)
        for raw in nodes:
            try:
                yield reading.rights(answers.to_object(raw))
            except BadItem:
                continue
        if after is None:
            return


def _asked(api: Api, checkpoint: str | None) -> tuple[Answer, list[Any], str | None]:
    """One page of spaces; of an installation from before there were pages, all of them."""
    wish = {"first": PAGE_SIZE} | ({"after": checkpoint} if checkpoint else {})
    try:
        answer, data = client.ask(api, operations.SPACES, input=wish)
    except EndpointRemoved as error:
        if checkpoint is not None or error.status != 200:
            raise
        answer, data = client.ask(api, operations.ALL_SPACES)
        return answer, _listed(answer, data, "spaces"), None
    found = object_or_empty(data, "searchSpaces")
    nodes = [reading.node(edge) for edge in _listed(answer, found, "edges")]
    return answer, nodes, _after(answer, found, checkpoint)


def _listed(answer: Answer, raw: Json, key: str) -> list[Any]:
    items = raw.get(key)
    if not isinstance(items, list):
        raise answers.unexpected(answer, f"The page has no list of {key}.")
    return items


def _after(answer: Answer, found: Json, checkpoint: str | None) -> str | None:
    """Where the next page is; a page that leads nowhere, or to itself, is refused."""
    info = object_or_empty(found, "pageInfo")
    more, cursor = info.get("hasNextPage"), info.get("endCursor")
    if more is False:
        return None
    if more is not True or not isinstance(cursor, str) or not cursor or cursor == checkpoint:
        raise answers.unexpected(answer, "The page does not say where the next one is.")
    return cursor
