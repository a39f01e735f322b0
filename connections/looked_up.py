"""The fields that nobody has to type, because the vendor tells them to everybody (`Lookup`).

Runs in a worker, outside transactions. No credential is sent along.
"""

from __future__ import annotations

import re
from dataclasses import replace
from urllib.parse import urlsplit

from connections.access import Way
from connections.contracts import Answer, Lookup
from connections.errors import RemoteGone, UnexpectedResponse


def completed(way: Way) -> Way:
    """The way with the field that its method looks up; raises what the vendor's answer means."""
    wanted = way.method.lookup
    if wanted is None:
        return way
    address = urlsplit(wanted.url.format_map(way.fields))
    try:
        answer = way.anonymous(f"{address.scheme}://{address.netloc}").get(address.path)
    except RemoteGone as error:
        raise RemoteGone(f"Nothing is at {address.netloc}.", status=error.status) from error
    return replace(way, fields={**way.fields, wanted.field: _found(answer, wanted)})


def _found(answer: Answer, wanted: Lookup) -> str:
    value = answer.body.get(wanted.key) if isinstance(answer.body, dict) else None
    if not isinstance(value, str) or not re.fullmatch(wanted.pattern, value):
        raise UnexpectedResponse(f"There is no {wanted.key} in it.", status=answer.status)
    return value
