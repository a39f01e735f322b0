"""The live check of a Data Center tries every belief, changes nothing and names nobody."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import fields

import pytest
from django.core.management import CommandError, call_command

from connections import access
from connections.contracts import Finding, Outcome
from connections.management.commands import live_check
from connections.origins import BaseUrl
from connections.vendor_api import Authorization, VendorApi
from integrations.bitbucket_data_center import CONNECTOR, live
from integrations.sandbox.bitbucket_data_center.switches import Switches
from integrations.sandbox.running import Sandbox
from tests.contract import Standing
from tests.integrations.test_bitbucket_data_center import CONTEXT, bearer


@pytest.fixture
def sandbox(settings) -> Iterator[Sandbox]:
    with Sandbox(repositories=12) as running:
        settings.SANDBOX_ORIGINS = [running.url]
        settings.CONNECTOR_ORIGINS = {}
        access.door.cache_clear()
        yield running
        access.door.cache_clear()


def check(sandbox: Sandbox, standing: Standing) -> dict[str, Finding]:
    door = access.door()
    base = BaseUrl(door.vendor(sandbox.url).origin, f"{CONTEXT}/rest")
    headers = {"own": standing.authorization, "bearer": standing.authorization, "anonymous": ""}
    apis = {
        name: VendorApi(door, base, Authorization(value), CONNECTOR.judge)
        for name, value in headers.items()
    }
    found = list(live.findings(apis, standing.fields, standing.method))
    assert max(Counter(finding.key for finding in found).values()) == 1
    return {finding.key: finding for finding in found}


def test_every_switch_is_a_claim_and_the_sandbox_holds_what_we_believe(sandbox):
    found = check(sandbox, bearer(sandbox, "user-token", "dana-admin"))

    assert {switch.name for switch in fields(Switches)} <= found.keys()
    refuted = {key for key, finding in found.items() if finding.outcome is Outcome.REFUTED}
    assert refuted <= {"version"}  # when 9.4 will have ended
    assert found["repositories"].outcome is Outcome.CONFIRMED
    assert {row["method"] for row in sandbox.journal.matching({})} == {"GET"}
    assert "dlevi" not in repr(found) and "Dana" not in repr(found)


def test_a_stranger_confirms_nothing(sandbox):
    found = check(sandbox, bearer(sandbox, "user-token", "dana-expired"))

    assert found["properties"].outcome is Outcome.OPEN
    assert found["user_header"].outcome is Outcome.REFUTED


@pytest.mark.parametrize("address", ["", "https://127.0.0.1"])
def test_the_command_asks_at_the_address_given(db, sandbox, monkeypatch, address):
    token = next(iter(sandbox.data_center.registry.tokens.values())).token
    monkeypatch.setattr(live_check.sys, "stdin", io.StringIO(f"{token}\n"))
    out = io.StringIO()
    field = f"base_url={address or sandbox.url + CONTEXT}"
    words = (CONNECTOR.manifest.slug, "--sandbox", "--method", "user-token", "--field", field)
    if address:
        with pytest.raises(CommandError, match="cannot be reached"):
            call_command("live_check", *words, stdout=out)
        return

    call_command("live_check", *words, stdout=out)

    assert "confirmed  The server tells its version (200)" in out.getvalue()
    assert token not in out.getvalue()
