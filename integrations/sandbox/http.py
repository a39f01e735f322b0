"""A small HTTP/1.1 server on asyncio: keep-alive, strict, able to misbehave on purpose."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from urllib.parse import parse_qsl, unquote

MAX_HEAD = 64 * 1024
MAX_BODY = 16 * 1024 * 1024
IDLE_SECONDS = 75.0
TRIES = 5


@dataclass(slots=True)
class Request:
    """One request; `path` is as received (percent-encoded), header names are lower-case."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes = b""
    notes: dict[str, str] = field(default_factory=dict)

    @property
    def origin(self) -> str:
        return f"http://{self.headers.get('host', '127.0.0.1')}"

    @property
    def parameters(self) -> dict[str, list[str]]:
        return grouped(self.query)

    @property
    def form(self) -> dict[str, list[str]]:
        """The form fields, empty when the body is anything else."""
        kind = self.headers.get("content-type", "").split(";")[0].strip().lower()
        if kind != "application/x-www-form-urlencoded":
            return {}
        return grouped(self.body.decode("utf-8", "replace"))

    @property
    def segments(self) -> tuple[str, ...]:
        return tuple(unquote(part) for part in self.path.strip("/").split("/"))

    @property
    def host(self) -> str:
        """The name or address that was asked, without the port."""
        return self.headers.get("host", "").rpartition(":")[0]

    @property
    def keeps_alive(self) -> bool:
        return self.headers.get("connection", "").lower() != "close"


@dataclass(slots=True)
class Response:
    """One answer. `send`, when set, puts it on the wire in its own way (cut off, slowly, …)."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    send: Sender | None = None


# Writes a response and says whether the connection may carry another one.
Sender = Callable[[asyncio.StreamWriter, Response], Awaitable[bool]]
Answer = Callable[[Request], Awaitable[Response]]


class BadRequest(Exception):
    """The bytes received are not a request that this server reads."""


class ApiError(Exception):
    """Carries the answer that ends a request."""

    def __init__(self, response: Response) -> None:
        super().__init__(str(response.status))
        self.response = response


def grouped(encoded: str) -> dict[str, list[str]]:
    """Return every value of each name, in order, blanks included."""
    fields: dict[str, list[str]] = {}
    for name, value in parse_qsl(encoded, keep_blank_values=True):
        fields.setdefault(name, []).append(value)
    return fields


def json_response(
    value: object, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    body = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    return Response(
        status, body, {"Content-Type": "application/json; charset=utf-8", **(headers or {})}
    )


def text_response(
    text: str, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    return Response(status, text.encode(), {"Content-Type": "text/plain", **(headers or {})})


def html_response(
    text: str, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """A page without script; the policy leaves `form-action` open, since Chromium would block the
    redirect that follows a consent form."""
    return Response(
        status,
        text.encode(),
        {
            "Content-Type": "text/html; charset=utf-8",
            "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
            "Referrer-Policy": "no-referrer",
            "Cache-Control": "no-store",
            **(headers or {}),
        },
    )


def redirect_response(location: str, status: int = 302) -> Response:
    return Response(status, b"", {"Location": location, "Cache-Control": "no-store"})


async def read_request(reader: asyncio.StreamReader) -> Request | None:
    """Read one request, or None when the client is done. Raises BadRequest."""
    try:
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), IDLE_SECONDS)
    except (asyncio.IncompleteReadError, TimeoutError, ConnectionError):
        return None
    except asyncio.LimitOverrunError as error:
        raise BadRequest("request head too large") from error
    request = parse_head(head)
    request.body = await read_body(reader, request)
    return request


def parse_head(head: bytes) -> Request:
    lines = head[:-4].decode("latin-1").split("\r\n")
    words = lines[0].split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1.") or not words[1].startswith("/"):
        raise BadRequest("not an HTTP/1.x request line")
    headers: dict[str, str] = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if not colon:
            raise BadRequest("a header without colon")
        headers[name.strip().lower()] = value.strip()
    if words[2] == "HTTP/1.0":
        headers.setdefault("connection", "close")
    path, _, query = words[1].partition("?")
    return Request(words[0], path, query, headers)


async def read_body(reader: asyncio.StreamReader, request: Request) -> bytes:
    if "transfer-encoding" in request.headers:
        raise BadRequest("chunked requests are not read here")
    length = request.headers.get("content-length", "0")
    if not length.isascii() or not length.isdigit() or int(length) > MAX_BODY:
        raise BadRequest("bad Content-Length")
    try:
        return await reader.readexactly(int(length))
    except asyncio.IncompleteReadError as error:
        raise BadRequest("body cut off") from error


def head_of(response: Response, length: int | None) -> bytes:
    """Render status line and headers; a length of None leaves Content-Length out."""
    lines = [f"HTTP/1.1 {response.status} {phrase(response.status)}"]
    headers = {"Date": formatdate(usegmt=True), "Server": "AtlassianEdge", **response.headers}
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if length is not None:
        lines.append(f"Content-Length: {length}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "replace")


def phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


async def send_whole(writer: asyncio.StreamWriter, response: Response) -> bool:
    bodiless = response.status in {204, 304}
    length = None if bodiless else len(response.body)
    writer.write(head_of(response, length) + (b"" if bodiless else response.body))
    await writer.drain()
    return True


class Server:
    """Serves `answer` on one port of loopback addresses; when closed it forgets connections."""

    def __init__(self, answer: Answer, tls: ssl.SSLContext | None = None) -> None:
        self._answer = answer
        self._tls = tls
        self._conversations: set[asyncio.Task[None]] = set()
        self._listeners: list[asyncio.Server] = []
        self.port = 0

    @property
    def scheme(self) -> str:
        return "https" if self._tls else "http"

    async def open(self, hosts: Sequence[str], port: int) -> None:
        """Listen at each address; raises OSError when the port is taken at one.

        Port 0 is any that is free at all of them.
        """
        for attempt in range(TRIES):
            try:
                await self._listen(hosts, port)
                return
            except OSError:
                self._unlisten()
                if port or attempt == TRIES - 1:
                    raise

    async def _listen(self, hosts: Sequence[str], port: int) -> None:
        for host in hosts:
            listener = await asyncio.start_server(
                self._converse, host, port, limit=MAX_HEAD, backlog=512, ssl=self._tls
            )
            self._listeners.append(listener)
            port = int(listener.sockets[0].getsockname()[1])
        self.port = port

    def _unlisten(self) -> None:
        while self._listeners:
            self._listeners.pop().close()

    async def close(self) -> None:
        self._unlisten()
        for task in self._conversations:
            task.cancel()
        await asyncio.gather(*self._conversations, return_exceptions=True)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._conversations.add(task)
        try:
            await self._exchange(reader, writer)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._conversations.discard(task)
            with contextlib.suppress(Exception):
                writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_ = True
        while open_:
            try:
                request = await read_request(reader)
            except BadRequest as error:
                await send_whole(writer, text_response(f"Bad request: {error}\n", 400))
                return
            if request is None:
                return
            response = await self._answer(request)
            if request.method == "HEAD":
                response.body = b""
            if not request.keeps_alive:
                response.headers["Connection"] = "close"
            send = response.send or send_whole
            open_ = await send(writer, response) and request.keeps_alive
