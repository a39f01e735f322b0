"""A token endpoint that costs next to nothing: bytes in, a pause, bytes out, on many connections.

Both sides of the refresh benchmark are measured against it. `python -m tests.bench.lean_vendor PORT
MILLISECONDS`; each answer brings new tokens of the usual length.
"""

from __future__ import annotations

import asyncio
import itertools
import sys

_HEAD = (
    b"HTTP/1.1 200 OK\r\nServer: lean\r\nContent-Type: application/json;charset=UTF-8\r\n"
    b"Cache-Control: no-store\r\nContent-Length: %d\r\n\r\n"
)
_BODY = (
    b'{"access_token":"%s","refresh_token":"%s","expires_in":7200,"token_type":"bearer",'
    b'"scope":"account repository","state":"refresh_token"}'
)
_ACCESS, _REFRESH = b"A" * 80, b"R" * 24

_numbers = itertools.count(1)


class TokenEndpoint(asyncio.Protocol):
    """One connection, kept open; requests come one after the other."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.waiting = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.loop = asyncio.get_running_loop()

    def data_received(self, received: bytes) -> None:
        self.waiting += received
        head, blank, body = self.waiting.partition(b"\r\n\r\n")
        if blank and len(body) >= length(head):
            self.waiting = b""
            self.loop.call_later(self.seconds, self.answer)

    def answer(self) -> None:
        serial = b"%010d" % next(_numbers)
        body = _BODY % (_ACCESS + serial, _REFRESH + serial)
        self.transport.write(_HEAD % len(body) + body)


def length(head: bytes) -> int:
    """What Content-Length says."""
    _, _, rest = head.lower().partition(b"content-length:")
    return int(rest.partition(b"\r\n")[0] or 0)


async def serve(port: int, seconds: float) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: TokenEndpoint(seconds), "127.0.0.1", port, backlog=1024
    )
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), int(sys.argv[2]) / 1000))
