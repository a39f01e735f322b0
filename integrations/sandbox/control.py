"""The control port: JSON over HTTP for tests, and a small page with buttons for rehearsals.

It listens on loopback only, answers to loopback names only (a web page elsewhere cannot rebind its
name to it), and refuses forms that another page sends.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from inspect import isawaitable
from typing import Any, Protocol

from integrations.sandbox import panel
from integrations.sandbox.bitbucket_cloud.commands import CommandRefused, Commands
from integrations.sandbox.bitbucket_cloud.grants import GrantCommands
from integrations.sandbox.bitbucket_data_center.commands import DataCenterCommands
from integrations.sandbox.bitbucket_data_center.vendor import BitbucketDataCenter
from integrations.sandbox.clock import Clock
from integrations.sandbox.faults import FaultBook, FaultRefused
from integrations.sandbox.http import (
    Request,
    Response,
    html_response,
    json_response,
    redirect_response,
    text_response,
)
from integrations.sandbox.journal import Journal
from integrations.sandbox.latency import Latency
from integrations.sandbox.vendor import Vendor
from integrations.sandbox.vendors import origins
from integrations.sandbox.webhook_control import WebhookCommands

Json = dict[str, Any]
Answered = Json | Awaitable[Json]
LOOPBACK = {"127.0.0.1", "localhost"}
OUTAGES = ("", "refused", "unavailable")


class Controlled(Protocol):
    """What the control port needs of the sandbox."""

    clock: Clock
    faults: FaultBook
    journal: Journal
    commands: Commands
    grants: GrantCommands
    webhooks: WebhookCommands
    data_center: BitbucketDataCenter
    data_center_commands: DataCenterCommands
    others: list[Vendor]
    latency: Latency
    outage: str

    @property
    def url(self) -> str: ...

    def reset(self) -> None: ...

    def kept(self) -> Json: ...

    def resume(self, kept: Json) -> None: ...

    async def suffer(self, outage: str) -> None: ...


class Control:
    """Answers the control port's requests."""

    def __init__(self, sandbox: Controlled) -> None:
        self._sandbox = sandbox
        self._posts: dict[str, Callable[[Json], Answered]] = {
            "/faults": self._order,
            "/reset": self._reset,
            "/kept": self._resume,
            "/clock": self._advance,
            "/latency": self._latency,
            "/normal": self._normal,
            "/outage": self._suffer,
            **sandbox.commands.by_path,
            **sandbox.grants.by_path,
            **sandbox.webhooks.by_path,
            **sandbox.data_center_commands.by_path,
        }
        self._gets: dict[str, Callable[[Request], object]] = {
            "/state": self._state,
            "/kept": lambda request: sandbox.kept(),
            "/faults": lambda request: sandbox.faults.describe(),
            "/switches": lambda request: sandbox.commands.describe()["switches"],
            "/requests": self._requests,
            **{
                path: asked(question)
                for asking in (
                    sandbox.grants,
                    sandbox.commands,
                    sandbox.webhooks,
                    sandbox.data_center_commands,
                )
                for path, question in asking.questions.items()
            },
        }
        for vendor in sandbox.others:
            self._posts |= {path: ordered(vendor, path) for path in vendor.by_path}
            self._gets |= {path: told(vendor, path) for path in vendor.questions}

    async def answer(self, request: Request) -> Response:
        host = request.headers.get("host", "").rpartition(":")[0]
        origin = request.headers.get("origin", request.origin)
        if host not in LOOPBACK or origin not in {request.origin, "null"}:
            return text_response("The control port answers on loopback only.\n", 403)
        try:
            return await self._answer(request)
        except (CommandRefused, FaultRefused, LookupError, ValueError, TypeError) as refused:
            reason = f"missing {refused}" if isinstance(refused, KeyError) else str(refused)
            return json_response({"error": reason}, 400)

    async def _answer(self, request: Request) -> Response:
        path = request.path.rstrip("/") or "/"
        if request.method == "GET" and path == "/":
            known = self._sandbox.commands.describe()
            server = self._sandbox.data_center.describe()
            return html_response(panel.page(known, self._rest(), server, self._others()))
        if request.method == "GET" and path in self._gets:
            return json_response(self._gets[path](request))
        if request.method == "DELETE":
            return self._delete(path)
        if request.method == "POST" and path.startswith("/panel/"):
            await self._press(path.removeprefix("/panel/"))
            return redirect_response("/", 303)
        if request.method == "POST" and path in self._posts:
            return json_response(await self._do(path, read(request)))
        return json_response({"error": f"no {request.method} {path}", "known": self._known()}, 404)

    async def _do(self, path: str, wish: Json) -> Json:
        done = self._posts[path](wish)
        return await done if isawaitable(done) else done

    def _known(self) -> list[str]:
        posts = [f"POST {path}" for path in self._posts]
        gets = [f"GET {path}" for path in self._gets]
        return sorted([*gets, *posts, "DELETE /calls", "DELETE /faults", "DELETE /requests"])

    def _delete(self, path: str) -> Response:
        """Withdraw all faults, one of them, or forget the journal or the counted calls."""
        if path == "/requests":
            self._sandbox.journal.forget()
        elif path == "/calls":
            self._sandbox.grants.forget_calls()
        elif path == "/faults":
            self._sandbox.faults.withdraw()
        else:
            self._sandbox.faults.withdraw(int(path.removeprefix("/faults/")))
        return json_response({})

    def _order(self, wish: Json) -> Json:
        return self._sandbox.faults.order(wish).describe()

    async def _reset(self, wish: Json) -> Json:
        await self._sandbox.suffer("")
        self._sandbox.reset()
        return {"reset": True}

    def _resume(self, wish: Json) -> Json:
        self._sandbox.resume(wish)
        return {"resumed": True}

    async def _normal(self, wish: Json) -> Json:
        """Withdraw outage, storm, faults and latency; world, credentials and journal stay.

        Webhooks that were held are sent.
        """
        self._sandbox.webhooks.normal()
        await self._sandbox.suffer("")
        self._sandbox.faults.withdraw()
        self._sandbox.latency.forget()
        self._sandbox.grants.storm({"error": ""})
        for vendor in self._sandbox.others:
            vendor.normal()
        return self._times()

    def _others(self) -> Json:
        return {vendor.slug: vendor.describe() for vendor in self._sandbox.others}

    async def _suffer(self, wish: Json) -> Json:
        """Be down (`refused` or `unavailable`) or, with an empty `kind`, up again."""
        kind = str(wish["kind"])
        if kind not in OUTAGES:
            raise ValueError(f"kind is one of {', '.join(map(repr, OUTAGES))}")
        await self._sandbox.suffer(kind)
        return self._times()

    def _advance(self, wish: Json) -> Json:
        """Move the clock by `advance` seconds, or to real time with `offset`: 0."""
        clock = self._sandbox.clock
        if "offset" in wish:
            clock.offset_seconds = float(wish["offset"])
        clock.advance(float(wish.get("advance", 0)))
        return self._times()

    def _latency(self, wish: Json) -> Json:
        """Make every answer of the vendors `ms` late, or those to the requests that `match`."""
        self._sandbox.latency.set(float(wish["ms"]) / 1000, str(wish.get("match", "")))
        return self._times()

    def _times(self) -> Json:
        clock = self._sandbox.clock
        return {
            "now": clock.iso(),
            "offset_seconds": clock.offset_seconds,
            "latency_ms": self._sandbox.latency.seconds * 1000,
            "latencies_ms": self._sandbox.latency.describe(),
            "outage": self._sandbox.outage,
        }

    def _requests(self, request: Request) -> object:
        rows = self._sandbox.journal.matching(request.parameters)
        return {"total": self._sandbox.journal.total, "count": len(rows), "requests": rows}

    def _rest(self) -> Json:
        journal = self._sandbox.journal
        return {
            "url": self._sandbox.url,
            **self._times(),
            "faults": self._sandbox.faults.describe(),
            "requests": journal.total,
            "statuses": dict(journal.totals),
        }

    def _state(self, request: Request) -> object:
        known = self._sandbox.commands.describe()
        server, others = self._sandbox.data_center.describe(), self._others()
        led = {"origins": origins(self._sandbox.url)}
        return {**self._rest(), **known, "data_center": server, "vendors": others, **led}

    async def _press(self, name: str) -> None:
        """Do what a button of the page says."""
        for path, wish in panel.BUTTONS[name].orders:
            await self._do(path, dict(wish))


def asked(question: Callable[[Mapping[str, list[str]]], object]) -> Callable[[Request], object]:
    """Put a question about a request's query parameters."""
    return lambda request: question(request.parameters)


def ordered(vendor: Vendor, path: str) -> Callable[[Json], Answered]:
    """Do what a vendor does at this control path; a reset may have made that anew."""
    return lambda wish: vendor.by_path[path](wish)


def told(vendor: Vendor, path: str) -> Callable[[Request], object]:
    """Put a question of a vendor's about a request's query parameters."""
    return lambda request: vendor.questions[path](request.parameters)


def read(request: Request) -> Json:
    """Return the JSON object of a body, an empty one for no body. Raises ValueError."""
    value: object = json.loads(request.body or b"{}")
    if not isinstance(value, Mapping):
        raise ValueError("the body is a JSON object")
    return dict(value)
