"""HTTP access tokens through the server's own API: make one, find it by its name, withdraw it.

https://developer.atlassian.com/server/bitbucket/rest/v904/api-group-authentication/
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from connections.contracts import Answer, Api, NewToken
from connections.errors import ReauthorizationRequired, UnexpectedResponse
from integrations import bitbucket
from integrations.bitbucket import Json, segment
from integrations.bitbucket_data_center import client, reading
from integrations.bitbucket_data_center.sync import PAGE_SIZE

API = "access-tokens/latest"
LEAST = frozenset({"REPO_READ"})
GONE = frozenset({404})
MOST_PAGES = 50

Fields = Mapping[str, str]


def holder_path(fields: Fields, user_slug: str) -> str:
    """Where the tokens of this repository, project or user are."""
    if not fields.get("project"):
        return f"{API}/users/{segment(user_slug)}"
    project = f"{API}/projects/{segment(fields['project'])}"
    if not fields.get("repository"):
        return project
    return f"{project}/repos/{segment(fields['repository'])}"


def make(api: Api, path: str, *, name: str, days: int, scopes: frozenset[str]) -> NewToken:
    """A token of this name; its text is told this one time."""
    asked = sorted(scopes or LEAST)
    answer = api.send("PUT", path, {"name": name, "permissions": asked, "expiryDays": days})
    raw = bitbucket.body(answer)
    return NewToken(
        token=_word(answer, raw, "token"),
        token_id=_word(answer, raw, "id"),
        expires_at=_expiry(raw, days),
        scopes=_permissions(raw) or frozenset(asked),
    )


def ids_named(api: Api, path: str, name: str) -> tuple[str, ...]:
    """The ids of the tokens with this name, an orphan of a lost answer among them."""
    found: list[str] = []
    start: int | None = 0
    for _ in range(MOST_PAGES):
        answer = api.get(f"{path}?start={start}&limit={PAGE_SIZE}")
        for item in bitbucket.items(answer):
            if isinstance(item, dict) and item.get("name") == name:
                found.append(_word(answer, item, "id"))
        start = reading.next_start(answer, start or 0)
        if start is None:
            break
    return tuple(found)


def withdraw(api: Api, path: str, token_id: str) -> None:
    """The server knows no such token there, as when it was gone before.

    A token may withdraw itself; what it then gets for an answer may be one to a stranger. That a
    stranger finds nothing proves nothing: ReauthorizationRequired.
    """
    try:
        answer = api.send("DELETE", f"{path}/{segment(token_id)}", None, accept=GONE)
    except ReauthorizationRequired as error:
        if error.status != 204:
            raise
    else:
        if answer.status in GONE and not client.user(answer):
            raise ReauthorizationRequired(client.AS_ANONYMOUS, **bitbucket.facts(answer))


def _word(answer: Answer, raw: Json, key: str) -> str:
    value = raw.get(key)
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str) or not text.isascii() or not text.isprintable() or " " in text:
        raise bitbucket.unexpected(answer, f"{key} is missing or malformed.")
    if not text:
        raise UnexpectedResponse(f"{key} is empty.")
    return text


def _expiry(raw: Json, days: int) -> datetime | None:
    told = reading.moment(raw.get("expiryDate"))
    made = reading.moment(raw.get("createdDate"))
    return told or (made + timedelta(days=days) if made and days else None)


def _permissions(raw: Json) -> frozenset[str]:
    told = raw.get("permissions")
    return (
        frozenset(word for word in told if isinstance(word, str))
        if isinstance(told, list)
        else frozenset()
    )
