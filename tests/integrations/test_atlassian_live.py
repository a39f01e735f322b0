"""The live checks of Jira and Confluence against the sandbox: each claim is tried or left open."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import call_command

from connections import access
from connections.management.commands import live_check
from integrations.sandbox import vendors
from integrations.sandbox.running import Sandbox
from tests.integrations.atlassian_standings import row


@pytest.fixture
def sandbox(settings: Any) -> Iterator[Sandbox]:
    with Sandbox(repositories=2, callbacks=["http://localhost:8000/oauth/callback"]) as running:
        led = vendors.origins(running.url)
        settings.SANDBOX_ORIGINS = sorted(set(led.values()))
        settings.CONNECTOR_ORIGINS = led
        access.door.cache_clear()
        yield running
        access.door.cache_clear()


def report(monkeypatch: pytest.MonkeyPatch, connector: str, secret: str, *words: str) -> list[str]:
    monkeypatch.setattr(live_check.sys, "stdin", io.StringIO(f"{secret}\n"))
    out = io.StringIO()
    call_command("live_check", connector, "--sandbox", *words, stdout=out)
    assert secret not in out.getvalue()
    return out.getvalue().splitlines()


@pytest.mark.parametrize("connector", ["jira", "confluence"])
@pytest.mark.parametrize("method", ["scoped-token", "classic-token", "service-account-token"])
def test_a_token_confirms_what_we_believe(sandbox, monkeypatch, connector, method):
    names = {"classic-token": "dana-classic", "scoped-token": f"dana-{connector}"}
    token = row(sandbox, "tokens", names.get(method, f"bot-{connector}"))
    words = ["--method", method, "--field", "site=acme"]
    if method != "service-account-token":
        words += ["--field", f"email={token['email']}"]

    lines = report(monkeypatch, connector, token["token"], *words)

    refuted = [line for line in lines if line.startswith("refuted")]
    assert [line for line in refuted if "budget" not in line] == []
    assert sum(line.startswith("confirmed") for line in lines) >= 4


@pytest.mark.parametrize(
    ("method", "kind", "name", "claim"),
    [
        ("site-credentials", "site_credentials", "acme-site", "A build that nobody wrote is 404"),
        (
            "service-account-oauth",
            "service_clients",
            "bot-oauth",
            "A token's account is read at its site",
        ),
    ],
)
def test_a_client_is_exchanged_first(sandbox, monkeypatch, method, kind, name, claim):
    client = row(sandbox, kind, name)
    words = ["--field", "site=acme", "--field", f"client_id={client['client_id']}"]

    lines = report(monkeypatch, "jira", client["secret"], "--method", method, *words)

    assert any(line.startswith("confirmed") and claim in line for line in lines)
    assert not [x for x in lines if x.startswith("refuted") and "budget" not in x]
