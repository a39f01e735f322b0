"""`manage.py live_check <connector>`: what the real vendor confirms of what we believe.

Reads only. The token comes from standard input and stays in this process's memory; the report names
no account, workspace or repository.
"""

from __future__ import annotations

import base64
import getpass
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from connections import (
    access,
    allow_list,
    exchanging,
    looked_up,
    oauth_wire,
    registry,
    strict_json,
)
from connections.base_urls import Place
from connections.contracts import BASE_URL, Connector, Finding, Manifest, Method, MethodKind, Scheme
from connections.errors import Blocked, VendorError
from connections.http import TOKEN, Door, Response
from connections.origins import BaseUrl
from connections.vendor_api import Authorization, VendorApi
from portal import tenancy
from portal.secret import Secret

CLIENT_ID = "client_id"


class Command(BaseCommand):
    help = "Tries the vendor's endpoints and manners, read-only, with a token of your own."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("connector", help="the slug of an allowed connector")
        parser.add_argument("--method", default="", help="how the token is used; mostly guessed")
        parser.add_argument(
            "--field",
            action="append",
            default=[],
            metavar="NAME=VALUE",
            help="what the form would ask beside the token, such as email=you@example.com",
        )
        parser.add_argument(
            "--sandbox", action="store_true", help="ask the sandbox instead of the real vendor"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Writes one line for each claim, then how many of each."""
        connector = _connector(options["connector"])
        secret = _secret()
        method = _method(connector.manifest, options["method"], secret)
        fields = _fields(connector.manifest, method, options["field"])
        door = access.door() if options["sandbox"] else Door(proxy=settings.OUTBOUND_PROXY)
        self.stdout.write(f"Asking {connector.manifest.name} by {method.title}, reading only.")
        found = Counter(
            self._write(finding) for finding in _findings(connector, door, method, fields, secret)
        )
        self.stdout.write(", ".join(f"{count} {outcome}" for outcome, count in found.items()))

    def _write(self, finding: Finding) -> str:
        line = f"{finding.outcome:<10} {finding.claim}"
        self.stdout.write(f"{line} ({finding.detail})" if finding.detail else line)
        return finding.outcome.value


def _connector(slug: str) -> Connector:
    try:
        return registry.get(slug)
    except KeyError:
        known = ", ".join(sorted(registry.connectors()))
        raise CommandError(f"There is no connector {slug}. Known: {known}.") from None


def _secret() -> str:
    secret = getpass.getpass("Token: ") if sys.stdin.isatty() else sys.stdin.readline()
    if not secret.strip():
        raise CommandError("Give the token on standard input.")
    return secret.strip()


def _method(manifest: Manifest, wish: str, secret: str) -> Method:
    """The method that was named, or the only one that the token's first characters allow."""
    if wish:
        try:
            return manifest.method(wish)
        except KeyError:
            raise CommandError(f"There is no method {wish}. {_methods(manifest)}") from None
    for known in manifest.token_prefixes:
        if secret.startswith(known.prefix):
            if known.refusal:
                raise CommandError(known.refusal)
            if len(known.methods) == 1:
                return manifest.method(known.methods[0])
    raise CommandError(f"Say --method. {_methods(manifest)}")


def _methods(manifest: Manifest) -> str:
    usable = [m.key for m in manifest.methods if m.kind is not MethodKind.AUTHORIZATION_CODE]
    return f"Known: {', '.join(usable)}."


def _fields(manifest: Manifest, method: Method, given: Iterable[str]) -> dict[str, str]:
    fields = dict(pair.split("=", 1) for pair in given if "=" in pair)
    needed = [field.name for field in manifest.fields_of(method) if not field.secret]
    if method.kind is MethodKind.CLIENT_CREDENTIALS:
        needed.append(CLIENT_ID)
    missing = [name for name in needed if name not in fields]
    if missing:
        asked = " ".join(f"--field {name}=…" for name in missing)
        raise CommandError(f"{manifest.name} needs more for this token: {asked}")
    return fields


def _findings(
    connector: Connector, door: Door, method: Method, fields: Mapping[str, str], secret: str
) -> Iterable[Finding]:
    """The findings of the connector's own `live` module."""
    room = type(connector).__module__.rpartition(".")[0]
    try:
        live = import_module(f"{room}.live")
    except ModuleNotFoundError:
        raise CommandError(f"{connector.manifest.name} has no live check.") from None
    token, answer = secret, None
    try:
        way = looked_up.completed(_way(connector, door, method, fields))
        if method.kind is MethodKind.CLIENT_CREDENTIALS:
            token, answer = _fetched(connector.manifest, door, fields, secret)
        elif method.kind is MethodKind.EXCHANGED:
            token = exchanging.exchanged(way, Secret(secret)).access_token
        base = way.place.at(way.api_url)
    except Blocked:
        raise CommandError("This address cannot be reached from here.") from None
    except VendorError as error:
        raise CommandError(f"There is no token: {error.detail or error.code}") from None
    headers = {
        "own": _authorization(method, way.fields, token),
        "bearer": f"Bearer {token}",
        "anonymous": "",
    }
    apis = {name: _api(connector, door, base, value) for name, value in headers.items()}
    findings: Callable[..., Iterable[Finding]] = live.findings
    return findings(apis, way.fields, method, answer)


def _way(connector: Connector, door: Door, method: Method, fields: Mapping[str, str]) -> access.Way:
    """A private host needs an entry of the allow-list that serves everybody."""
    manifest = connector.manifest
    typed = fields.get(BASE_URL, "")
    allow = allow_list.entries(tenancy.PLATFORM) if manifest.self_hosted else ()
    place = Place(manifest, typed, allow)
    return access.Way(connector, method, dict(fields), None, place, through=door)


def _authorization(method: Method, fields: Mapping[str, str], token: str) -> str:
    if method.scheme is Scheme.BEARER:
        return f"Bearer {token}"
    pair = f"{fields[method.basic_user]}:{token}"
    return "Basic " + base64.b64encode(pair.encode()).decode("ascii")


def _api(connector: Connector, door: Door, base: BaseUrl, authorization: str) -> VendorApi:
    return VendorApi(
        door=door,
        base=base,
        authorization=Authorization(authorization),
        judge=connector.judge,
    )


class _Listening:
    """A door that keeps the last answer, so that its form can be told."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self.last: Response | None = None

    def send(self, method: str, url: str, **rest: Any) -> Response:
        self.last = self._door.send(method, url, **rest)
        return self.last


def _fetched(
    manifest: Manifest, door: Door, fields: Mapping[str, str], secret: str
) -> tuple[str, Mapping[str, object]]:
    """An access token for the consumer itself, and the answer that brought it."""
    oauth, listening = access.oauth_of(manifest), _Listening(door)
    client = oauth_wire.Client(fields[CLIENT_ID], secret)
    origin = door.vendor(oauth.token_url).origin
    endpoint = oauth_wire.TokenEndpoint(oauth, client, listening, origin, TOKEN)
    token = endpoint.client_credentials(scopes=frozenset()).access_token
    body = strict_json.loads(listening.last.body) if listening.last else {}
    return token, body
