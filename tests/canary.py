"""Everywhere a secret could have ended up, and every spelling it could have there."""

from __future__ import annotations

import base64
import logging
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import redis
from django.core import mail
from django.db import connections
from django.test import Client

from portal.logs import JsonFormatter
from tests.servers import Servers

SHORTEST = 8


def spellings(secret: str) -> dict[str, bytes]:
    """The secret as it is, and as it would look encoded; all are long enough to be no accident."""
    raw = secret.encode()
    assert len(raw) >= SHORTEST, "too short to be searched for"
    found = {
        "plain": raw,
        "reversed": raw[::-1],
        "hex": raw.hex().encode(),
        "HEX": raw.hex().upper().encode(),
        "url": quote(secret, safe="").encode(),
    }
    for shift in range(3):  # base64 looks different at each of three places in what holds it
        for name, encode in (("base64", base64.b64encode), ("base64url", base64.urlsafe_b64encode)):
            core = encode(b"\0" * shift + raw)[4 if shift else 0 :].rstrip(b"=")
            found[f"{name}+{shift}"] = core[: len(core) // 4 * 4 - 4]
    return found


@dataclass
class Sinks:
    """What was written where, by the name of the place."""

    servers: Servers
    places: dict[str, bytes] = field(default_factory=dict)
    client: Client = field(default_factory=lambda: Client(raise_request_exception=False))

    # ── Pages ─────────────────────────────────────────────────────────────────────────────────

    def get(self, url: str, *, shows: bool = False, **options: Any) -> Any:
        return self._kept("get", url, shows, self.client.get(url, **options))

    def post(self, url: str, form: dict[str, Any] | None = None, *, shows: bool = False) -> Any:
        """`shows` marks the one page that is there to show its secret once."""
        return self._kept("post", url, shows, self.client.post(url, form or {}))

    def _kept(self, method: str, url: str, shows: bool, response: Any) -> Any:
        if not shows:
            head = "\n".join(f"{k}: {v}" for k, v in response.headers.items()).encode()
            name = (
                f"page {len(self.places)} {method} {url.partition('?')[0]} {response.status_code}"
            )
            self.places[name] = head + b"\n\n" + response.content
        return response

    # ── What stays ────────────────────────────────────────────────────────────────────────────

    def take(self, records: Iterable[logging.LogRecord]) -> None:
        """Logs as they are written, mails, Valkey, and the whole database."""
        self.places["logs"] = "\n".join(map(JsonFormatter().format, records)).encode()
        for number, message in enumerate(mail.outbox):
            text = (
                f"{message.subject}\n{message.body}\n{message.extra_headers}{message.alternatives}"
            )
            self.places[f"mail {number} {message.subject}"] = text.encode()
        self._take_valkey()
        self._take_database()

    def _take_valkey(self) -> None:
        with redis.Redis.from_url(self.servers.valkey.url) as client:
            for key in client.scan_iter():
                kind = client.type(key)
                value: Any = {
                    b"string": client.get,
                    b"hash": client.hgetall,
                    b"set": client.smembers,
                    b"list": lambda k: client.lrange(k, 0, -1),
                    b"zset": lambda k: client.zrange(k, 0, -1),
                }[kind](key)
                self.places[f"valkey {key!r}"] = repr((key, value)).encode()

    def _take_database(self) -> None:
        name = connections["default"].settings_dict["NAME"]
        with self.servers.postgres.connect(name) as admin:
            tables = admin.execute(
                "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p', 'm')"
                " AND relnamespace = 'public'::regnamespace"
            ).fetchall()
            for (table,) in tables:
                with admin.cursor().copy(f'COPY "{table}" TO STDOUT'.encode()) as copy:
                    self.places[f"table {table}"] = b"".join(bytes(part) for part in copy)

    # ── The search ────────────────────────────────────────────────────────────────────────────

    def hits(self, secrets: dict[str, str]) -> set[tuple[str, str, str]]:
        """(secret, spelling, place) of everything that was found."""
        return {
            (name, spelling, place)
            for name, secret in secrets.items()
            for spelling, form in spellings(secret).items()
            for place, content in self.places.items()
            if form in content
        }


@contextmanager
def watching(servers: Servers) -> Iterator[list[str]]:
    """Every command that Valkey gets inside."""
    seen: list[str] = []
    client = redis.Redis.from_url(servers.valkey.url)
    ready = threading.Event()

    def listen() -> None:
        with client.monitor() as monitor:
            ready.set()
            for command in monitor.listen():
                seen.append(str(command["command"]))
                if "the end of watching" in seen[-1]:
                    return

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    ready.wait(5)
    try:
        yield seen
    finally:
        client.echo("the end of watching")
        thread.join(5)
        client.close()
