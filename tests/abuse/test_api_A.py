"""Section A of the abuse cases: other services and their keys, one test for each row."""

from __future__ import annotations

import base64
import json
import threading
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.core.exceptions import PermissionDenied
from django.db import connections as databases
from django.http import HttpResponse
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from connections.api import key, pace
from connections.flows import service_keys
from connections.models import Connection, KeyUse, Lease, ServiceKey
from portal import roles, tenancy
from portal.audit import Action
from portal.models import AuditEvent, Job, Notice
from tests.leasing import Service, code_of, linked, service, with_token
from tests.works import Works


@pytest.fixture(autouse=True)
def _unhurried() -> None:
    pace.forget()


@pytest.fixture
def code(works: Works) -> Connection:
    return with_token(works)


@pytest.fixture
def reports(works: Works) -> Service:
    return service(works)


def altered(works: Works, service_: Service, **facts: Any) -> None:
    with works.inside():
        ServiceKey.objects.filter(id=service_.key.id).update(**facts)


class TestA01NoKeyWhereItBelongs:
    def test_A01_none(self, reports: Service, code: Connection) -> None:
        reports.whole = ""
        for headers in ({"Authorization": ""}, {"Cookie": f"key={key.mint().whole.reveal()}"}):
            response = reports.ask(code, headers={"Authorization": ""} | headers)
            assert code_of(response) == (401, "no_key")
            assert response["WWW-Authenticate"].startswith("Bearer")

    def test_A01_another(self, reports: Service, code: Connection) -> None:
        reports.whole = key.mint().whole.reveal()
        assert code_of(reports.ask(code)) == (401, "invalid_key")
        assert reports.leases() == []

    @pytest.mark.parametrize("scheme", ["Basic", "Token", "bearer  "])
    def test_A01_in_another_scheme(self, scheme: str, reports: Service, code: Connection) -> None:
        header = f"{scheme} {reports.whole}"
        if scheme == "Basic":
            header = "Basic " + base64.b64encode(f"x:{reports.whole}".encode()).decode()
        expected = 200 if scheme.strip() == "bearer" else 401
        assert reports.ask(code, headers={"Authorization": header}).status_code == expected

    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("GET", "connections/00000000-0000-0000-0000-000000000001/token"),
            ("DELETE", "connections"),
            ("GET", "openapi.json"),
            ("GET", ""),
            ("GET", "conections"),
        ],
    )
    def test_A01_in_any_address_with_any_method_it_is_revoked(
        self, method: str, path: str, reports: Service
    ) -> None:
        response = reports.request(method, f"/api/v1/{path}?key={reports.whole}")
        assert code_of(response) == (401, "key_in_address")
        assert reports.reloaded().revoked_because == "exposed"

    @pytest.mark.parametrize("where", ["?key={}", "?x=1&token=%70{}", "/{}"])
    def test_A01_in_the_address_it_is_revoked_and_people_are_told(
        self, where: str, reports: Service, works: Works
    ) -> None:
        whole = reports.whole
        place = where.format(whole[1:] if "%70" in where else whole)

        response = reports.request("GET", f"/api/v1/connections{place}")

        assert code_of(response) == (401, "key_in_address")
        assert reports.reloaded().revoked_because == "exposed"
        assert code_of(reports.get("connections")) == (401, "key_revoked")
        works.drain()
        with works.inside():
            assert Notice.objects.filter(kind="service_key_exposed").count() == 1
            event = AuditEvent.objects.filter(action=Action.SERVICE_KEY_REVOKED.value).get()
        assert event.details == {"because": "exposed"}
        assert whole not in json.dumps(event.details)


def test_A02_a_wrong_checksum_costs_no_query(reports: Service, code: Connection) -> None:
    last = "x" if reports.whole[-1] != "x" else "y"
    reports.whole = reports.whole[:-1] + last
    with CaptureQueriesContext(databases["api"]) as asked:
        assert code_of(reports.ask(code)) == (401, "malformed_key")
        assert code_of(reports.get("connections")) == (401, "malformed_key")
    assert len(asked) == 0


class TestA01A03TheKeyIsLookedAtFirst:
    ASKS = (
        ("x", {}),
        ("{id}", {"min_ttl_seconds": 0}),
        ("{id}", {"reason": ""}),
        ("{id}", {"reason": "x" * 10_000}),
    )

    @pytest.mark.parametrize(("name", "body"), ASKS, ids=["id", "bounds", "reason", "size"])
    def test_A03_before_what_is_asked(
        self, name: str, body: dict[str, Any], reports: Service, code: Connection, works: Works
    ) -> None:
        name = name.format(id=code.id)
        assert reports.ask(name, **body).status_code in (400, 404, 413)
        altered(works, reports, expires_at=timezone.now() - timedelta(seconds=1))
        assert code_of(reports.ask(name, **body)) == (401, "key_expired")
        reports.whole = key.mint().whole.reveal()
        assert code_of(reports.ask(name, **body)) == (401, "invalid_key")


class TestA03AKeyThatEnded:
    def test_A03_revoked_is_refused_from_the_next_request_on(
        self, reports: Service, code: Connection, works: Works
    ) -> None:
        assert reports.ask(code).status_code == 200
        with works.inside():
            service_keys.revoke(
                actor=works.admin, key=reports.reloaded(), typed_name=reports.key.name
            )
        assert code_of(reports.ask(code)) == (401, "key_revoked")
        assert code_of(reports.get("connections")) == (401, "key_revoked")
        assert [lease.outcome for lease in reports.leases()] == ["granted", "key_revoked"]

    def test_A03_expired(self, reports: Service, code: Connection, works: Works) -> None:
        altered(works, reports, expires_at=timezone.now() - timedelta(seconds=1))
        assert code_of(reports.ask(code)) == (401, "key_expired")
        assert code_of(reports.get(f"connections/{code.id}")) == (401, "key_expired")

    def test_A03_frozen_and_let_go_on(
        self, reports: Service, code: Connection, works: Works
    ) -> None:
        with works.inside():
            service_keys.freeze(actor=works.admin, key=reports.reloaded())
        assert code_of(reports.ask(code)) == (403, "key_frozen")
        with works.inside():
            service_keys.thaw(actor=works.admin, key=reports.reloaded())
        assert reports.ask(code).status_code == 200


class TestA04AnotherTenant:
    def test_A04_looks_like_an_unknown_id(self, reports: Service, works: Works) -> None:
        globex = works.organization("globex")
        with works.inside(globex):
            theirs = linked(globex, "Globex code")
        for asking in (reports.ask, lambda name: reports.get(f"connections/{name}")):
            foreign, unknown = asking(theirs.id), asking(uuid4())
            assert code_of(foreign) == code_of(unknown) == (404, "not_found")
            assert plain(foreign) == plain(unknown)

    def test_A04_ids_of_others_are_unknown_in_a_list(self, reports: Service, works: Works) -> None:
        globex = works.organization("globex")
        with works.inside(globex):
            theirs = linked(globex, "Globex code")
        body = reports.get(f"connections?ids={theirs.id}").json()
        assert (body["connections"], body["unknown_ids"]) == ([], [str(theirs.id)])


def plain(response: HttpResponse) -> dict[str, Any]:
    """The body without what differs from request to request."""
    body: dict[str, Any] = response.json()
    return {name: value for name, value in body.items() if name != "request_id"}


class TestA05NotForThisKey:
    def test_A05_another_connector(self, works: Works, code: Connection) -> None:
        reports = service(works)
        altered(works, reports, connectors=["another"])
        assert code_of(reports.ask(code)) == (403, "not_entitled")
        assert code_of(reports.get(f"connections/{code.id}")) == (403, "not_entitled")
        assert reports.get("connections").json()["connections"] == []

    def test_A05_another_connection(self, works: Works, code: Connection) -> None:
        other = with_token(works, "Other code")
        reports = service(works, connections=["Other code"])
        assert reports.ask(other).status_code == 200
        assert code_of(reports.ask(code)) == (403, "not_entitled")

    def test_A05_a_reading_key_gets_no_token_that_writes(
        self, works: Works, code: Connection
    ) -> None:
        reports = service(works, scopes=["tokens:read"])
        assert reports.ask(code).status_code == 200
        writing = with_token(works, "Writing")
        with works.inside():
            writing.credentials.update(scopes=["repository", "repository:write"])
        assert code_of(reports.ask(writing)) == (403, "scope")
        with works.inside():
            writing.credentials.update(scopes=None)
        assert code_of(reports.ask(writing)) == (403, "scope"), "what is not known may write"

    def test_A05_a_key_for_facts_gets_no_token(self, works: Works, code: Connection) -> None:
        watcher = service(works, scopes=["connections:read"])
        assert watcher.get("connections").status_code == 200
        assert code_of(watcher.ask(code)) == (403, "scope")
        leaser = service(works, scopes=["tokens:read"])
        assert code_of(leaser.get("connections")) == (403, "scope")

    def test_A05_from_another_network(self, works: Works, code: Connection) -> None:
        reports = service(works, networks=["192.0.2.0/24", "2001:db8::/32"])
        assert code_of(reports.ask(code)) == (403, "network")
        assert code_of(reports.get("connections")) == (403, "network")
        here = service(works, networks=["192.0.2.0/24", "127.0.0.0/8"])
        assert here.ask(code).status_code == 200
        mapped = service(works, networks=["::ffff:127.0.0.0/104"])
        assert mapped.ask(code, address="::ffff:127.0.0.1").status_code == 200
        assert here.ask(code, address="::ffff:127.0.0.1").status_code == 200
        assert here.get("connections").status_code == 200


class TestA11AConnectionThatCannotServe:
    @pytest.mark.parametrize(
        ("facts", "expected"),
        [
            ({"state": "needs_reauthorization"}, (409, "needs_link")),
            ({"paused_at": timezone.now()}, (409, "paused")),
            ({"state": "revoked", "revoked_at": timezone.now()}, (410, "revoked")),
        ],
        ids=["needs a new link", "paused", "revoked"],
    )
    def test_A11(
        self, facts: dict[str, Any], expected: tuple[int, str], works: Works, code: Connection
    ) -> None:
        with works.inside():
            Connection.objects.filter(id=code.id).update(**facts)
        response = service(works).ask(code)
        assert code_of(response) == expected
        if expected[1] == "needs_link":
            assert response.json()["relink_url"].endswith(f"/o/acme/connections/{code.id}/")

    def test_A11_a_token_that_lives_for_ever_is_not_leased(
        self, works: Works, code: Connection
    ) -> None:
        with works.inside():
            code.credentials.update(refreshable=False, expires_at=None)
        response = service(works).ask(code)
        assert code_of(response) == (409, "not_leasable")
        assert "never given out" in response.json()["detail"]


class TestA13AStolenKey:
    def test_A13_it_is_stopped_at_its_limit_and_people_are_told(self, works: Works) -> None:
        drained = service(works, distinct_per_hour=3)
        targets = [with_token(works, f"Code {n}") for n in range(5)]

        answers = [drained.ask(target) for target in targets]

        assert [answer.status_code for answer in answers] == [200, 200, 200, 403, 403]
        assert code_of(answers[3]) == code_of(answers[4]) == (403, "key_frozen")
        assert drained.reloaded().frozen_because == "too_many"
        touched = {x.connection_id for x in drained.leases() if x.outcome == Lease.Outcome.GRANTED}
        assert touched == {target.id for target in targets[:3]}, "the list is exact"
        works.drain()
        with works.inside():
            notice = Notice.objects.get(kind="service_key_frozen")
            assert AuditEvent.objects.filter(action=Action.SERVICE_KEY_FROZEN.value).count() == 1
            assert not Job.objects.filter(kind="service_key_stopped", done_at=None).exists()
        assert notice.url.endswith(f"/keys/{drained.key.id}/")

    def test_A13_a_freeze_that_was_lifted_before_it_was_told_is_on_record_only(
        self, works: Works
    ) -> None:
        drained = service(works, distinct_per_hour=1)
        for number in range(2):
            drained.ask(with_token(works, f"Code {number}"))
        with works.inside():
            service_keys.thaw(actor=works.admin, key=drained.reloaded())
        works.drain()
        with works.inside():
            assert not Notice.objects.filter(kind="service_key_frozen").exists()
            assert AuditEvent.objects.filter(action=Action.SERVICE_KEY_FROZEN.value).count() == 1

    def test_A13_the_same_ones_again_are_no_others(self, works: Works) -> None:
        normal = service(works, distinct_per_hour=1)
        target = with_token(works)
        assert [normal.ask(target).status_code for _ in range(4)] == [200] * 4

    def test_A13_two_at_once_do_not_both_take_the_last_place(self, works: Works) -> None:
        drained = service(works, distinct_per_hour=2)
        targets = [with_token(works, f"Code {n}") for n in range(6)]
        statuses: list[int] = []

        def drain(target: Connection) -> None:
            statuses.append(drained.ask(target).status_code)
            databases["api"].close()

        threads = [threading.Thread(target=drain, args=(target,)) for target in targets]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert statuses.count(200) == 2
        with works.inside():
            assert KeyUse.objects.filter(service_key_id=drained.key.id).count() == 2

    def test_A13_an_hour_later_others_count(self, works: Works) -> None:
        normal = service(works, distinct_per_hour=1)
        first, second = (with_token(works, name) for name in ("One", "Two"))
        assert normal.ask(first).status_code == 200
        with roles.using_role("api"), tenancy.acting_for(works.acme), tenancy.transaction():
            KeyUse.objects.update(last_at=timezone.now() - timedelta(minutes=61))
        assert normal.ask(second).status_code == 200

    def test_A13_the_process_cannot_let_a_key_go_on(self, works: Works) -> None:
        """Whoever has the process can stop keys with it, and no more."""
        reports = service(works)
        altered(works, reports, frozen_at=timezone.now(), frozen_because="by_hand")
        with roles.using_role("api"), tenancy.acting_for(works.acme), tenancy.transaction():
            own = ServiceKey.objects.filter(id=reports.key.id)
            assert own.update(frozen_at=None) == 0
        assert reports.reloaded().frozen_at is not None


def test_a_key_is_used_once_a_minute_for_its_page(
    reports: Service, code: Connection, works: Works
) -> None:
    reports.ask(code)
    first = reports.reloaded().last_used_at
    reports.ask(code)
    assert reports.reloaded().last_used_at == first
    altered(works, reports, last_used_at=first - timedelta(minutes=2))
    reports.ask(code)
    assert reports.reloaded().last_used_at > first - timedelta(minutes=1)
    altered(works, reports, last_used_at=None)
    assert reports.get("connections").status_code == 200
    assert reports.reloaded().last_used_at > first, "who only reads facts uses it too"


def test_only_admins_and_owners_make_keys(works: Works) -> None:
    with pytest.raises(PermissionDenied), works.inside():
        service_keys.create(
            actor=works.alice, name="x", key=uuid4(),
            limits=service_keys.Limits([], [], [], [], 1, None),
        )  # fmt: skip
