"""What is said over the wire: the Api that a connector is handed, and an answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Answer:
    """A vendor's answer after the network door: headers by lower-case name, body as parsed JSON.

    `body` is None when there was none or it was not JSON; `text` is its first 200 characters then.
    `request` is method and path without query.
    """

    status: int
    headers: Mapping[str, str]
    body: Any
    request: str
    latency_seconds: float
    text: str = ""


class Api(Protocol):
    """An authorised client of one vendor API; paths are relative to the manifest's `api_url`.

    An absolute URL is taken only when it lies on the same origin (a vendor's own `next` link).
    Raises what `Connector.judge` returns for the answer, unless its status is in `accept`; raises
    `Unavailable`, `AnswerLost`, `UnexpectedResponse`, `Blocked` by itself.
    """

    def get(self, path: str, *, accept: frozenset[int] = frozenset()) -> Answer: ...

    def send(
        self, method: str, path: str, body: object, *, accept: frozenset[int] = frozenset()
    ) -> Answer: ...
