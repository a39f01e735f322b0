"""A mail server on loopback that takes, refuses or drops messages as a test tells it (RFC 5321)."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest
from django.core import mail
from django.test import override_settings

DROP = b""


@dataclass
class Mailboxes:
    """What arrived. `on_recipient` and `on_message` answer; DROP ends the line without a word."""

    port: int = 0
    taken: list[EmailMessage] = field(default_factory=list)
    envelopes: list[tuple[str, list[str]]] = field(default_factory=list)
    on_recipient: Callable[[str], bytes] = lambda address: b"250 2.1.5 Good"
    on_message: Callable[[EmailMessage], bytes] = lambda message: b"250 2.0.0 Taken"

    def take(self, sender: str, recipients: list[str], raw: bytes) -> bytes:
        message = message_from_bytes(raw, policy=policy.default)
        assert isinstance(message, EmailMessage)
        self.taken.append(message)
        self.envelopes.append((sender, recipients))
        return self.on_message(message)


class _Session(socketserver.StreamRequestHandler):
    boxes: Mailboxes

    def handle(self) -> None:
        self.sender, self.recipients = "", list[str]()
        self._say(b"220 mail.example")
        while line := self.rfile.readline():
            verb = line[:4].upper()
            if verb == b"QUIT":
                self._say(b"221 Bye")
                return
            answer = self._answer(verb, line.decode().strip())
            if answer == DROP:
                return
            self._say(answer)

    def _answer(self, verb: bytes, line: str) -> bytes:
        if verb == b"MAIL":
            self.sender = line.partition("<")[2].partition(">")[0]
        elif verb == b"RCPT":
            address = line.partition("<")[2].partition(">")[0]
            self.recipients.append(address)
            return self.boxes.on_recipient(address)
        elif verb == b"DATA":
            self._say(b"354 Go on")
            return self.boxes.take(self.sender, self.recipients, self._message())
        return b"250 mail.example"

    def _message(self) -> bytes:
        lines = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
        return b"".join(lines)

    def _say(self, words: bytes) -> None:
        self.wfile.write(words + b"\r\n")


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


@pytest.fixture
def mailboxes() -> Iterator[Mailboxes]:
    """Mail goes to this server for the length of a test."""
    boxes = Mailboxes()
    session = type("Session", (_Session,), {"boxes": boxes})
    with _Server(("127.0.0.1", 0), session) as server:
        boxes.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, args=[0.05], daemon=True).start()
        with override_settings(
            EMAIL_BACKEND="django.core.mail.backends.smtp.EmailBackend",
            EMAIL_HOST="127.0.0.1",
            EMAIL_PORT=boxes.port,
            EMAIL_USE_TLS=False,
            EMAIL_TIMEOUT=5,
        ):
            yield boxes
        server.shutdown()
    mail.outbox = []
