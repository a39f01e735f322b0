"""Credentials of Atlassian's sandbox, one for each way to link a product there."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from connections import exchanging
from connections.access import Way
from connections.base_urls import Place
from connections.contracts import Connector, MethodKind
from connections.http import Door
from integrations.sandbox.running import Sandbox
from integrations.sandbox.vendor import Vendor
from portal.secret import Secret
from tests.contract import Standing

ORIGINS = (
    "https://api.atlassian.com",
    "https://auth.atlassian.com",
    "https://acme.atlassian.net",
    "https://fjord.atlassian.net",
)


def atlassian(sandbox: Sandbox) -> Vendor:
    return next(vendor for vendor in sandbox.others if vendor.slug == "atlassian")


def let_run(sandbox: Sandbox) -> None:
    """A hundred requests in a second are allowed, which a quick machine can pass."""
    atlassian(sandbox).by_path["/atlassian/switches"]({"burst_per_second": 10**6})


def row(sandbox: Sandbox, kind: str, name: str) -> dict[str, Any]:
    """A token, client, app or site that the sandbox has from the start."""
    rows: list[dict[str, Any]] = atlassian(sandbox).describe()[kind]
    return next(each for each in rows if each["name"] == name)


def at_acme(sandbox: Sandbox) -> dict[str, str]:
    cloud_id = next(
        site["cloud_id"]
        for site in atlassian(sandbox).describe()["sites"]
        if site["url"] == "https://acme.atlassian.net"
    )
    return {"site": "acme", "cloud_id": cloud_id}


def consented(sandbox: Sandbox, connector: Connector, app: str, user: str = "dana") -> Standing:
    """What a person granted to an app, without its pages."""
    made = atlassian(sandbox).by_path["/atlassian/grants"]({"app": app, "user": user})
    given = made["grants"][0]
    return Standing(connector.manifest.method("oauth"), {}, f"Bearer {given['access_token']}")


def pasted(sandbox: Sandbox, connector: Connector, key: str, name: str) -> Standing:
    """A token by the form of this method."""
    method, token = connector.manifest.method(key), row(sandbox, "tokens", name)
    fields = at_acme(sandbox)
    if not method.basic_user:
        return Standing(method, fields, f"Bearer {token['token']}")
    pair = base64.b64encode(f"{token['email']}:{token['token']}".encode()).decode()
    return Standing(method, fields | {"email": token["email"]}, f"Basic {pair}")


def exchanged(
    sandbox: Sandbox, door: Door, connector: Connector, key: str, kind: str, name: str
) -> Standing:
    """The access token for a client's secret."""
    method, client = connector.manifest.method(key), row(sandbox, kind, name)
    assert method.kind is MethodKind.EXCHANGED
    fields = at_acme(sandbox) | {"client_id": client["client_id"]}
    way = Way(connector, method, fields, None, Place(connector.manifest), through=door)
    answer = exchanging.exchanged(way, Secret(client["secret"]))
    return Standing(method, fields, f"Bearer {answer.access_token}")


def by_each_token(sandbox: Sandbox, door: Door, connector: Connector) -> Mapping[str, Standing]:
    """All ways that both products have, but consent."""
    slug = connector.manifest.slug
    client = "bot-oauth"
    return {
        "scoped-token": pasted(sandbox, connector, "scoped-token", f"dana-{slug}"),
        "service-account-token": pasted(sandbox, connector, "service-account-token", f"bot-{slug}"),
        "service-account-oauth": exchanged(
            sandbox, door, connector, "service-account-oauth", "service_clients", client
        ),
        "classic-token": pasted(sandbox, connector, "classic-token", "dana-classic"),
    }
