"""An authorised client of one vendor API: what `contracts.Api` promises, over the network door.

It keeps a connection's calls on its origin, reads bodies as strict JSON and lets the connector
judge each answer. The credential is asked for at each call and shows in no repr. No Django here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from connections import strict_json
from connections.contracts import Answer
from connections.errors import VendorError
from connections.http import API, Door, Limits, Response
from connections.origins import BaseUrl

LONGEST_TEXT = 200
REFERENCES = ("x-request-uuid", "x-b3-traceid", "atl-traceid", "x-arequestid")

_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_NOTHING: frozenset[int] = frozenset()


class Authorization:
    """The value of an Authorization header, given out by calling it; its repr shows nothing."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def __call__(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "Authorization(…)"


@dataclass(frozen=True, slots=True)
class VendorApi:
    """Calls relative to `base`, a base URL of `Door.vendor` or `Door.base_url`.

    `authorization` gives the header's value for each call, "" for none; `judge` is the
    connector's; `on_send` is asked before each call, which its error keeps from being made;
    `on_answer` sees every answer before it is judged, for its rate headers; calls with the same
    `lane` share connections.
    """

    door: Door = field(repr=False)
    base: BaseUrl
    authorization: Callable[[], str] = field(repr=False)
    judge: Callable[[Answer], VendorError | None] = field(repr=False)
    on_answer: Callable[[Answer], None] | None = field(default=None, repr=False)
    on_send: Callable[[], None] | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    limits: Limits = API
    deadline_seconds: float | None = None
    lane: str = ""

    def get(self, path: str, *, accept: frozenset[int] = _NOTHING) -> Answer:
        """The vendor's answer to GET; see `contracts.Api`."""
        return self._call("GET", path, None, accept)

    def send(
        self, method: str, path: str, body: object, *, accept: frozenset[int] = _NOTHING
    ) -> Answer:
        """The vendor's answer to a request with a JSON body, or without one when it is None."""
        content = None if body is None else json.dumps(body, allow_nan=False).encode()
        return self._call(method, path, content, accept)

    def _call(
        self, method: str, path: str, content: bytes | None, accept: frozenset[int]
    ) -> Answer:
        if self.on_send:
            self.on_send()
        response = self.door.send(
            method,
            self._url(path),
            origin=self.base.origin,
            headers=self._headers(content),
            body=content,
            limits=self.limits,
            deadline_seconds=self.deadline_seconds,
            lane=self.lane,
        )
        answer = answer_of(response)
        if self.on_answer:
            self.on_answer(answer)
        wrong = None if answer.status in accept else self.judge(answer)
        if wrong is not None:
            raise _told(wrong, answer)
        return answer

    def _url(self, path: str) -> str:
        """An absolute link stays: the door holds it to the origin. All else lies under `base`."""
        if _ABSOLUTE.match(path) or path.startswith("//"):
            return path
        return f"{self.base}/{path.removeprefix('/')}"

    def _headers(self, content: bytes | None) -> dict[str, str]:
        headers = {"Accept": "application/json", **self.headers}
        if content is not None:
            headers["Content-Type"] = "application/json"
        value = self.authorization()
        return {**headers, "Authorization": value} if value else headers


def answer_of(response: Response) -> Answer:
    """The response with its body as JSON, or its first characters when it is none.

    The Content-Type is not asked: vendors leave it out, and send JSON as text.
    """
    body: Any = None
    text = ""
    if response.body:
        try:
            body = strict_json.loads(response.body)
        except strict_json.JsonRefused:
            text = response.body[: 4 * LONGEST_TEXT].decode("utf-8", "replace")[:LONGEST_TEXT]
    return Answer(
        status=response.status,
        headers=response.headers,
        body=body,
        request=response.request,
        latency_seconds=response.latency_seconds,
        text=text,
    )


def _told(error: VendorError, answer: Answer) -> VendorError:
    """The connector's error with what it did not say itself."""
    error.status = answer.status if error.status is None else error.status
    error.request = error.request or answer.request
    error.reference = error.reference or _reference(answer.headers)
    if error.latency_seconds is None:
        error.latency_seconds = answer.latency_seconds
    return error


def _reference(headers: Mapping[str, str]) -> str:
    """The vendor's own id of this request, for a ticket with its support."""
    return next((headers[name][:100] for name in REFERENCES if headers.get(name)), "")
