"""The refresh ledger as people and support read it: quiet runs folded, trouble told in words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone

from connections import lineage, places
from connections.errors import VendorError
from connections.flows import refresh
from connections.flows.refreshing import Caller
from connections.lineage import AnswerClass, Decision
from connections.models import Check, Connection, Credential, RefreshAttempt, Verification
from connections.queries import attempts
from portal import audit, clock, roles, tenancy, vault
from portal.models import User
from portal.policy import Role
from tests.connections.pages import base_of, signed_in, text
from tests.connections.ways import again, link_by_consent
from tests.leasing import with_token
from tests.vendor import Vendor
from tests.works import Works

TOKEN = "POST /site/oauth2/access_token"
LOST = "The next token was lost on its way"
NOW = timezone.now()


@pytest.fixture(autouse=True)
def _real_time() -> Iterator[None]:
    yield
    clock.reset()


@pytest.fixture
def alice(works: Works) -> Client:
    return signed_in(works.alice)


@pytest.fixture
def connection(works: Works) -> Connection:
    return with_token(works)


def wrote(works: Works, connection: Connection, *, times: int = 1, **facts: Any) -> None:
    """So many lines of the ledger, an hour apart, the last one at `at`."""
    at: datetime = facts.pop("at", NOW)
    with roles.using_role("worker"), works.inside():
        credential = Credential.objects.get(connection_id=connection.id, replaced_at=None)
        values = {
            "connection_id": connection.id,
            "credential_id": credential.id,
            "caller": Caller.SCHEDULE,
            "worker": "crane:17",
            "parent_version": 4,
            "received_version": 5,
            "spent": "5ca1ab1e00000000",
            "received": "c0ffee0000000000",
            "latency_ms": 1400,
            "answer": AnswerClass.KEPT,
            "decision": Decision.BECAME_CURRENT,
        }
        for before in range(times):
            RefreshAttempt.objects.create(**(values | facts), at=at - timedelta(hours=before))


def support_reads(works: Works, connection: Connection) -> str:
    """The support page of this connection, within a look."""
    sam = works.person("sam@portal.example", "Sam", Role.MEMBER)
    User.objects.filter(id=sam.id).update(is_support=True)
    client = signed_in(sam)
    client.post("/support/acme/", {"reason": "Ticket 4711: it stopped"})
    return text(client.get(f"/support/acme/connections/{connection.id}/"))


class TestAGrantWhoseAnswerWasLost:
    """The vendor is strict: what it spent once it refuses for good."""

    @pytest.fixture
    def lost(self, works: Works, vendor: Vendor) -> Connection:
        connection = works.connection(link_by_consent(works, vendor))
        self._ask(works, connection)
        vendor.order("/switches", refresh_grace_seconds=0, refresh_reuse="revokes_family")
        vendor.order("/faults", match=TOKEN, kind="cut")
        for minutes in (0, 3, 2, 15):
            clock.shift(timedelta(minutes=minutes))
            self._ask(works, connection)
        found = again(works, connection)
        assert (found.state, found.last_error) == ("needs_reauthorization", "grant_lost")
        return found

    @staticmethod
    def _ask(works: Works, connection: Connection) -> None:
        with works.inside():
            Credential.objects.update(expires_at=clock.now() - timedelta(minutes=1))
        worker = roles.using_role("worker")
        with worker, tenancy.acting_for(works.acme), suppress(VendorError):
            refresh.fresh(connection, wait_seconds=0)

    def test_its_story_is_told_to_people_and_support(
        self, works: Works, lost: Connection, alice: Client
    ) -> None:
        overview = text(alice.get(base_of(lost)))
        tab = text(alice.get(base_of(lost) + "credential"))
        record = text(alice.get(base_of(lost) + "record"))
        support = support_reads(works, lost)

        for page in (overview, tab, record, support):
            assert LOST in page
            assert "was asked, and no whole answer came" in page
            assert "refused the token of the missing answer, and we look again" in page
        for page in (tab, support):
            assert "No whole answer: the token may be spent" in page
            assert "Believed: it needs a new link" in page
            assert "version 1 became 2" in page
        for page in (overview, tab, record, support):
            for secret in self._secrets(works):
                assert secret not in page

    def test_others_read_nothing_of_it(self, works: Works, lost: Connection) -> None:
        with works.inside():
            Connection.objects.filter(id=lost.id).update(granted_by_id=None)
        bob = signed_in(works.person("bob@acme.example", "Bob", Role.MEMBER))
        assert bob.get(base_of(lost) + "credential").status_code == 403
        assert LOST not in bob.get(base_of(lost)).content.decode()
        globex = works.organization("globex")
        stranger = signed_in(works.person("eve@globex.example", "Eve", Role.OWNER, globex))
        for tab in ("", "credential", "record", "leases"):
            assert stranger.get(base_of(lost) + tab).status_code == 404

    @staticmethod
    def _secrets(works: Works) -> list[str]:
        """The tokens, and whole fingerprints of them."""
        with roles.using_role("worker"), works.inside():
            held = Credential.objects.get(replaced_at=None)
            tokens = [
                vault.open(places.of_credential(held, field)).reveal()
                for field in (places.ACCESS, places.REFRESH)
            ]
            spent = RefreshAttempt.objects.exclude(spent="").values_list("spent", flat=True)
            return [*tokens, *spent]


class TestWords:
    def test_whatever_the_rules_decide_has_a_title(self) -> None:
        for rule in lineage.RULES:
            is_told = (rule.answer, rule.decision) in attempts.TITLES
            assert is_told or rule.decision is Decision.IGNORED_MOVED_ON, rule
        assert attempts.ANSWERS.keys() == set(AnswerClass)
        assert attempts.DECISIONS.keys() == set(Decision)
        callers = {value for name, value in vars(Caller).items() if name.isupper()}
        assert attempts.CALLERS.keys() == callers


class TestTheTimeLine:
    def test_quiet_renewals_are_one_line_around_what_happened(
        self, works: Works, connection: Connection, alice: Client
    ) -> None:
        wrote(works, connection, times=23)
        trouble = {"answer": AnswerClass.REFUSED, "decision": Decision.SUSPECT}
        wrote(works, connection, at=NOW - timedelta(days=2), received_version=None, **trouble)
        wrote(works, connection, times=7, at=NOW - timedelta(days=3))
        with works.inside():
            audit.record(audit.Action.CONNECTION_EDITED, actor=works.alice, subject=connection)

        for tab in ("", "credential", "record"):
            page = text(alice.get(base_of(connection) + tab))
            assert page.count("Token renewed 23 times") == 1
            assert page.count("Token renewed 7 times") == 1
            assert "refused the token, and we look again" in page
        assert "asked by the schedule · version 4 · 1.4 seconds · worker crane:17" in text(
            alice.get(base_of(connection))
        )

    def test_a_vendor_that_is_away_all_day_is_one_line(
        self, works: Works, connection: Connection, alice: Client
    ) -> None:
        away = {"answer": AnswerClass.TEMPORARY, "decision": Decision.RETRY_LATER}
        wrote(works, connection, times=40, latency_ms=None, received_version=None, **away)
        assert "The token could not be renewed yet, 40 times" in text(
            alice.get(base_of(connection))
        )

    def test_another_credential_has_a_line_of_its_own(
        self, works: Works, connection: Connection, alice: Client
    ) -> None:
        wrote(works, connection, times=3)
        wrote(works, connection, times=4, at=NOW - timedelta(days=2), credential_id=uuid4())
        page = text(alice.get(base_of(connection)))
        assert "Token renewed 3 times" in page and "Token renewed 4 times" in page

    def test_pages_of_the_record_tell_each_renewal_once(
        self, works: Works, connection: Connection, alice: Client
    ) -> None:
        with works.inside():
            for _ in range(60):
                audit.record(audit.Action.CONNECTION_EDITED, actor=works.alice, subject=connection)
        wrote(works, connection, at=timezone.now())
        wrote(works, connection, times=2, at=NOW - timedelta(days=1))

        first = text(alice.get(base_of(connection) + "record"))
        second = text(alice.get(base_of(connection) + "record" + next_of(first)))
        assert first.count("Token renewed") == second.count("Token renewed") == 1
        assert "Token renewed 2 times" in second


class TestTheTable:
    def test_it_is_paged_and_says_only_part_of_a_fingerprint(
        self, works: Works, connection: Connection, alice: Client
    ) -> None:
        wrote(works, connection, times=60)
        place = base_of(connection) + "credential"
        first = text(alice.get(place))
        second = text(alice.get(place + next_of(first)))

        assert "Token renewed 50 times" in first and "Token renewed 10 times" in second
        assert "spent 5ca1ab1e…" in first and "5ca1ab1e0" not in first
        assert alice.get(place, {"renewals": "x"}).status_code == 400

    def test_a_text_in_it_stays_text(
        self, works: Works, connection: Connection, alice: Client
    ) -> None:
        wrote(works, connection, worker="<b>crane", reference="<i>x")
        page = text(alice.get(base_of(connection) + "credential"))
        assert "<b>crane" not in page and "&lt;b&gt;crane" in page and "<i>x" not in page


class TestSupport:
    def test_it_reads_the_last_sync_with_its_trouble(self, works: Works, vendor: Vendor) -> None:
        connection = works.connection(link_by_consent(works, vendor))
        works.sync(connection)
        page = support_reads(works, connection)
        assert "Last sync" in page and "Complete" in page and "Syncs before" not in page

    def test_its_list_and_its_page_agree_on_what_is_lacking(
        self, works: Works, connection: Connection
    ) -> None:
        with roles.using_role("worker"), works.inside():
            seen = Verification.objects.create(
                connection=connection, outcome="partly", finished_at=NOW
            )
            Check.objects.create(
                verification=seen, position=1, key="x", title="Read pull requests",
                outcome="missing", error="scope_missing",
            )  # fmt: skip
        page = support_reads(works, connection)
        client = signed_in(works.person("sue@portal.example", "Sue", Role.MEMBER))
        User.objects.filter(email="sue@portal.example").update(is_support=True)
        client.post("/support/acme/", {"reason": "Ticket 4712: it lacks"})
        listed = text(client.get("/support/acme/connections/"))
        assert "state--attention" in page and "state--attention" in listed
        assert "state--working" not in listed

    def test_what_is_broken_is_told_as_broken(self, works: Works, connection: Connection) -> None:
        with roles.using_role("worker"), works.inside():
            Connection.objects.filter(id=connection.id).update(
                state="needs_reauthorization", last_error="grant_lost", last_error_at=NOW
            )
        assert "notice tone--danger" in support_reads(works, connection)


def next_of(page: str) -> str:
    """The address of the next page, from its link."""
    before, _ = page.split('rel="next"', 1)
    return before.rsplit('href="', 1)[1].split('"', 1)[0].replace("&amp;", "&")
