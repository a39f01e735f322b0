"""What Space sends becomes records; the room's words agree with each other and with its README."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from connections import access
from connections.contracts import Answer, Finding, Outcome
from connections.errors import (
    AccessDenied,
    RateLimited,
    ReauthorizationRequired,
    Unavailable,
    UnexpectedResponse,
)
from connections.management.commands import live_check
from connections.origins import BaseUrl
from connections.vendor_api import Authorization, VendorApi
from integrations.jetbrains_space import CONNECTOR, authorizations, live, reading, tokens
from integrations.sandbox import vendors
from integrations.sandbox.jetbrains_space.switches import Switches
from integrations.sandbox.running import Sandbox
from tests.contract import Standing
from tests.integrations.test_jetbrains_space import by_exchange, by_token, vendor
from tests.probe_table import printed, table

ROOM = Path(__file__).resolve().parents[2] / "integrations/jetbrains_space"
README = (ROOM / "README.md").read_text()
MANIFEST = CONNECTOR.manifest


def read(name: str) -> Any:
    return json.loads((ROOM / f"fixtures/{name}.json").read_text())


def answer(body: Any, status: int = 200, request: str = "GET /x", **headers: str) -> Answer:
    return Answer(status, headers, body, request, 0.1)


class Told:
    """An Api that answers from fixtures, and remembers what it was asked."""

    def __init__(self, *bodies: Any) -> None:
        self.bodies = list(bodies)
        self.asked: list[str] = []

    def get(self, path: str, **_: Any) -> Answer:
        self.asked.append(path)
        return answer(self.bodies.pop(0))

    def send(self, method: str, path: str, body: object = None, **_: Any) -> Answer:
        return self.get(path)


def test_every_fixture_is_named_in_the_readme_and_the_table_of_probes_is_right() -> None:
    for path in (ROOM / "fixtures").glob("*.json"):
        assert f"`{path.name}`" in README
    assert printed(README) == table(MANIFEST)


def test_people_and_applications_are_told_by_their_names() -> None:
    assert reading.person(read("profile__person")).name == "Nora Lind"
    assert reading.person(read("profile__whole")).name == "jean-luc"
    assert reading.application(read("application__robot")).remote_id == "application:3Ty2wB4cQe1K"


def test_a_batch_goes_on_and_ends() -> None:
    place = "https://space.example.com"
    first = reading.page(answer(read("projects__batch")), None, place)
    last = reading.page(answer(read("projects__last")), first.checkpoint, place)

    assert [record.slug for record in first.records] == ["CAR", "MY-SHOP"]
    assert first.records[1].url == "https://space.example.com/p/my-shop"
    assert (first.checkpoint, last.checkpoint, first.total) == ("2", None, 3)


def test_bad_projects_are_set_aside_with_their_ids() -> None:
    page = reading.page(answer(read("projects__bad_items")), None, "")

    assert [record.slug for record in page.records] == ["CAR"]
    assert [one.remote_id for one in page.rejected] == ["2GxbWm1aKz0D", "", ""]


@pytest.mark.parametrize("after", ["0", 17, "a b", "x" * 201, {"a": 1}, True])
def test_a_place_that_is_none_is_refused(after: object) -> None:
    body = read("projects__batch") | {"next": after}

    with pytest.raises(UnexpectedResponse):
        reading.page(answer(body), None, "")


def test_contexts_that_do_not_count_are_left_out_and_rights_not_granted_too() -> None:
    api = Told(read("contexts__mixed"), [], read("rights__project"))

    everywhere, cars = authorizations.of_application(api)

    assert (everywhere.place, everywhere.scopes) == ("global", frozenset())
    assert cars.scopes == {"Automation.Execution.Start", "Automation.Execution.View"}
    assert (cars.place, cars.slug, cars.name) == ("project:key:CAR", "CAR", "Cars")
    assert "contextIdentifier=project%3Akey%3ACAR" in api.asked[2]


def test_a_made_token_tells_its_end_and_not_its_text_in_a_repr() -> None:
    made = tokens.make(
        Told(read("token__made")),
        MANIFEST.method("personal-token"),
        name="portal-1",
        days=90,
        scopes=frozenset({"global:Project.View"}),
    )

    assert (made.token_id, made.expires_at.isoformat()) == (
        "3pVd8H1KmC4x",
        "2027-02-18T09:00:00+00:00",
    )
    assert made.token not in repr(made)


@pytest.mark.parametrize("text", [None, "", 7, "ümlaut", "two\nlines"])
def test_a_made_token_that_is_none_is_refused(text: object) -> None:
    with pytest.raises(UnexpectedResponse):
        tokens.make(
            Told(read("token__made") | {"second": text}),
            MANIFEST.method("personal-token"),
            name="x",
            days=1,
            scopes=frozenset(),
        )


@pytest.mark.parametrize(
    ("name", "status", "kind"),
    [
        ("error__expired", 401, ReauthorizationRequired),
        ("error__denied", 403, AccessDenied),
        ("error__limited", 429, RateLimited),
        ("error__expired", 400, ReauthorizationRequired),
        ("error__denied", 400, AccessDenied),
        ("error__denied", 503, Unavailable),
        ("error__limited", 400, RateLimited),
    ],
)
def test_space_s_own_code_counts_below_500_and_its_sentence_is_kept(
    name: str, status: int, kind: type
) -> None:
    error = CONNECTOR.judge(answer(read(name), status))

    assert type(error) is kind
    assert status == 503 or error.detail == read(name)["error_description"]


def test_a_deed_may_be_answered_by_nothing_and_a_question_not() -> None:
    assert CONNECTOR.judge(answer(None, request="DELETE /x")) is None
    assert isinstance(CONNECTOR.judge(answer(None)), UnexpectedResponse)


# ── the live check ────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


@pytest.fixture(autouse=True)
def _led(settings, sandbox: Sandbox) -> Iterator[None]:
    led = vendors.origins(sandbox.url)
    settings.SANDBOX_ORIGINS, settings.CONNECTOR_ORIGINS = sorted(set(led.values())), led
    access.door.cache_clear()
    yield
    access.door.cache_clear()


def check(standing: Standing) -> dict[str, Finding]:
    door = access.door()
    base = BaseUrl(door.vendor(standing.fields["base_url"]).origin, "/api/http")
    headers = {"own": standing.authorization, "anonymous": ""}
    apis = {
        name: VendorApi(door, base, Authorization(value), CONNECTOR.judge)
        for name, value in headers.items()
    }
    found = list(live.findings(apis, standing.fields, standing.method))
    assert max(Counter(finding.key for finding in found).values()) == 1
    return {finding.key: finding for finding in found}


@pytest.mark.parametrize("who", ["person", "service account"])
def test_every_switch_is_a_claim_and_the_sandbox_holds_what_we_believe(sandbox, who) -> None:
    vendor(sandbox).by_path["/jetbrains-space/projects"]({"count": 40})
    is_person = who == "person"
    standing = (
        by_token(sandbox, "personal-token", "dana-full") if is_person else by_exchange(sandbox)
    )
    sandbox.journal.forget()

    found = check(standing)

    assert {switch.name for switch in fields(Switches)} <= found.keys()
    refuted = [key for key, finding in found.items() if finding.outcome is Outcome.REFUTED]
    assert refuted == []
    assert found["jobs"].outcome is Outcome.CONFIRMED
    changing = {row["path"] for row in sandbox.journal.matching({}) if row["method"] != "GET"}
    assert changing == ({"/api/http/permissions/check-permission"} if is_person else set())
    assert "Dana" not in repr(found) and "CAR" not in repr(found)


def test_what_an_installation_does_otherwise_is_refuted(sandbox) -> None:
    switches = vendor(sandbox).switches
    switches.set("next_at_end", False)
    switches.set("checks_permissions", False)
    vendor(sandbox).by_path["/jetbrains-space/projects"]({"count": 40})

    found = check(by_token(sandbox, "personal-token", "dana-full"))

    assert found["next_at_end"].outcome is Outcome.REFUTED
    assert found["checks_permissions"].outcome is Outcome.REFUTED


@pytest.mark.parametrize("method", ["personal-token", "service-account"])
def test_the_command_asks_at_the_address_given(db, sandbox, monkeypatch, method) -> None:
    words = [MANIFEST.slug, "--sandbox", "--method", method]
    words += ["--field", f"base_url={vendor(sandbox).at('https://acme.jetbrains.space')}"]
    secret = by_token(sandbox, "personal-token", "dana-full").authorization.split()[1]
    if method == "service-account":
        secret = "acme-space-robot-secret-e07a"
        words += ["--field", "client_id=acme-space-robot"]
    monkeypatch.setattr(live_check.sys, "stdin", io.StringIO(f"{secret}\n"))
    out = io.StringIO()

    call_command("live_check", *words, stdout=out)

    assert "confirmed  Projects come in batches (200)" in out.getvalue()
    assert secret not in out.getvalue()
