"""The export of Nango: a connection's `credentials`, whose `type` says how to read them.

https://nango.dev/docs/reference/api/connection/get; the list of connections comes without any
(https://nango.dev/docs/reference/api/connection/list). No Django here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from connections.imports import columns
from connections.imports.columns import Raw
from connections.imports.findings import Finding, error
from connections.imports.values import mapping, text_of

TOKENS: Final = {
    "OAUTH2": ("access_token",),
    "BASIC": ("password",),
    "API_KEY": ("apiKey", "api_key"),
}
BOUND: Final = (  # to a client, an app or a signature that does not come along
    *("OAUTH1", "OAUTH2_CC", "APP", "APP_STORE", "JWT", "TBA", "TABLEAU", "TWO_STEP"),
    *("SIGNATURE", "BILL", "CUSTOM"),
)
NOTHING: Final = (
    "There is no secret in it: a list of connections comes without. Export each one by itself, as"
    " GET /connections/<id> gives it."
)
PLACES: Final = ("email", "username", "workspace", "project", "repository")
SERVERS: Final = ("baseUrl", "base_url", "instance_url", "instanceUrl")


def is_one(item: Mapping[str, Any]) -> bool:
    """Whether this item is a connection of Nango's."""
    return "provider_config_key" in item or isinstance(item.get("credentials"), dict)


def row(number: int, item: Mapping[str, Any]) -> Raw:
    """The row as ours; one without a secret that can be moved says so."""
    held, config = mapping(item.get("credentials")), mapping(item.get("connection_config"))
    kind = text_of(held.get("type")).upper()
    findings = _obstacle(kind, held)
    cells = {
        "connector": text_of(item.get("provider") or item.get("provider_config_key")),
        "name": text_of(item.get("connection_id")),
        "token": _first(held, *TOKENS.get(kind, ())),
        "refresh_token": _first(held, "refresh_token") if kind == "OAUTH2" else "",
        "expires_at": _first(held, "expires_at"),
        "base_url": _first(config, *SERVERS),
        "consumer": _client(held, config),
    }
    user = _first(held, "username")
    cells |= dict.fromkeys(("username", "email"), user) if user else {}
    for where in (config, mapping(item.get("metadata"))):
        about = {name: text_of(where.get(name)) for name in PLACES}
        cells = {name: text for name, text in about.items() if text} | cells
    return columns.raw(
        number,
        cells,
        hint=kind or "NONE",
        consumer_hint=text_of(item.get("provider_config_key")),
        movable=not findings,
        findings=tuple(findings),
    )


def _obstacle(kind: str, held: Mapping[str, Any]) -> list[Finding]:
    """Why no connection comes of it. A kind is told only where it is one that we know."""
    if kind in BOUND:
        return [error("method", f"{kind} credentials cannot be moved. Link it here anew.")]
    if kind in {"", "NONE"} or not held:
        return [error("token", NOTHING)]
    if kind not in TOKENS:
        return [error("method", "Credentials of this kind cannot be moved. Link it here anew.")]
    return [] if _first(held, *TOKENS[kind]) else [error("token", NOTHING)]


def _client(held: Mapping[str, Any], config: Mapping[str, Any]) -> str:
    """The key of the OAuth consumer where the connection has its own."""
    override = _first(mapping(held.get("config_override")), "client_id")
    return override or _first(config, "oauth_client_id_override")


def _first(held: Mapping[str, Any], *names: str) -> str:
    return next((text for name in names if (text := text_of(held.get(name)))), "")
