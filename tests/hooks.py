"""A chat service on loopback: it takes posts, refuses them, is slow or sends elsewhere; and a
channel there that Acme's notices are posted to."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from django.test import override_settings

from connections import access
from portal import chat, keyfile, keyring
from portal.models import ChatHook
from tests import keys
from tests.telling import Bells

CHANNEL = "/o/acme/settings/chat/"


@dataclass
class ChatService:
    """What was posted. `answers` are used up one by one; after them it is 200."""

    url: str = ""
    posted: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    answers: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    always: int = 200
    waits_seconds: float = 0

    @property
    def texts(self) -> list[str]:
        return [payload["text"] for _, payload in self.posted]

    @property
    def address(self) -> str:
        return f"{self.url}/services/T0/B0/SecretPathOfTheHook1234"


def _answering(service: ChatService) -> Callable[..., BaseHTTPRequestHandler]:
    class Answering(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            service.posted.append((self.path, json.loads(body)))
            time.sleep(service.waits_seconds)
            status, headers = service.answers.pop(0) if service.answers else (service.always, {})
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_: object) -> None:
            return None

    return Answering


@pytest.fixture
def chat_service() -> Iterator[ChatService]:
    """A service that the network door may reach, as it may the sandbox."""
    service = ChatService()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _answering(service))  # type: ignore[arg-type]
    service.url = f"http://127.0.0.1:{server.server_address[1]}"
    Thread(target=server.serve_forever, args=[0.05], daemon=True).start()
    with override_settings(SANDBOX_ORIGINS=[service.url]):
        access.door.cache_clear()
        yield service
    access.door.cache_clear()
    server.shutdown()
    server.server_close()


@pytest.fixture
def sealing() -> Iterator[None]:
    """Every process's keys are held."""
    rings = {process: keyfile.parse(text, process) for process, text in keyring.generate().items()}
    with keys.holding(keys.everything(rings)):
        yield


@pytest.fixture
def channel(bells: Bells, sealing: None, chat_service: ChatService) -> Iterator[ChatService]:
    """Acme's notices go to this service, which has said hello."""
    bells.cast.client("ada").post(CHANNEL, {"address": chat_service.address})
    bells.drain()
    assert len(chat_service.posted) == 1
    chat_service.posted.clear()
    yield chat_service


def hook(bells: Bells) -> ChatHook:
    with bells.cast.inside():
        found = chat.current()
    assert found is not None
    return found
