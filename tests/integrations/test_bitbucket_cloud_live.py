"""The live check tries every belief, changes nothing and names nobody."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import fields

import pytest

from connections.contracts import Api, Finding, Outcome
from connections.http import Door
from connections.vendor_api import Authorization, VendorApi
from integrations.bitbucket_cloud import CONNECTOR, live
from integrations.sandbox.bitbucket_cloud.switches import Switches
from integrations.sandbox.running import Sandbox
from tests.contract import Standing, door_to
from tests.integrations.test_bitbucket_cloud import API, CALLBACK, MANIFEST, SITE, pasted

TOKEN_ANSWER = {"access_token": "x" * 2600, "expires_in": 7200, "scope": "a", "state": "s"}


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(repositories=30, callbacks=[CALLBACK]) as running:
        yield running


@pytest.fixture
def door(sandbox: Sandbox) -> Iterator[Door]:
    door = door_to(sandbox, API, SITE)
    yield door
    door.close()


def apis(door: Door, standing: Standing) -> Mapping[str, Api]:
    scheme, _, value = standing.authorization.partition(" ")
    token = base64.b64decode(value).decode().partition(":")[2] if scheme == "Basic" else value
    headers = {"own": standing.authorization, "bearer": f"Bearer {token}", "anonymous": ""}
    base = door.vendor(MANIFEST.api_url)
    return {
        name: VendorApi(door, base, Authorization(value), CONNECTOR.judge)
        for name, value in headers.items()
    }


def check(door: Door, standing: Standing, **more: object) -> dict[str, Finding]:
    found = list(live.findings(apis(door, standing), standing.fields, standing.method, **more))
    assert max(Counter(finding.key for finding in found).values()) == 1
    return {finding.key: finding for finding in found}


@pytest.fixture
def dana(sandbox: Sandbox) -> Standing:
    return pasted(sandbox, MANIFEST.method("api-token"), "dana-full")


def test_every_switch_of_the_sandbox_is_a_claim(door, dana):
    switches = {switch.name for switch in fields(Switches)}

    assert switches - check(door, dana).keys() == set()


def test_the_sandbox_holds_what_we_believe(door, dana):
    found = check(door, dana, token=TOKEN_ANSWER)
    refuted = {key for key, finding in found.items() if finding.outcome is Outcome.REFUTED}

    assert refuted <= {"compress"}
    assert found["repositories"].outcome is Outcome.CONFIRMED
    assert found["removed_workspaces"].outcome is Outcome.CONFIRMED


def test_a_changed_vendor_is_noticed(sandbox, door, dana):
    sandbox.commands.switches({"permissions_by_uuid": True})
    sandbox.faults.order(
        {"match": "GET /2.0/workspaces", "kind": "status", "status": 200, "body": {}}
    )

    found = check(door, dana)

    assert found["permissions_by_uuid"].outcome is Outcome.REFUTED
    assert found["removed_workspaces"].outcome is Outcome.REFUTED


def test_a_small_token_leaves_open_what_it_cannot_see(sandbox, door):
    slug = sandbox.bitbucket.world.workspaces["acme"].repositories[0].slug
    method = MANIFEST.method("repository-token")
    found = check(
        door, pasted(sandbox, method, "acme-repository", workspace="acme", repository=slug)
    )

    assert found["members"].outcome is Outcome.OPEN
    assert found["access_token_user"].outcome is Outcome.CONFIRMED
    assert found["repository"].outcome is Outcome.CONFIRMED


def test_a_vendor_that_is_down_leaves_everything_open(sandbox, door, dana):
    sandbox.faults.order({"match": "GET *", "kind": "reset", "times": None})

    assert {finding.outcome for finding in check(door, dana).values()} == {Outcome.OPEN}


def test_nothing_but_reading_is_done_and_nobody_is_named(sandbox, door, dana):
    report = repr(list(check(door, dana).values()))
    world = sandbox.bitbucket.world

    assert {row["method"] for row in sandbox.journal.matching({})} == {"GET"}
    for workspace in world.workspaces.values():
        assert workspace.slug not in report.replace("dana", "")
        assert workspace.uuid not in report
        named = [r for r in workspace.repositories if len(r.slug) > 8 and r.slug in report]
        assert not named
    assert "@" not in report
    assert dana.authorization.split()[1][:20] not in report


def test_a_token_answer_tells_its_form_and_not_its_content(door, dana):
    found = check(door, dana, token=TOKEN_ANSWER | {"access_token": "canary" * 500})

    assert found["token_length"].outcome is Outcome.CONFIRMED
    assert found["scope_key"].outcome is Outcome.CONFIRMED
    assert "canary" not in repr(found)
