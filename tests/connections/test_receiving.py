"""Webhooks come in: signatures, addresses and their secrets, buckets, what is kept of a message."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.core.exceptions import PermissionDenied
from django.core.management import CommandError, call_command
from django.db import DatabaseError

from connections.flows import hook_endpoints, hook_secrets, inbox_upkeep, lifecycle
from connections.flows.problems import FlowProblem
from connections.models import Connection, Delivery, HookEndpoint
from connections.queries.hooks import hooks_tab
from connections.receiving import handover
from connections.receiving.aftermath import Aftermath
from connections.receiving.database import Line
from connections.receiving.endpoints import Book
from portal import clock, key_rotation, keyring, roles, tenancy, vault, work
from portal.models import AuditEvent, Intake, Job
from portal.policy import Role
from tests import ingesting, keys
from tests.connections.hook_line import posted
from tests.ingesting import CLOUD, Sender
from tests.vendor import ROOT
from tests.works import Works


@contextmanager
def line() -> Iterator[Line]:
    with roles.using_role("ingest"), closing(Line()) as made:
        yield made


SAMPLES = ROOT.parent / "shared/samples"
DATA_CENTER = "bitbucket-data-center"


def asked(vendor: Sender, body: bytes, **changed: Any) -> int:
    """What the process's application answers, without its server."""
    return posted(vendor.path, vendor.headers(body), body, **changed)


@pytest.mark.skipif(not SAMPLES.exists(), reason="the recorded payloads are not here")
@pytest.mark.parametrize("product", [CLOUD, DATA_CENTER])
def test_every_recorded_payload_is_accepted_byte_for_byte(works: Works, product: str) -> None:
    vendor = ingesting.sender(works, connector=product)
    sent = [path.read_bytes() for path in sorted((SAMPLES / product / "webhooks").iterdir())]

    assert {asked(vendor, body) for body in sent} == {202}
    assert {bytes(one.body) for one in vendor.deliveries()} == set(sent)


class TestAddressAndSecret:
    def make(self, works: Works, name: str = "one") -> tuple[Connection, hook_endpoints.Made]:
        with works.inside():
            connection = Connection.objects.create(
                name=name, connector=CLOUD, account_id=name, state="active"
            )
        with tenancy.acting_for(works.acme):
            return connection, hook_endpoints.make(actor=works.alice, connection=connection)

    def test_it_is_made_once_and_its_secret_shown_once(self, works: Works) -> None:
        connection, made = self.make(works)
        with tenancy.acting_for(works.acme):
            again = hook_endpoints.make(actor=works.alice, connection=connection)
            shown = hook_endpoints.address_for(actor=works.alice, connection=connection)

        assert made.secret is not None and again.secret is None
        assert made.address == again.address == shown
        assert (
            shown.rpartition("/")[0].endswith("/hooks/v1") and len(shown.rpartition("/")[2]) == 43
        )
        for text in (repr(made), repr(made.endpoint.__dict__)):
            assert made.secret.reveal() not in text and shown.rpartition("/")[2] not in text
        with works.inside():
            (event,) = AuditEvent.objects.filter(action="hook_endpoint.made")
            assert shown.rpartition("/")[2] not in json.dumps(event.details)

    def test_it_accepts_nothing_until_a_worker_has_kept_the_secret(self, works: Works) -> None:
        connection, made = self.make(works)
        assert made.secret is not None
        vendor = Sender(
            *(works, connection, made.endpoint, made.address),
            *(made.secret.reveal().encode(), works.acme, works.alice),
        )

        assert asked(vendor, b"{}") == 503
        works.drain()
        assert asked(vendor, b"{}") == 202
        with roles.using_role("worker"), works.inside():
            endpoint = HookEndpoint.objects.get()
            assert hook_secrets.secret_of(endpoint) == made.secret
            assert hook_secrets.address_of(endpoint) == made.address
            assert endpoint.secret_last_four == made.secret.last_four

    def test_what_no_worker_kept_in_its_day_is_mended_by_replacing_it(self, works: Works) -> None:
        connection, made = self.make(works)
        with roles.using_role("worker"), works.inside():
            Intake.objects.all().delete()  # its day is over
        works.drain()
        with works.inside(), clock.shifted(timedelta(hours=25)):
            assert hooks_tab(connection, "Bitbucket Cloud").is_lost
        with tenancy.acting_for(works.acme):
            again = hook_endpoints.rotate_secret(actor=works.alice, connection=connection)
        works.drain()

        assert again.secret is not None and again.address == made.address
        vendor = Sender(
            *(works, connection, made.endpoint, made.address),
            *(again.secret.reveal().encode(), works.acme, works.alice),
        )
        assert asked(vendor, b"{}") == 202

    def test_only_who_manages_the_connection_sees_or_changes_it(self, works: Works) -> None:
        connection, _ = self.make(works)
        bob = works.person("bob@acme.example", "Bob", Role.MEMBER)
        deeds = (
            hook_endpoints.make,
            hook_endpoints.rotate_secret,
            hook_endpoints.disable,
            hook_endpoints.address_for,
        )
        for deed in deeds:
            with tenancy.acting_for(works.acme), pytest.raises(PermissionDenied):
                deed(actor=bob, connection=connection)

    def test_it_is_switched_off_and_on_with_another_secret(self, works: Works) -> None:
        vendor = ingesting.sender(works)
        with tenancy.acting_for(works.acme):
            hook_endpoints.disable(actor=works.alice, connection=vendor.connection)
            assert asked(vendor, b"{}") == 410
            made = hook_endpoints.make(actor=works.alice, connection=vendor.connection)
        works.drain()

        assert made.address == vendor.address and made.secret is not None
        assert asked(vendor, b"{}") == 401
        vendor.secret = made.secret.reveal().encode()
        assert asked(vendor, b"{}") == 202

    def test_a_revoked_connection_takes_nothing_in(self, works: Works) -> None:
        vendor = ingesting.sender(works)
        for number in (3, 4):
            assert asked(vendor, b'{"n": %d}' % number) == 202
        with roles.using_role("worker"), works.inside():
            one = Delivery.objects.order_by("received_at")[0]
            said = {"effect": {"says": "Dana pushed"}, "state": "applied", "next_at": None}
            Delivery.objects.filter(id=one.id).update(**said)
        with works.inside():
            lifecycle.revoke(
                actor=works.alice,
                connection=vendor.connection,
                typed_name=vendor.connection.name,
            )

        assert asked(vendor, b'{"n": 1}') == 410
        works.drain()
        assert asked(vendor, b'{"n": 2}') == 410
        with roles.using_role("worker"), works.inside():
            assert not vault.SealedValue.objects.filter(domain="webhook").exists()
        kept = [(bytes(one.body or b""), one.effect) for one in vendor.deliveries()]
        assert kept == [(b"", {})] * 2
        assert {one.state for one in vendor.deliveries()} == {"applied", "ignored"}
        with tenancy.acting_for(works.acme), pytest.raises(FlowProblem, match="revoked"):
            hook_endpoints.rotate_secret(actor=works.alice, connection=vendor.connection)

    def test_a_worker_renews_it_by_itself_and_both_hold(self, works: Works) -> None:
        vendor = ingesting.sender(works)
        with roles.using_role("worker"), works.inside():
            renewed = hook_secrets.renew(HookEndpoint.objects.get()).reveal().encode()

        assert renewed != vendor.secret
        assert asked(vendor, b'{"n": 1}') == 202
        vendor.secret = renewed
        assert asked(vendor, b'{"n": 2}') == 202
        with clock.shifted(timedelta(hours=24, minutes=1)):
            assert asked(vendor, b'{"n": 3}') == 202

    def test_the_former_ends_after_a_day(self, works: Works) -> None:
        vendor = ingesting.sender(works)
        former = vendor.secret
        ingesting.rotate(vendor)
        vendor.secret = former

        assert asked(vendor, b"{}") == 202
        with clock.shifted(timedelta(hours=24, minutes=1)):
            assert asked(vendor, b"{}") == 401

    def test_an_emergency_ends_the_former_even_when_two_changes_meet(self, works: Works) -> None:
        """Both are asked for before a worker comes: the harder wish holds."""
        vendor = ingesting.sender(works)
        with tenancy.acting_for(works.acme):
            for ends_former in (False, True):
                hook_endpoints.rotate_secret(
                    actor=works.alice, connection=vendor.connection, ends_former=ends_former
                )
        works.drain()

        assert asked(vendor, b"{}") == 401

    def test_keys_are_replaced_under_it_and_it_still_opens(self, works: Works) -> None:
        vendor = ingesting.sender(works)
        with tenancy.acting_for(works.acme), roles.using_role("worker"):
            key_rotation.demote("webhook", clock.now() + timedelta(days=1))
            assert key_rotation.reseal("webhook") == 2  # secret and address

        assert asked(vendor, b"{}") == 202

    def test_the_web_process_seals_its_address_anew(self, works: Works) -> None:
        vendor = ingesting.sender(works)
        before = bytes(vendor.endpoint.sealed)

        assert hook_endpoints.under(1) == 1
        hook_endpoints.reseal([1])

        with works.inside():
            endpoint = HookEndpoint.objects.get()
        assert bytes(endpoint.sealed) != before
        with tenancy.acting_for(works.acme):
            shown = hook_endpoints.address_for(actor=works.alice, connection=vendor.connection)
        assert shown == vendor.address


class TestIngestAlone:
    def test_its_keys_open_secrets_of_webhooks_and_nothing_else(self, works: Works) -> None:
        vendor = ingesting.sender(works)
        own = keyring.Keyring({"webhook": keyring.current().domains["webhook"]})

        with keys.holding(own):
            assert asked(vendor, b"{}") == 202
        with keys.holding(keyring.Keyring({})):
            assert asked(vendor, b"{}") == 503

    def test_a_secret_moved_to_another_endpoint_does_not_open(self, works: Works) -> None:
        one, other = ingesting.sender(works, "one"), ingesting.sender(works, "other")
        with roles.using_role("worker"), works.inside():
            rows = vault.SealedValue.objects.filter(field="secret", domain="webhook")
            blob = rows.get(row_id=one.endpoint.id).blob
            rows.filter(row_id=other.endpoint.id).update(blob=blob)

        assert asked(other, b"{}") == 503

    def test_what_is_unknown_is_remembered_for_seconds(self, works: Works) -> None:
        now, token = [0.0], "x" * 43
        vendor = ingesting.sender(works)
        with line() as one:
            book = Book(one, lambda: now[0])
            assert book.find(token) is None
            first = book.find(vendor.path.rpartition("/")[2])
            now[0] = 4.9
            assert book.find(vendor.path.rpartition("/")[2]) is first
            doubted = book.newer(vendor.path.rpartition("/")[2])
            assert doubted is not first
            now[0] = 5.8
            assert book.newer(vendor.path.rpartition("/")[2]) is doubted
        assert first is not None and vendor.secret.decode() not in repr(first)

    def test_refusals_are_counted_where_people_see_them(self, works: Works) -> None:
        vendor = ingesting.sender(works)
        with line() as one:
            after = Aftermath(one)
            for because in ("malformed", "wrong", "wrong"):
                after.refused(vendor.endpoint.id, because)
            after.settle()

        with works.inside():
            endpoint = HookEndpoint.objects.get()
        assert (endpoint.refused, endpoint.refused_because) == (3, "wrong")
        assert endpoint.refused_at is not None


class TestHandover:
    def test_what_arrives_while_a_worker_is_at_it_asks_for_another_job(self, works: Works) -> None:
        vendor = ingesting.sender(works)
        assert asked(vendor, b'{"n": 1}') == 202
        assert asked(vendor, b'{"n": 2}') == 202
        with roles.using_role("worker"):
            (claim,) = work.claim()
            with tenancy.acting_for(works.acme):
                handover.take(claim)
        assert asked(vendor, b'{"n": 3}') == 202

        with works.inside():
            jobs = Job.objects.filter(kind=handover.KIND, done_at=None)
            assert sorted(jobs.values_list("dedupe", flat=True), key=str) == [None, handover.KIND]

    def test_an_inbox_whose_job_was_lost_is_found(self, works: Works) -> None:
        vendor = ingesting.sender(works)
        assert asked(vendor, b"{}") == 202

        with roles.using_role("worker"), roles.connection().cursor() as cursor:
            cursor.execute("SELECT connections_inboxes_waiting(%s)", [clock.now()])
            assert cursor.fetchall() == [(works.acme.id,)]


def test_deliveries_grow_old_and_what_waits_does_not(works: Works) -> None:
    vendor = ingesting.sender(works)
    for number in range(4):
        assert asked(vendor, b'{"n": %d}' % number) == 202
    with roles.using_role("worker"), works.inside():
        names = [one.id for one in Delivery.objects.order_by("received_at")]
        for name, days in zip(names, (1, 31, 91, 91), strict=True):
            at = clock.now() - timedelta(days=days)
            state = "new" if name == names[3] else "applied"
            Delivery.objects.filter(id=name).update(received_at=at, state=state)

    with roles.using_role("worker"), tenancy.acting_for(works.acme):
        inbox_upkeep.age_here()

    left = {one.id: one.body is not None for one in vendor.deliveries()}
    assert left == {names[0]: True, names[1]: False, names[3]: True}


def test_the_web_process_stores_no_delivery(works: Works) -> None:
    """Who could, would forge what a vendor said."""
    for role in ("default", "worker"):
        with roles.using_role(role), roles.connection().cursor() as cursor:
            with pytest.raises(DatabaseError, match="permission denied"):
                cursor.execute("SELECT connections_hook(%s)", [b"x"])
            with pytest.raises(DatabaseError, match="permission denied"):
                cursor.execute(
                    "SELECT connections_receive(%s, '', '', '', '', 1, '{}', '', now(), '')",
                    [uuid4()],
                )


def test_a_fixture_is_sent_as_the_vendor_would(works: Works, tmp_path: Path, settings: Any) -> None:
    body = b'{"made": "by hand"}'
    (tmp_path / "push.json").write_bytes(body)
    with ingesting.process(works) as running:
        settings.HOOKS_URL = f"http://localhost:{running.port}"
        vendor = ingesting.sender(works, "by hand")
        with roles.using_role("worker"):
            arguments = ["--connection", "by hand", "--event", "repo:push"]
            call_command("send_fixture", str(tmp_path / "push.json"), *arguments)
            with pytest.raises(CommandError, match="not accepted"):
                wrong = ["--header", "X-Hub-Signature: sha256=0"]
                call_command("send_fixture", str(tmp_path / "push.json"), *arguments, *wrong)
            with pytest.raises(CommandError, match="takes webhooks"):
                call_command("send_fixture", str(tmp_path / "push.json"), "--connection", "other")

    (kept,) = vendor.deliveries()
    assert (bytes(kept.body), kept.event_key) == (body, "repo:push")
