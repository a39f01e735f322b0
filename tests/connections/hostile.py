"""Servers on loopback that do to a connection whatever a test tells them, with or without TLS."""

from __future__ import annotations

import socket
import ssl
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from connections import addresses
from connections.http import Door
from connections.origins import AllowEntry, BaseUrl

HOST = "git.acme.dev"

Behaviour = Callable[["Visit"], object]


# ── Certificates of our own ───────────────────────────────────────────────────────────────────


class Authority:
    """A certificate authority that nobody but a test trusts."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test authority")])
        self._certificate = _certificate(
            self._name, self._key.public_key(), self._name, self._key, authority=True
        )
        self.pem = self._certificate.public_bytes(Encoding.PEM).decode()

    def server_context(self, host: str, *, days: int = 30) -> ssl.SSLContext:
        """What a server for this host presents; with negative `days` it has expired."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        leaf = _certificate(
            name, key.public_key(), self._name, self._key, alternative=host, days=days
        )
        secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "server.pem")
            path.write_bytes(leaf.public_bytes(Encoding.PEM) + secret)
            context.load_cert_chain(path)
        return context


def _certificate(
    subject: x509.Name,
    public_key: ec.EllipticCurvePublicKey,
    issuer: x509.Name,
    signer: ec.EllipticCurvePrivateKey,
    *,
    authority: bool = False,
    alternative: str = "",
    days: int = 30,
) -> x509.Certificate:
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=60))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    if alternative:
        names = x509.SubjectAlternativeName([_general_name(alternative)])
        builder = builder.add_extension(names, critical=False)
    return builder.sign(signer, hashes.SHA256())


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


@cache
def authority() -> Authority:
    return Authority()


# ── Servers ───────────────────────────────────────────────────────────────────────────────────


@dataclass
class Visit:
    """One request on one connection: what came, and the socket to answer on."""

    sock: socket.socket
    head: bytes
    body: bytes
    number: int  # of this request on its connection, from 1
    over: threading.Event

    @property
    def line(self) -> str:
        return self.head.partition(b"\r\n")[0].decode()

    @property
    def headers(self) -> dict[str, str]:
        rows = [row.partition(":") for row in self.head.decode().split("\r\n")[1:] if row]
        return {name.lower(): value.strip() for name, _, value in rows}

    def say(self, *parts: bytes) -> None:
        self.sock.sendall(b"".join(parts))

    def wait(self, seconds: float = 30) -> None:
        """Until the test is over."""
        self.over.wait(seconds)


@dataclass
class Hostile:
    """A listening server; `visits` are the requests that came, `accepted` the connections."""

    behave: Behaviour
    tls: ssl.SSLContext | None = None
    visits: list[Visit] = field(default_factory=list)
    accepted: int = 0
    over: threading.Event = field(default_factory=threading.Event)
    port: int = 0

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def serve(self, listening: socket.socket) -> None:
        while not self.over.is_set():
            try:
                sock, _ = listening.accept()
            except OSError:
                return
            self.accepted += 1
            threading.Thread(target=self._converse, args=(sock,), daemon=True).start()

    def _converse(self, sock: socket.socket) -> None:
        with suppress(OSError), sock:
            sock.settimeout(30)
            stream = self.tls.wrap_socket(sock, server_side=True) if self.tls else sock
            number = 0
            with suppress(OSError), stream:
                while (visit := self._request(stream, number := number + 1)) is not None:
                    self.visits.append(visit)
                    if self.behave(visit) is CLOSE:
                        return

    def _request(self, sock: socket.socket, number: int) -> Visit | None:
        received = b""
        while b"\r\n\r\n" not in received:
            if not (chunk := sock.recv(65536)):
                return None
            received += chunk
        head, _, body = received.partition(b"\r\n\r\n")
        visit = Visit(sock, head, body, number, self.over)
        while len(visit.body) < int(visit.headers.get("content-length", 0)):
            visit.body += sock.recv(65536)
        return visit


CLOSE = object()


@contextmanager
def serving(behave: Behaviour, *, tls: ssl.SSLContext | None = None) -> Iterator[Hostile]:
    listening = socket.create_server(("127.0.0.1", 0))
    server = Hostile(behave, tls, port=listening.getsockname()[1])
    threading.Thread(target=server.serve, args=(listening,), daemon=True).start()
    try:
        yield server
    finally:
        server.over.set()
        with suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)
        listening.close()


def answer(body: bytes = b"{}", *lines: str, status: str = "200 OK") -> bytes:
    """A well-formed answer with these further header lines."""
    rows = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *lines]
    return "\r\n".join(rows).encode() + b"\r\n\r\n" + body


def saying(*parts: bytes, close: bool = False) -> Behaviour:
    """Answers every request with the same bytes."""

    def behave(visit: Visit) -> object:
        visit.say(*parts)
        return CLOSE if close else None

    return behave


# ── How a test reaches them ───────────────────────────────────────────────────────────────────


@dataclass
class Names:
    """A resolver with answers of its own; a list of answers is given out one after the other."""

    answers: dict[str, tuple[str, ...] | list[tuple[str, ...]]]
    asked: list[str] = field(default_factory=list)

    def resolve(self, host: str) -> tuple[str, ...]:
        self.asked.append(host)
        found = self.answers[host]
        return found.pop(0) if isinstance(found, list) else found


def loopback_is_public(address: str) -> str | None:
    """The real address policy, but for the one address on which tests can listen."""
    return None if address == "127.0.0.1" else addresses.classify(address)


def reach(
    server: Hostile,
    *,
    host: str = HOST,
    names: Names | None = None,
    ca_pem: str | None = None,
) -> tuple[Door, BaseUrl]:
    """A door that knows this host at the server's address, and the host's https base URL.

    Ports and the CA come from an allow-list entry, as they do for a Data Center server.
    """
    entry = AllowEntry(host, (), frozenset({server.port}), ca_pem=ca_pem or authority().pem)
    door = Door(
        resolver=names or Names({host: ("127.0.0.1",)}),
        classify=loopback_is_public,
    )
    return door, door.base_url(f"https://{host}:{server.port}", allow=[entry])


def sandboxed(server: Hostile) -> tuple[Door, BaseUrl]:
    """A door for which this plain server is the sandbox, and its base URL."""
    door = Door(sandbox_origins=[server.origin])
    return door, door.vendor(server.origin)
