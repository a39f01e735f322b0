"""A client that costs so little that the server is what is measured."""

from __future__ import annotations

import socket
from types import TracebackType
from typing import Self

_LENGTH = b"content-length: "


class Wire:
    """One kept line of HTTP/1.1 to a port of this machine."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), 30)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._socket.close()

    def post(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        """Status and body of the answer, which says how long it is."""
        lines = [f"POST {path} HTTP/1.1", "host: localhost", f"content-length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self._socket.sendall("\r\n".join([*lines, "", ""]).encode() + body)
        got = self._more(b"")
        while b"\r\n\r\n" not in got:
            got = self._more(got)
        head, _, said = got.partition(b"\r\n\r\n")
        length = int(head.lower().partition(_LENGTH)[2].partition(b"\r\n")[0] or 0)
        while len(said) < length:
            said = self._more(said)
        return int(head[9:12]), said

    def _more(self, got: bytes) -> bytes:
        found = self._socket.recv(65_536)
        if not found:
            raise ConnectionError("the line was cut")
        return got + found
