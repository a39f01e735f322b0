"""Connections made elsewhere are checked, imported and undone; every row is accounted for."""

from __future__ import annotations

import csv
import io
import json
import logging
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.test import RequestFactory

from connections import places, registry
from connections.flows import imports, lifecycle, replacement
from connections.flows.problems import FlowProblem
from connections.models import (
    Connection,
    Credential,
    ImportBatch,
    ImportRow,
    PendingLink,
    Replacement,
)
from connections.queries.imports import import_page, report, why_of
from portal import clock, roles, vault
from portal.models import AuditEvent, Intake, Membership, Notice, SealedValue
from portal.policy import Role
from tests import importing as files
from tests.canary import Sinks, spellings
from tests.connections.ways import a_team, hurry, jobs, patiently
from tests.grants import consented
from tests.importing import CLOUD, checked, csv_of, now, outcomes, rows_of, started
from tests.servers import Servers
from tests.vendor import Vendor
from tests.works import Works

State, Outcome = ImportBatch.State, ImportRow.Outcome
WRONG = "ATATT3xFfGF0aNeverGiven{:04}XyZ"
DEAD = "ATBBnoSuchPassword{:04}abcdEF"


@pytest.fixture(autouse=True)
def _quickly(settings: Any) -> None:
    settings.REFRESH_PER_SECOND = 10_000


def row(number: int, **cells: str) -> dict[str, str]:
    about = {"connector": CLOUD, "name": f"Row {number}", "email": f"p{number}@acme.example"}
    return about | {"token": WRONG.format(number)} | cells


def only(works: Works, batch: ImportBatch) -> ImportRow:
    (found,) = rows_of(works, batch)
    return found


def sealed(works: Works) -> tuple[int, int]:
    """How much waits in the intake, and how much is sealed."""
    with roles.using_role("worker"), works.inside():
        return Intake.objects.count(), SealedValue.objects.count()


def mixed(works: Works, vendor: Vendor) -> list[dict[str, str]]:
    """Five hundred rows as companies have them: alive, dead, broken, twice, of other servers."""
    alive = files.api_tokens(vendor, 60)
    servers = vendor.state()["data_center"]["tokens"]
    address = f"{vendor.url}/bitbucket"
    own = next(t["token"] for t in servers if t["name"] == "dana-read")
    data_center = {"connector": "bitbucket-data-center", "base_url": address, "team": "Payments"}
    rows = [*alive, data_center | {"name": "Own server", "token": own}]
    rows += [data_center | {"name": f"Server {n}", "token": f"BBDC-{n:040}"} for n in range(39)]
    rows += [row(n, name=f"Old {n}", username=f"u{n}", token=DEAD.format(n)) for n in range(150)]
    rows += files.of_places(vendor)
    rows += [row(n, name=f"Refused {n}") for n in range(159, 250)]
    rows += [alive[n] | {"name": f"Same account {n}", "token": _another(vendor, alive[n])}
             for n in range(10)]  # fmt: skip
    rows += [alive[n] | {"name": f"Same token {n}"} for n in range(40)]
    broken = (
        {"connector": "gitlab"}, {"name": "=HYPERLINK(1)"}, {"email": "nobody"}, {"token": ""},
        {"team": "No such team"}, {"name": "Old 1"}, {"token": "two words"},
        {"method": "repository-token"}, {"description": WRONG.format(9)}, {"expires_at": "soon"},
    )  # fmt: skip
    rows += [row(n, **broken[n % len(broken)]) for n in range(1000, 1100)]
    return rows


def _another(vendor: Vendor, of: dict[str, str]) -> str:
    made = vendor.order("/tokens", user=of["email"], scopes=files.READ, kind="api_token")
    return str(made["token"])


class TestFiveHundredRows:
    def test_I08_every_row_is_accounted_for_and_no_secret_is_told(
        self, works: Works, vendor: Vendor, servers: Servers, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO)
        team = a_team(works)
        rows = mixed(works, vendor)
        assert len(rows) == 500
        batch = checked(works, csv_of(rows, (*files.COLUMNS, "base_url", "expires_at")),
                        team_id=team)  # fmt: skip
        found = Counter(r.level for r in rows_of(works, batch))
        assert found == {"ok": 210, "warning": 150, "error": 140}
        assert (batch.sound, batch.warned, batch.broken, batch.total) == (210, 150, 140, 500)
        assert sealed(works)[0] == 360

        started(works, batch, rotate_days=30)
        works.drain()

        assert outcomes(works, batch) == {
            Outcome.CREATED: 66,
            Outcome.DEAD: 150,
            Outcome.SKIPPED: 11,
            Outcome.FAILED: 133,
            Outcome.REFUSED: 140,
        }
        assert now(works, batch.id).state == State.DONE
        with works.inside():
            told = "".join(report(batch))
            assert Connection.objects.filter(state="active").count() == 66
            assert Connection.objects.filter(state="needs_reauthorization").count() == 150
            kinds = Counter(Connection.objects.values_list("account_kind", flat=True))
            assert (kinds["workspace"], kinds["project"], kinds["repository"]) == (1, 1, 3)
            due = clock.now() + timedelta(days=30)
            assert Credential.objects.filter(rotate_by__lte=due, rotate_because="import").count()
        assert sealed(works) == (0, 216)
        assert len(list(csv.reader(io.StringIO(told)))) == 501
        sinks = Sinks(servers, places={"report": told.encode()})
        sinks.take(caplog.records)
        secrets = {f"row {n}": r["token"] for n, r in enumerate(rows) if len(r["token"]) > 20}
        assert set(plain_hits(sinks, secrets)) == set()


def plain_hits(sinks: Sinks, secrets: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Where a secret stands as it is or reversed; all spellings of one stand for the others."""
    everything = sinks.places
    for name, secret in secrets.items():
        for place, content in everything.items():
            if secret.encode() in content:
                yield name, place
    first = next(iter(secrets.values()))
    for name, form in spellings(first).items():
        yield from ((name, place) for place, content in everything.items() if form in content)


class TestTheImport:
    def test_the_vendor_s_pause_is_kept_and_nothing_is_lost(
        self, works: Works, vendor: Vendor
    ) -> None:
        batch = checked(works, csv_of(files.api_tokens(vendor, 4)), team_id=a_team(works))
        vendor.order("/faults", match="GET /2.0/user", kind="status", status=429, times=6)
        started(works, batch)
        works.drain()
        waits = now(works, batch.id)
        assert (waits.state, waits.waits_for) == (State.RUNNING, "rate_limited")

        patiently(works)

        assert outcomes(works, batch) == {Outcome.CREATED: 4}
        assert now(works, batch.id).waits_for == ""

    def test_what_is_linked_already_is_skipped_by_name_or_replaced_in_place(
        self, works: Works, vendor: Vendor
    ) -> None:
        there = works.connection(works.link_by_token(vendor.token("dana-full")))
        again = {"connector": CLOUD, "name": "Dana", "email": "dana@acme.example",
                 "token": vendor.token("dana-narrow")}  # fmt: skip
        team = a_team(works)
        skipped = checked(works, csv_of([again]), team_id=team)
        started(works, skipped)
        works.drain()
        assert (only(works, skipped).outcome, only(works, skipped).other_name) == (
            Outcome.SKIPPED,
            there.name,
        )

        everything = [each.key for each in registry.get(CLOUD).manifest.capabilities]
        narrow = checked(works, csv_of([again]), team_id=team, replaces=True)
        started(works, narrow)
        with works.inside():
            Connection.objects.update(capabilities=everything)
        works.drain()
        with works.inside():
            Connection.objects.update(capabilities=there.capabilities)
        assert (only(works, narrow).outcome, only(works, narrow).code) == (
            Outcome.FAILED,
            "loses_capabilities",
        )

        again |= {"token": _another(vendor, again | {"email": "dana"})}
        replaced = checked(works, csv_of([again]), team_id=team, replaces=True)
        started(works, replaced, rotate_days=7)
        works.drain()

        assert in_use(works) == (there.id, again["token"], "import")
        with works.inside():
            way = Replacement.objects.get(ended_at=None)
            assert way.stage == Replacement.Stage.SWITCHED
            assert Notice.objects.filter(subject_id=there.id, resolved_at=None).exists()
            seen = imports.preview_undo(replaced)
            assert (seen.forgets, seen.goes_back, seen.replaced) == (0, 1, 0)
            imports.undo(actor=works.admin, batch=replaced)
        works.drain()
        assert in_use(works) == (there.id, vendor.token("dana-full"), "")
        assert only(works, replaced).outcome == Outcome.UNDONE and sealed(works) == (0, 1)

    def test_an_export_of_nango_comes_along_with_its_refresh_tokens(
        self, works: Works, vendor: Vendor
    ) -> None:
        works.register(vendor.consumer("acme-portal"))
        fresh, stale = consented(vendor, 2)
        listed = [nango("one@acme", fresh.access, fresh.refresh),
                  nango("two", "ended", stale.refresh),
                  nango("three", "ended-2", "spent")]  # fmt: skip
        unusable = {"provider": "bitbucket", "connection_id": "x", "credentials": {"type": "JWT"}}
        content = json.dumps({"connections": [*listed, unusable]}).encode()
        batch = checked(works, content, team_id=a_team(works))
        assert [r.name for r in rows_of(works, batch)] == ["one-acme", "two", "three", "x"]

        started(works, batch, rotate_days=30)
        works.drain()

        assert outcomes(works, batch) == {
            Outcome.CREATED: 2, Outcome.FAILED: 1, Outcome.REFUSED: 1,
        }  # fmt: skip
        with works.inside():
            assert Credential.objects.filter(refreshable=True, rotate_by=None).count() == 2
        assert sealed(works)[0] == 0

    def test_a_refresh_token_is_not_spent_in_vain_and_what_it_gave_is_kept(
        self, works: Works, vendor: Vendor
    ) -> None:
        works.register(vendor.consumer("acme-portal"))
        ada, bob = consented(vendor, 2)
        order = {"consumer": "acme-portal", "users": [ada.account_id, bob.account_id]}
        again = [each["refresh_token"] for each in vendor.order("/grants", **order)["grants"]]
        listed = [nango("one", ada.access, ada.refresh), nango("two", bob.access, bob.refresh),
                  *(nango(f"again {n}", f"ended-{n}", token) for n, token in enumerate(again)),
                  nango("Taken", "ended-9", "not-spent")]  # fmt: skip
        batch = checked(works, files.json_of(listed), team_id=a_team(works))
        with works.inside():
            taken = Connection.objects.create(connector=CLOUD, method="api-token", name="taken")
        started(works, batch)
        works.drain()
        ends = {r.name: (r.outcome, r.code) for r in rows_of(works, batch)}
        assert ends["again 0"] == ends["again 1"] == (Outcome.SKIPPED, "account_taken")
        assert ends["Taken"] == (Outcome.FAILED, "name_taken") and taken
        assert spent(vendor) == 2 and sealed(works)[1] == 1 + 4 + 4  # of the consumer, made, kept

        with works.inside():
            Connection.objects.filter(name="one").update(state="revoked", revoked_at=clock.now())
            assert import_page(RequestFactory().get("/"), batch_now(batch)).retries == 2
            imports.retry(actor=works.admin, batch=batch)
        works.drain()
        ends = {r.name: (r.outcome, why_of(r)) for r in rows_of(works, batch)}
        assert ends["again 0"][0] == Outcome.CREATED and "kept sealed" in ends["again 1"][1]
        assert spent(vendor) == 2

        with works.inside():
            ImportBatch.objects.update(finished_at=clock.now() - timedelta(days=3))
        hurry(works)
        works.drain()
        assert rows_of(works, batch)[3].code == "grant_used" and sealed(works)[1] == 1 + 6

    @pytest.mark.parametrize("code", ["name_taken", "default_taken", "unavailable"])
    def test_a_row_kept_for_another_try_is_not_to_be_uploaded_again(self, code: str) -> None:
        kept = ImportRow(outcome=Outcome.FAILED, code=code, renewed_at=clock.now())
        assert "tried again here" in why_of(kept) and "pload" not in why_of(kept)

    def test_an_app_password_that_still_works_is_linked_and_a_dead_one_waits_to_be_moved(
        self, works: Works, vendor: Vendor
    ) -> None:
        vendor.order("/switches", app_passwords_end="2027-07-28")
        team = a_team(works)
        alive = {"connector": CLOUD, "name": "Old and alive", "username": "dana",
                 "token": vendor.token("dana-app-password")}  # fmt: skip
        batch = checked(works, csv_of([alive, row(1, name="Dead", token=DEAD.format(1),
                                                   username="tomas")]), team_id=team)  # fmt: skip
        started(works, batch)
        works.drain()

        assert [r.outcome for r in rows_of(works, batch)] == [Outcome.CREATED, Outcome.DEAD]
        dead = rows_of(works, batch)[1].connection
        assert dead and dead.method == "app-password" and dead.account_name == "tomas"
        assert dead.state == Connection.State.NEEDS_REAUTHORIZATION

    def test_what_somebody_else_took_meanwhile_fails_alone(
        self, works: Works, vendor: Vendor
    ) -> None:
        a_team(works)
        rows = files.api_tokens(vendor, 2)
        batch = checked(works, csv_of([rows[0], rows[1] | {"team": "Payments"}]))
        started(works, batch)
        with works.inside():
            Connection.objects.create(connector=CLOUD, method="api-token", name="Default")
        works.drain()

        first, second = rows_of(works, batch)
        assert (first.outcome, first.code) == (Outcome.FAILED, "default_taken")
        assert second.outcome == Outcome.CREATED and sealed(works) == (0, 1)

    def test_a_cancelled_import_keeps_what_is_there_and_begins_nothing(
        self, works: Works, vendor: Vendor
    ) -> None:
        batch = checked(works, csv_of(files.api_tokens(vendor, 2)), team_id=a_team(works))
        started(works, batch)
        with works.inside():
            imports.cancel(actor=works.admin, batch=batch)
            with pytest.raises(FlowProblem, match="moved on"):
                imports.start(actor=works.admin, batch=batch, rotate_days=None)
        works.drain()

        assert outcomes(works, batch) == {Outcome.CANCELLED: 2}
        assert now(works, batch.id).state == State.CANCELLED and sealed(works) == (0, 0)

    def test_T19_whoever_lost_the_right_meanwhile_imports_nothing(
        self, works: Works, vendor: Vendor
    ) -> None:
        batch = checked(works, csv_of(files.api_tokens(vendor, 1)), team_id=a_team(works))
        started(works, batch)
        with works.inside():
            Membership.objects.filter(user_id=works.admin.id).update(role=Role.MEMBER)
        works.drain()

        assert outcomes(works, batch) == {Outcome.CANCELLED: 1}
        assert only(works, batch).code == "not_allowed"


def nango(name: str, access: str, refresh: str) -> dict[str, Any]:
    held = {"type": "OAUTH2", "access_token": access, "refresh_token": refresh,
            "expires_at": "2020-01-01T00:00:00.000Z", "raw": {"scope": "account"}}  # fmt: skip
    return {"provider": "bitbucket", "provider_config_key": "bb", "connection_id": name,
            "credentials": held, "connection_config": {}, "metadata": {"a": [1]}}  # fmt: skip


def in_use(works: Works) -> tuple[UUID, str, str]:
    """The only connection, its token, and why that one is to be replaced."""
    with roles.using_role("worker"), works.inside():
        credential = Credential.objects.get(replaced_at=None)
        token = vault.open(places.of_credential(credential, places.SECRET)).reveal()
        return only_connection().id, token, credential.rotate_because


def spent(vendor: Vendor) -> int:
    """How often a refresh token was spent."""
    return len([r for r in vendor.requests() if r["path"].endswith("/access_token")])


def batch_now(batch: ImportBatch) -> ImportBatch:
    found: ImportBatch = ImportBatch.objects.get(id=batch.id)
    return found


def only_connection() -> Connection:
    found: Connection = Connection.objects.get()
    return found


class TestUndo:
    def test_it_forgets_what_nobody_has_used_and_says_what_stays(
        self, works: Works, vendor: Vendor
    ) -> None:
        rows = [*files.api_tokens(vendor, 3), row(1, token=DEAD.format(1), username="tomas")]
        batch = checked(works, csv_of(rows), team_id=a_team(works))
        started(works, batch)
        patiently(works)
        with works.inside():
            paused = Connection.objects.get(name="API token 1")
            lifecycle.pause(actor=works.admin, connection=paused)
            seen = imports.preview_undo(batch)
            assert (seen.forgets, seen.keeps, seen.kept_names) == (3, 1, ("API token 1",))
            other = Connection.objects.get(name="API token 0")
            begun = replacement.begun(other, actor=works.admin)
            assert imports.preview_undo(batch).keeps == 2  # something may be sealed for it
            begun.delete()
            imports.undo(actor=works.admin, batch=batch)
        patiently(works)

        assert outcomes(works, batch) == {Outcome.UNDONE: 3, Outcome.CREATED: 1}
        with works.inside():
            assert only_connection().name == "API token 1"
            assert AuditEvent.objects.filter(action="connection.forgotten").count() == 3
            assert not PendingLink.objects.exists()
        assert sealed(works) == (0, 1) and jobs(works) == []
        again = checked(works, csv_of(rows[:1]), team_id=None)
        assert only(works, again).level == "ok"  # its name is free again
