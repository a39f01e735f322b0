"""Tokens for other services: fresh at once, stale ones after a worker, and always on record."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from connections import places
from connections.flows import waits
from connections.models import Connection, Credential, Lease, RefreshAttempt
from connections.queries import key_uses
from portal import clock, roles, vault, work
from portal.models import SealedValue
from tests import scenes
from tests.connections.ways import again, link_by_consent
from tests.leasing import Service, service
from tests.vendor import Vendor
from tests.works import Works


@scenes.begun
def code(works: Works, vendor: Vendor) -> Connection:
    """A connection by OAuth whose token is an hour or two from its end."""
    return works.connection(link_by_consent(works, vendor))


@pytest.fixture
def reports(works: Works) -> Service:
    return service(works)


@pytest.fixture
def worker(works: Works) -> Iterator[None]:
    """A worker beside the test, as long as it runs."""
    over = threading.Event()

    def keep_working() -> None:
        with roles.using_role("worker"):
            while not over.wait(0.05):
                work.drain()

    thread = threading.Thread(target=keep_working)
    thread.start()
    yield
    over.set()
    thread.join()


def credential_of(works: Works, code: Connection) -> Credential:
    with works.inside():
        found: Credential = Credential.objects.get(connection_id=code.id, replaced_at=None)
        return found


def expire(works: Works, code: Connection, *, seconds: int = 0) -> Credential:
    """The token is two hours old at its end, which comes in so many seconds."""
    ends = clock.now() + timedelta(seconds=seconds)
    with works.inside():
        current = Credential.objects.filter(connection_id=code.id, replaced_at=None)
        current.update(expires_at=ends, refreshed_at=ends - timedelta(hours=2))
    return credential_of(works, code)


class TestAFreshToken:
    def test_it_is_the_stored_one_with_its_facts(
        self, reports: Service, code: Connection, works: Works
    ) -> None:
        response = reports.ask(code, reason="Nightly report")

        credential = credential_of(works, code)
        with roles.using_role("worker"), works.inside():
            stored = vault.open(places.of_credential(credential, places.ACCESS))
        body = response.json()
        assert response.status_code == 200
        assert body["access_token"] == stored.reveal()
        assert body["token_type"] == "Bearer"
        assert body["scopes"] == credential.scopes
        assert body["missing_scopes"] == []
        assert body["connection"]["id"] == str(code.id)
        assert body["connection"]["state"] == "active"

    def test_it_is_on_record_with_reason_and_address(
        self, reports: Service, code: Connection, works: Works
    ) -> None:
        response = reports.ask(code, reason="Nightly report", min_ttl_seconds=120)

        (lease,) = reports.leases()
        assert str(lease.id) == response.json()["lease_id"]
        assert (lease.outcome, lease.connection_id) == (Lease.Outcome.GRANTED, code.id)
        assert (lease.reason, lease.min_ttl_seconds) == ("Nightly report", 120)
        assert lease.address == "127.0.0.1"
        assert lease.request_id == response["X-Request-Id"]
        assert lease.version == credential_of(works, code).version

    def test_no_record_no_token(self, reports: Service, code: Connection, works: Works) -> None:
        """The database refuses the row: the statement fails, and nothing was handed out."""
        with roles.using_role("owner"), works.inside(), roles.connection().cursor() as cursor:
            cursor.execute("REVOKE INSERT ON connections_lease FROM portal_api")

        response = reports.ask(code)

        assert response.status_code >= 500
        assert b"access_token" not in response.content
        assert reports.leases() == []

    def test_nobody_changes_the_record(self, reports: Service, code: Connection) -> None:
        reports.ask(code)
        for role in ("api", "default", "worker", "owner"):
            with (
                pytest.raises(Exception, match=r"append-only|permission denied"),
                roles.using_role(role),
                reports.works.inside(),
                roles.connection().cursor() as cursor,
            ):
                cursor.execute("UPDATE connections_lease SET reason = 'x'")

    def test_A21_it_says_when_it_ends_in_two_ways(self, reports: Service, code: Connection) -> None:
        body = reports.ask(code).json()

        ends = credential_of(reports.works, code).expires_at
        assert body["expires_at"] == ends.strftime("%Y-%m-%dT%H:%M:%SZ")
        assert abs(body["expires_in"] - (ends - clock.now()).total_seconds()) < 5

    def test_a_refresh_token_is_never_in_an_answer(
        self, reports: Service, code: Connection, works: Works
    ) -> None:
        credential = credential_of(works, code)
        with roles.using_role("worker"), works.inside():
            refresh = vault.open(places.of_credential(credential, places.REFRESH)).reveal()

        for response in (reports.ask(code), reports.get(f"connections/{code.id}")):
            assert refresh.encode() not in response.content

    def test_a_suspect_connection_says_so(
        self, reports: Service, code: Connection, works: Works
    ) -> None:
        with works.inside():
            Connection.objects.filter(id=code.id).update(suspect_since=clock.now())
        body = reports.ask(code).json()
        assert body["connection"]["suspect_since"]


class TestAStaleToken:
    def test_a_worker_renews_it_while_the_service_waits(
        self, reports: Service, code: Connection, works: Works, worker: None
    ) -> None:
        before = expire(works, code)

        response = reports.ask(code, wait_seconds=20)

        assert response.status_code == 200, response.content
        assert credential_of(works, code).version == before.version + 1
        assert response.json()["expires_in"] > 300

    def test_no_worker_in_time_is_503_with_a_time_to_come_back(
        self, reports: Service, code: Connection, works: Works
    ) -> None:
        expire(works, code)

        response = reports.ask(code, wait_seconds=0.2)

        assert (response.status_code, response.json()["code"]) == (503, "no_fresh_token")
        assert int(response["Retry-After"]) > 0
        assert [lease.outcome for lease in reports.leases()] == [Lease.Outcome.LATE]

    def test_a_token_with_less_life_than_asked_is_renewed(
        self, reports: Service, code: Connection, works: Works, worker: None
    ) -> None:
        before = expire(works, code, seconds=400)
        assert reports.ask(code, min_ttl_seconds=300).status_code == 200
        assert credential_of(works, code).version == before.version

        longer = reports.ask(code, min_ttl_seconds=500, wait_seconds=20)

        assert longer.json()["expires_in"] >= 500
        assert credential_of(works, code).version == before.version + 1

    def test_one_that_does_not_open_is_renewed(
        self, reports: Service, code: Connection, works: Works
    ) -> None:
        credential = expire(works, code, seconds=4000)
        with roles.using_role("worker"), works.inside():
            sealed = SealedValue.objects.get(row_id=credential.id, field=places.ACCESS)
            sealed.blob = bytes(sealed.blob)[:-1] + bytes([bytes(sealed.blob)[-1] ^ 1])
            sealed.save(update_fields=["blob"])
        response = reports.ask(code)
        assert (response.status_code, response.json()["code"]) == (503, "unreadable")
        granted, taken_back = reports.leases()
        assert (granted.outcome, taken_back.outcome) == ("granted", "unreadable")
        assert taken_back.takes_back == granted.id
        assert taken_back.request_id == response["X-Request-Id"]
        with works.inside():
            assert key_uses.used_by(code.id)[0].count == "0 tokens", "none was handed out"

        works.drain()

        assert reports.ask(code).status_code == 200

    def test_longer_than_a_token_lives_is_refused_with_the_longest(
        self, reports: Service, code: Connection, works: Works
    ) -> None:
        with works.inside():
            Credential.objects.filter(connection_id=code.id).update(
                refreshed_at=clock.now(), expires_at=clock.now() + timedelta(minutes=20)
            )
        response = reports.ask(code, min_ttl_seconds=3600)
        assert (response.status_code, response.json()["code"]) == (422, "too_long")
        assert 1100 <= response.json()["longest_seconds"] <= 1140

    def test_a_promise_is_not_broken_for_a_longer_wish(
        self, reports: Service, code: Connection, works: Works
    ) -> None:
        """A vendor ends the former token ten minutes after a new one: one was given for longer."""
        expire(works, code, seconds=2000)
        assert reports.ask(code, min_ttl_seconds=1900).status_code == 200

        greedy = service(works).ask(code, min_ttl_seconds=3000, wait_seconds=0)

        assert (greedy.status_code, greedy.json()["code"]) == (503, "promised")
        assert 1200 <= int(greedy["Retry-After"]) <= 1300

    def test_A09_many_callers_cost_the_vendor_one_call(
        self, reports: Service, code: Connection, works: Works, worker: None, settings: object
    ) -> None:
        settings.API_THREADS = 32  # type: ignore[attr-defined]
        expire(works, code)
        answers: list[str] = []

        def call() -> None:
            for _ in range(20):
                response = reports.ask(code, wait_seconds=20)
                if response.status_code == 200:
                    answers.append(response.json()["access_token"])
                    return
                assert response.json()["code"] == "busy"

        callers = [threading.Thread(target=call) for _ in range(4)]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()

        assert len(answers) == 4 and len(set(answers)) == 1
        with works.inside():
            assert RefreshAttempt.objects.filter(connection_id=code.id).count() == 1


class TestWaiting:
    @pytest.mark.parametrize(("organizations", "served"), [(4, 4), (2, 4), (1, 2)])
    def test_half_of_the_threads_wait_and_of_one_organization_half_of_those(
        self, organizations: int, served: int, settings: object
    ) -> None:
        settings.API_THREADS = 8  # type: ignore[attr-defined]
        release = threading.Event()
        results: list[bool | str] = []
        names = [uuid4() for _ in range(organizations)]

        def wait(organization_id: UUID) -> None:
            try:
                over = waits.until(
                    ("x", uuid4()),
                    release.is_set,
                    organization_id=organization_id,
                    deadline=_soon(),
                )
                results.append(over)
            except waits.TooMany:
                results.append("too many")

        waiting = [
            threading.Thread(target=wait, args=(names[n % organizations],)) for n in range(8)
        ]
        for each in waiting:
            each.start()
        while results.count("too many") < 8 - served:
            time.sleep(0.01)
        release.set()
        for each in waiting:
            each.join()
        assert results.count(True) == served

    def test_one_looks_for_all_and_another_takes_over(self, settings: object) -> None:
        settings.API_THREADS = 32  # type: ignore[attr-defined]
        name, looks, release = ("x", uuid4()), [], threading.Event()

        def look() -> bool:
            looks.append(threading.get_ident())
            return release.is_set()

        results: list[bool] = []

        def wait(seconds: float) -> None:
            over = waits.until(name, look, organization_id=name[1], deadline=_soon(seconds))
            results.append(over)

        short = threading.Thread(target=wait, args=(0.15,))
        short.start()
        others = [threading.Thread(target=wait, args=(10,)) for _ in range(5)]
        for each in others:
            each.start()
        short.join()
        release.set()
        for each in others:
            each.join()
        assert results[0] is False and results[1:] == [True] * 5
        assert len(set(looks)) <= 2, "only one looks at a time"


def _soon(seconds: float = 10) -> float:
    return time.monotonic() + seconds


class TestARefusedToken:
    def test_the_latest_one_starts_a_look(
        self, reports: Service, code: Connection, works: Works, worker: None
    ) -> None:
        seen = again(works, code).last_success_at

        response = reports.ask(code, refused=True, wait_seconds=20)

        assert response.status_code == 200, response.content
        assert again(works, code).last_success_at > seen
        assert [lease.outcome for lease in reports.leases()] == ["look", "granted"]

    def test_an_older_one_is_answered_with_the_newer(
        self, reports: Service, code: Connection, works: Works, worker: None
    ) -> None:
        old = reports.ask(code).json()["lease_id"]
        expire(works, code)
        reports.ask(code, wait_seconds=20)

        response = reports.ask(code, refused=old)

        assert response.status_code == 200
        assert "look" not in [lease.outcome for lease in reports.leases()]

    def test_A10_once_a_minute_for_a_connection(
        self, reports: Service, code: Connection, works: Works
    ) -> None:
        assert reports.ask(code, refused=True, wait_seconds=0).status_code == 503
        again_ = service(works).ask(code, refused=True, wait_seconds=0)
        assert (again_.status_code, again_.json()["code"]) == (429, "looked_a_moment_ago")
        assert 1 <= int(again_["Retry-After"]) <= 60

    def test_one_that_the_vendor_withdrew_ends_in_a_new_link(
        self, reports: Service, code: Connection, works: Works, vendor: Vendor
    ) -> None:
        with works.inside():
            Connection.objects.filter(id=code.id).update(state="needs_reauthorization")
        response = reports.ask(code)
        assert (response.status_code, response.json()["code"]) == (409, "needs_link")
