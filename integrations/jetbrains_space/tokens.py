"""Permanent tokens through Space's own API: make one, find it by its name, withdraw it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

from connections.contracts import Answer, Api, Method, NewToken
from connections.errors import RemoteGone
from integrations import answers
from integrations.answers import BadItem, segment
from integrations.jetbrains_space import reading
from integrations.jetbrains_space.scopes import EVERYTHING, RIGHT

LEAST = frozenset({"global:Profile.View", "global:Project.View"})
MOST_PAGES = 20
WRITTEN = "%Y-%m-%dT%H:%M:%S.000Z"
PAGE_SIZE = 100


def path_of(method: Method) -> str:
    """Where the tokens of this method's holder are."""
    holder = "applications" if method.vocabulary == RIGHT else "team-directory/profiles"
    return f"{holder}/me/permanent-tokens"


def make(api: Api, method: Method, *, name: str, days: int, scopes: frozenset[str]) -> NewToken:
    """A token of this name; its text is told this one time. An application's has all its rights."""
    is_apps = method.vocabulary == RIGHT
    wanted = frozenset() if is_apps else scopes or LEAST
    expires_at = datetime.now(UTC) + timedelta(days=days)
    answer = api.send(
        "POST",
        path_of(method),
        {
            "name": name,
            "scope": " ".join(sorted(wanted)) or EVERYTHING,
            "expires": expires_at.strftime(WRITTEN),
        },
    )
    pair = answers.body(answer)
    text = pair.get("second")
    if not isinstance(text, str) or not text or not text.isascii() or not text.isprintable():
        raise answers.unexpected(answer, "The token is missing or malformed.")
    described = answers.object_or_empty(pair, "first")
    return NewToken(
        token=text,
        token_id=_id(answer, described),
        expires_at=reading.moment(described.get("expires")) or expires_at,
        scopes=wanted,
    )


def ids_named(api: Api, method: Method, name: str) -> tuple[str, ...]:
    """The ids of the tokens with this name, an orphan of a lost answer among them."""
    found: list[str] = []
    place: str | None = None
    for _ in range(MOST_PAGES):
        query = {"$skip": reading.started(place), "$top": PAGE_SIZE}
        query |= {"$fields": "next,totalCount,data(id,name)"}
        answer = api.get(f"{path_of(method)}?{urlencode(query)}")
        items, place = reading.batch(answer, place)
        found += [_id(answer, i) for i in items if isinstance(i, dict) and i.get("name") == name]
        if place is None:
            break
    return tuple(found)


def withdraw(api: Api, method: Method, token_id: str) -> None:
    """Space knows no such token there, as when it was gone before."""
    try:
        api.send("DELETE", f"{path_of(method)}/{segment(token_id)}", None)
    except RemoteGone:
        return


def _id(answer: Answer, raw: answers.Json) -> str:
    try:
        return reading.identifier(raw)
    except BadItem as error:
        raise answers.unexpected(answer, str(error)) from None
