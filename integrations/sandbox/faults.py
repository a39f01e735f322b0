"""Faults that the control port orders: which requests they meet, how often, and what happens."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from integrations.sandbox import delivery, lies
from integrations.sandbox.http import Request, Response, html_response, text_response

Produce = Callable[[], Response]
Words = Callable[[int], Response]

SIGN_IN_PAGE = (
    "<!doctype html><html lang=en><title>Log in with Atlassian account</title>"
    "<h1>Log in to continue</h1><form method=post action=/login><input name=username></form></html>"
)
RATE_LIMITED = "Rate limit for this resource has been exceeded"


class FaultRefused(Exception):
    """An order that names no known kind or lacks what its kind needs."""


@dataclass(slots=True)
class Fault:
    """One order. `times` None means until reset; `after` lets that many matching requests pass, and
    `chance` below 1 strikes only some of the others.

    `takes_effect` says whether the vendor acts on the request before the answer goes wrong: a
    refresh token is then spent although nobody learns the new one. `host` limits it to one host
    of a vendor that has several.
    """

    id: int
    match: str
    kind: str
    times: int | None = 1
    after: int = 0
    contains: str = ""
    chance: float = 1.0
    takes_effect: bool = True
    host: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    seen: int = 0
    hits: int = 0

    def meets(self, request: Request) -> bool:
        """Count this request when it matches, and say whether the fault strikes."""
        if not self._matches(request):
            return False
        self.seen += 1
        if self.seen <= self.after or (self.times is not None and self.hits >= self.times):
            return False
        if self.chance < 1 and random.random() >= self.chance:
            return False
        self.hits += 1
        return True

    def _matches(self, request: Request) -> bool:
        if self.host not in {"", request.notes.get("host", "")}:
            return False
        line = f"{request.method} {request.path}"
        if "?" in self.match:
            line += f"?{request.query}"
        if not fnmatchcase(line, escaped(self.match)):
            return False
        where = f"{request.query}\n{request.body.decode('utf-8', 'replace')}"
        return self.contains in where

    def seconds(self, default: float) -> float:
        return float(self.options.get("seconds", default))

    def describe(self) -> dict[str, object]:
        return {
            "id": self.id,
            "match": self.match,
            "kind": self.kind,
            "times": self.times,
            "after": self.after,
            "contains": self.contains,
            "chance": self.chance,
            "takes_effect": self.takes_effect,
            "host": self.host,
            "seen": self.seen,
            "hits": self.hits,
            **self.options,
        }


def escaped(pattern: str) -> str:
    """Leave only `*` special: `?` begins a query here and `[` or `{` may be part of an id."""
    return pattern.replace("[", "[[]").replace("?", "[?]")


class FaultBook:
    """The faults in force, oldest first; the first that meets a request strikes it."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._ids = itertools.count(1)

    def order(self, wish: Mapping[str, Any]) -> Fault:
        """Put a fault in force. Raises FaultRefused."""
        known = {"match", "kind", "times", "after", "contains", "chance", "takes_effect", "host"}
        kind, match = str(wish.get("kind", "")), str(wish.get("match", ""))
        if kind not in KINDS:
            raise FaultRefused(f"unknown kind {kind!r}; known: {', '.join(sorted(KINDS))}")
        if " " not in match:
            raise FaultRefused('match is "METHOD /path", with * anywhere')
        if (
            kind == "body"
            and not {"text", "body"} & wish.keys()
            and wish.get("lie") not in lies.LIES
        ):
            raise FaultRefused(f"give text, body or a lie of {', '.join(sorted(lies.LIES))}")
        fault = Fault(
            id=next(self._ids),
            match=match,
            kind=kind,
            times=wish.get("times", 1),
            after=int(wish.get("after", 0)),
            contains=str(wish.get("contains", "")),
            chance=float(wish.get("chance", 1.0)),
            takes_effect=bool(wish.get("takes_effect", kind not in WITHOUT_EFFECT)),
            host=str(wish.get("host", "")),
            options={name: value for name, value in wish.items() if name not in known},
        )
        self._faults.append(fault)
        return fault

    def meeting(self, request: Request) -> Fault | None:
        return next((fault for fault in self._faults if fault.meets(request)), None)

    def withdraw(self, fault_id: int | None = None) -> None:
        """Forget one fault, or all."""
        self._faults = [f for f in self._faults if fault_id is not None and f.id != fault_id]

    def describe(self) -> list[dict[str, object]]:
        return [fault.describe() for fault in self._faults]


def strike(fault: Fault, request: Request, produce: Produce, words: Words) -> Response:
    """Return the answer as this fault spoils it; `words` are the vendor's for a bare status."""
    real = produce() if fault.takes_effect else Response(200, b"{}", dict(lies.JSON_HEADERS))
    if fault.kind == "status":
        real = words(int(fault.options.get("status", 503)))
    return KINDS[fault.kind](fault, request, real)


# ── One function per kind: (fault, request, the answer it would have been) → the answer it is ──


def slow(fault: Fault, request: Request, real: Response) -> Response:
    real.send = delivery.late(fault.seconds(5.0))
    return real


def cut(fault: Fault, request: Request, real: Response) -> Response:
    real.send = delivery.cut(float(fault.options.get("share", 0.5)))
    return real


def reset(fault: Fault, request: Request, real: Response) -> Response:
    real.send = delivery.reset(fault.seconds(0.0))
    return real


def silent(fault: Fault, request: Request, real: Response) -> Response:
    real.send = delivery.silent(fault.seconds(3600.0))
    return real


def drip(fault: Fault, request: Request, real: Response) -> Response:
    real.send = delivery.drip(fault.seconds(5.0))
    return real


def status(fault: Fault, request: Request, real: Response) -> Response:
    """Answer with `status`; its body is `body` (JSON), `text`, or what the vendor would say."""
    response = told(fault, int(fault.options.get("status", 503))) or real
    response.headers.update(fault.options.get("headers", {}))
    return response


def told(fault: Fault, code: int) -> Response | None:
    if "text" in fault.options:
        kind = str(fault.options.get("content_type", "text/plain"))
        return Response(code, str(fault.options["text"]).encode(), {"Content-Type": kind})
    if "body" in fault.options:
        return Response(code, json.dumps(fault.options["body"]).encode(), dict(lies.JSON_HEADERS))
    return None


def usual(code: int) -> Response:
    if code == 429:
        return text_response(RATE_LIMITED, 429, {"Cache-Control": "no-cache, no-store"})
    if code >= 500:
        return html_response(f"<html><body><h1>{code} Server Error</h1></body></html>", code)
    return lies.error(code)


def html(fault: Fault, request: Request, real: Response) -> Response:
    return html_response(SIGN_IN_PAGE, int(fault.options.get("status", 200)))


def empty(fault: Fault, request: Request, real: Response) -> Response:
    return Response(int(fault.options.get("status", 200)), b"", dict(lies.JSON_HEADERS))


def body(fault: Fault, request: Request, real: Response) -> Response:
    """Lie: `text` or `body` replace the answer; `lie` names a change to the real one."""
    code = int(fault.options.get("status", 200))
    replaced = told(fault, code)
    if replaced is not None:
        replaced.headers.setdefault("Content-Type", "application/json")
        return replaced
    return lies.LIES[str(fault.options["lie"])](real)


def huge(fault: Fault, request: Request, real: Response) -> Response:
    real.send = delivery.huge(chunked=bool(fault.options.get("chunked", False)))
    return real


def paging(fault: Fault, request: Request, real: Response) -> Response:
    return lies.NEXT[fault.kind](real, request, fault.hits)


def redirect(fault: Fault, request: Request, real: Response) -> Response:
    location = str(fault.options.get("location", "https://elsewhere.example/"))
    return Response(int(fault.options.get("status", 302)), b"", {"Location": location})


def gzip_bomb(fault: Fault, request: Request, real: Response) -> Response:
    real.send = delivery.bomb(
        str(fault.options.get("encoding", "gzip")), int(fault.options.get("mebibytes", 1024))
    )
    return real


def headers(fault: Fault, request: Request, real: Response) -> Response:
    """Set headers (None removes one), add `count` of them, or one of `size` bytes."""
    for name, value in fault.options.get("headers", {}).items():
        real.headers.pop(name, None)
        if value is not None:
            real.headers[name] = str(value)
    for number in range(int(fault.options.get("count", 0))):
        real.headers[f"X-Filler-{number}"] = "1"
    if "size" in fault.options:
        real.headers["X-Filler"] = "x" * int(fault.options["size"])
    return real


KINDS: dict[str, Callable[[Fault, Request, Response], Response]] = {
    "slow": slow,
    "cut": cut,
    "reset": reset,
    "silent": silent,
    "drip": drip,
    "status": status,
    "html": html,
    "empty": empty,
    "body": body,
    "huge": huge,
    "redirect": redirect,
    "gzip_bomb": gzip_bomb,
    "headers": headers,
    **dict.fromkeys(lies.NEXT, paging),
}
WITHOUT_EFFECT = {"status", "html", "redirect"}
