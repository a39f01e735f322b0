"""The live check of Spacelift tries every belief, changes nothing and names nobody."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import fields

import pytest
from django.core.management import CommandError, call_command

from connections import access
from connections.contracts import Finding, Outcome
from connections.management.commands import live_check
from integrations.sandbox import vendors
from integrations.sandbox.running import Sandbox
from integrations.sandbox.spacelift.switches import Switches
from integrations.spacelift import CONNECTOR, live
from tests.integrations.test_spacelift import ACME, METHOD, api_at, fields_of, key_of


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with Sandbox(repositories=2) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running, settings) -> Iterator[Sandbox]:
    led = vendors.origins(running.url)
    settings.SANDBOX_ORIGINS, settings.CONNECTOR_ORIGINS = sorted({*led.values()}), led
    access.door.cache_clear()
    yield running
    access.door.cache_clear()


def check(about: str, sandbox: Sandbox) -> dict[str, Finding]:
    door, given = access.door(), fields_of(sandbox, about)
    token = CONNECTOR.exchange(
        api_at(door, ACME), given, METHOD, key_of(sandbox, about).secret
    ).access_token
    apis = {"own": api_at(door, ACME, f"Bearer {token}"), "anonymous": api_at(door, ACME)}
    found = list(live.findings(apis, given, METHOD))
    assert max(Counter(finding.key for finding in found).values()) == 1
    return {finding.key: finding for finding in found}


def test_every_switch_is_a_claim_and_the_sandbox_holds_what_we_believe(sandbox):
    found = check("portal-admin", sandbox)

    assert {switch.name for switch in fields(Switches)} <= found.keys()
    assert not [one for one in found.values() if one.outcome is Outcome.REFUTED]
    assert {found[key].outcome for key in ("viewer", "spaces", "own_key")} == {Outcome.CONFIRMED}
    assert "Payments" not in repr(found) and "root" not in repr(found)


def test_a_small_role_leaves_open_what_it_may_not_see(sandbox):
    found = check("reader", sandbox)

    assert found["own_key"].outcome is Outcome.OPEN
    assert found["spaces"].outcome is Outcome.CONFIRMED


def test_the_command_exchanges_the_secret_and_repeats_it_nowhere(db, sandbox, monkeypatch):
    key, out = key_of(sandbox, "portal-admin"), io.StringIO()
    monkeypatch.setattr(live_check.sys, "stdin", io.StringIO(f"{key.secret}\n"))

    words = ("--sandbox", "--method", METHOD.key, "--field", f"base_url={ACME}")
    call_command("live_check", "spacelift", *words, "--field", f"key_id={key.id}", stdout=out)

    assert "confirmed  The token says whose it is (200)" in out.getvalue()
    assert key.secret not in out.getvalue()
    journal = json.dumps(list(sandbox.journal.matching({})))
    assert key.secret not in journal


def test_a_wrong_secret_ends_the_command_without_repeating_it(db, sandbox, monkeypatch):
    key = key_of(sandbox, "portal-admin")
    monkeypatch.setattr(live_check.sys, "stdin", io.StringIO("wrong-secret-0123456789\n"))

    words = ("--sandbox", "--method", METHOD.key, "--field", f"base_url={ACME}")
    with pytest.raises(CommandError) as caught:
        call_command("live_check", "spacelift", *words, "--field", f"key_id={key.id}")

    assert "wrong-secret" not in str(caught.value)
