"""Whom a connection asks: a vendor that serves everybody, or one server of a product people run.

What is known of a vendor's trouble is the platform's and read by every organization. So a server is
named by a keyed hash of its base URL there: its name is its organizations' own matter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from connections import registry
from connections.contracts import BASE_URL, Manifest
from connections.models import Connection
from portal import vault

HASH_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class Where:
    """A vendor, or with `server` that one server of its product.

    It has two hosts, because an authorization server can be in trouble alone. A server's are two
    parts of one.
    """

    connector: str
    server: str = ""

    @property
    def api_host(self) -> str:
        """Where its API is."""
        return f"{self.server}/api" if self.server else _host(_manifest(self).api_url)

    @property
    def token_host(self) -> str:
        """Where it gives tokens; empty when it has no OAuth."""
        if self.server:
            return f"{self.server}/token"
        oauth = _manifest(self).oauth
        return _host(oauth.token_url) if oauth else ""


def of(connection: Connection) -> Where:
    """Whom this connection asks; for processes that hold keys."""
    return at(connection.connector, connection.fields.get(BASE_URL, ""))


def at(connector: str, base_url: str) -> Where:
    """The same by its base URL in canonical form; empty for a vendor's own addresses.

    Port and context path belong to it: behind one name there may be several servers, and one that
    is set up wrongly says nothing of its neighbour.
    """
    if not base_url:
        return Where(connector)
    named = vault.keyed_hash("server", f"{connector}\0{base_url}")
    return Where(connector, named[:HASH_BYTES].hex())


def learn(connection: Connection) -> Where:
    """The same; where its server is stands on the connection, for who has no keys to hash with."""
    where = of(connection)
    if connection.server != where.server:
        connection.server = where.server
        connection.save(update_fields=["server"])
    return where


def _manifest(where: Where) -> Manifest:
    return registry.get(where.connector).manifest


def _host(address: str) -> str:
    return urlsplit(address).hostname or ""
