"""`manage.py send_fixture FILE --connection NAME`: a webhook as the vendor would send it.

Any file is the body, byte for byte, signed with the secret of the connection's address and sent
there over HTTP. Run it as a worker, which may open that secret; `bin/manage` does so by itself.
"""

from __future__ import annotations

import http.client
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import UUID, uuid4

from django.core.management.base import BaseCommand, CommandError, CommandParser

from connections import registry
from connections.contracts import HookRules
from connections.flows import hook_secrets
from connections.models import Connection, HookEndpoint
from connections.receiving import signature
from portal import tenancy
from portal.management.commands.verify_audit import chains

SECONDS: Final = 30


@dataclass(frozen=True, slots=True)
class Target:
    """Where a vendor would send it, and how it would sign."""

    address: str = field(repr=False)
    secret: bytes = field(repr=False)
    rules: HookRules


class Command(BaseCommand):
    help = "Sends a file to a connection's webhook address, signed."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="the body")
        parser.add_argument("--connection", required=True, help="its id or its name")
        parser.add_argument("--organization", default="", help="the one it belongs to, by address")
        parser.add_argument("--event", default="", help="the trigger, such as repo:push")
        parser.add_argument(
            "--header",
            action="append",
            default=[],
            metavar="NAME: VALUE",
            help="one more header, or another value for one that is sent anyway",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Prints the answer; leaves with 1 unless the delivery was accepted."""
        try:
            body = options["file"].read_bytes()
        except OSError as error:
            raise CommandError(f"{options['file']} cannot be read: {error.strerror}.") from None
        target = _target(options["connection"], options["organization"])
        sent = _headers(target.rules, options["event"])
        sent[target.rules.signature] = signature.signed(target.rules, target.secret, body)
        for line in options["header"]:
            name, _, value = line.partition(":")
            sent[name.strip().lower()] = value.strip()
        status, answer = _post(target.address, body, sent)
        self.stdout.write(f"{status} {answer.strip()}")
        if status != http.client.ACCEPTED:
            raise CommandError("It was not accepted.")


def _target(connection: str, organization: str) -> Target:
    """The connection's address and secret; raises CommandError unless one connection fits."""
    found: list[Target] = []
    for organization_id, _ in chains(organization or None):
        with tenancy.acting_for(organization_id), tenancy.transaction():
            found += _here(connection)
    if len(found) != 1:
        several = f"{len(found)} connections are called {connection!r}. Name --organization too."
        raise CommandError(several if found else f"No connection {connection!r} takes webhooks.")
    return found[0]


def _here(connection: str) -> list[Target]:
    """The same within the acting organization."""
    live = Connection.objects.exclude(state=Connection.State.REVOKED)
    named = live.filter(id=UUID(connection)) if _is_id(connection) else live.filter(name=connection)
    found: list[Target] = []
    for one in named:
        rules = registry.get(one.connector).manifest.hooks
        endpoint = HookEndpoint.objects.filter(connection_id=one.id).first()
        if rules is None or endpoint is None:
            continue
        try:
            secret = hook_secrets.secret_of(endpoint).reveal().encode()
            found.append(Target(hook_secrets.address_of(endpoint), secret, rules))
        except LookupError:
            raise CommandError("No worker has kept its secret yet. Start one.") from None
    return found


def _is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def _headers(rules: HookRules, event: str) -> dict[str, str]:
    found = {"content-type": "application/json", rules.delivery: str(uuid4())}
    if rules.attempt:
        found[rules.attempt] = "1"
    if event:
        found[rules.event] = event
    return found


def _post(address: str, body: bytes, headers: dict[str, str]) -> tuple[int, str]:
    """The answer's status and text; raises CommandError when nobody answers."""
    to = urlsplit(address)
    kind = http.client.HTTPSConnection if to.scheme == "https" else http.client.HTTPConnection
    connection = kind(to.netloc, timeout=SECONDS)
    try:
        connection.request("POST", to.path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read(1000).decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        raise CommandError(f"Nobody answers at {to.netloc} ({type(error).__name__}).") from None
    finally:
        connection.close()
