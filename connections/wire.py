"""One socket with a budget of seconds and bytes, and the HTTP/1.1 conversation on it. No Django."""

from __future__ import annotations

import logging
import select
import socket
import ssl
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import httpcore2

from connections import addresses

CONNECT_SECONDS = 5.0
HEAD_BYTES = 64 * 1024
HELD_BYTES = 16 * 1024
IDLE_SECONDS = 15.0


# The library logs what the vendor sent when debugging: its headers, and what is no HTTP.
logging.getLogger("httpcore2").setLevel(logging.WARNING)


class PeerDiffers(Exception):
    """The socket ended at another address than the one that was checked."""


class Wire(httpcore2.NetworkStream):
    """A connected socket; each read and write obeys the exchange's own deadline, not a fresh one.

    `sent`, `received` and `ended` say how far the exchange came: that decides whether a failure
    means "not reached" or "the answer is lost".
    """

    def __init__(self, sock: socket.socket, until: float) -> None:
        self._sock = sock
        self.begin(until=until, silence=CONNECT_SECONDS)

    def begin(self, *, until: float, silence: float) -> None:
        """A new exchange: it ends at `until`, and no single wait is longer than `silence`."""
        self._until, self._silence = until, silence
        self._allowance = 2 * HEAD_BYTES
        self._held = b""
        self.sent = self.received = 0
        self.ended = False

    def allow(self, more: int) -> None:
        """Let this many more bytes arrive: the head was in order, now comes the body."""
        self._allowance += more

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self._held:
            with suppress(httpcore2.WriteError):  # an answer that came before may still be read
                self._flush()
        if self.received > self._allowance:
            raise httpcore2.RemoteProtocolError
        try:
            self._sock.settimeout(self._left())
            received = self._sock.recv(max_bytes)
        except TimeoutError:
            raise httpcore2.ReadTimeout from None
        except OSError:
            raise httpcore2.ReadError from None
        self.received += len(received)
        self.ended = not received
        return received

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Held until an answer is waited for, so that a head and a small body are one packet."""
        self._held += buffer
        if len(self._held) > HELD_BYTES:
            self._flush()

    def _flush(self) -> None:
        rest, self._held = memoryview(self._held), b""
        try:
            while rest:
                self._sock.settimeout(self._left())
                count = self._sock.send(rest)
                self.sent += count
                rest = rest[count:]
        except TimeoutError:
            raise httpcore2.WriteTimeout from None
        except OSError:
            raise httpcore2.WriteError from None

    def secure(self, context: ssl.SSLContext, host: str) -> None:
        """TLS from here on; the name, not the address, is asked for and checked. ssl.SSLError.

        A connection that ends without TLS's own goodbye is an error, not an end of file: else a
        stranger could cut an answer short.
        """
        self._sock.settimeout(self._left())
        self._sock = context.wrap_socket(
            self._sock, server_hostname=host, suppress_ragged_eofs=False
        )

    def close(self) -> None:
        self._sock.close()

    def get_extra_info(self, info: str) -> Any:
        """`is_readable` on an idle line means that it is closed or lying: not to be used again."""
        if info != "is_readable":
            return None
        poll = select.poll()
        poll.register(self._sock.fileno(), select.POLLIN)
        return bool(poll.poll(0))

    def _left(self) -> float:
        left = min(self._until - time.monotonic(), self._silence)
        if left <= 0:
            raise TimeoutError
        return left


class Line(httpcore2.HTTP11Connection):
    """An HTTP/1.1 connection over a wire, for one exchange after the other."""

    MAX_INCOMPLETE_EVENT_SIZE = HEAD_BYTES

    def __init__(self, origin: httpcore2.Origin, wire: Wire) -> None:
        super().__init__(origin=origin, stream=wire, keepalive_expiry=IDLE_SECONDS)
        self.wire = wire
        self.used = False

    @property
    def leftover(self) -> bool:
        """Whether bytes follow the answer just read: they would pose as the next one's beginning.

        The library keeps them and goes on (2.16.2), so this looks at its parser.
        """
        return bool(self._h11_state.trailing_data[0])


def dial(candidates: Iterable[str], port: int, until: float) -> Wire:
    """A wire to the first of these literal addresses that answers; OSError when none does.

    The peer is asked for after connecting: PeerDiffers when it is not the address that was dialled.
    """
    waiting = list(candidates)
    while True:
        address = waiting.pop(0)
        share = (until - time.monotonic()) / (len(waiting) + 1)
        try:
            return Wire(_connect(address, port, share), until)
        except OSError:
            if not waiting or until <= time.monotonic():
                raise


def _connect(address: str, port: int, seconds: float) -> socket.socket:
    if seconds <= 0:
        raise TimeoutError
    sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    try:
        sock.settimeout(seconds)
        sock.connect((address, port))
        if not addresses.same(sock.getpeername()[0], address):
            raise PeerDiffers
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        sock.close()
        raise
    return sock
