"""A server that its people run refuses everybody: it has a breaker of its own."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from connections import tasks
from connections.flows import (
    breaker,
    holding,
    incidents,
    link,
    refreshing,
    renewals,
    told_kinds,
    vendors,
    witnesses,
)
from connections.flows.health import refused as settle_refusal
from connections.flows.server_failures import ServerWindow
from connections.flows.vendors import Where
from connections.grant_explanations import INCIDENT, SERVER_INCIDENT
from connections.models import Breaker, Connection, Consumer
from connections.queries import health
from portal import clock, roles, tenancy
from portal.models import Job, Notice, Organization, Team
from portal.secret import Secret
from tests.connections.test_self_hosted import SLUG, begin, place, registered
from tests.grants import Granted, plant
from tests.leasing import code_of, linked, service, with_token
from tests.vendor import Vendor
from tests.works import Works

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
HERE, ELSEWHERE = "https://git.acme.example/bitbucket", "https://git.acme.example/other"
CLOUD = Where("bitbucket-cloud")
STORMS = (told_kinds.STORM, told_kinds.STORM_OPERATORS)
ACME, GLOBEX = uuid4(), uuid4()
ONE, TWO, THREE, FOUR, FIVE = (uuid4() for _ in range(5))

Heard = tuple[int, UUID, UUID, bool]  # second, organization, connection, whether it was well


def window(*heard: Heard) -> ServerWindow:
    """A server's window in which these answers were heard, one after the other."""
    found = ServerWindow([], now=NOW)
    for second, organization, connection, is_well in heard:
        found = ServerWindow(found.entries, now=NOW + timedelta(seconds=second))
        answered = {"good": [connection] if is_well else [], "faults": []}
        found.add(organization, refused=[] if is_well else [connection], **answered)
    return found


@pytest.fixture(autouse=True)
def _real_time() -> Iterator[None]:
    yield
    clock.reset()


@pytest.mark.parametrize(
    ("heard", "is_storm"),
    [
        pytest.param([(n * 90, ACME, ONE, False) for n in range(9)], False, id="one, often"),
        pytest.param([(0, ACME, ONE, False), (1, ACME, TWO, False)], False, id="two withdrawn"),
        pytest.param(
            [(0, ACME, TWO, True), (300, ACME, FOUR, True), (600, ACME, ONE, False),
             (610, ACME, TWO, False), (620, ACME, THREE, False)],
            True, id="what was well before says nothing",
        ),
        pytest.param(
            [(0, ACME, ONE, False), (2, ACME, FOUR, True), (500, ACME, ONE, False),
             (501, ACME, TWO, False), (502, ACME, THREE, False)],
            False, id="one that was well since",
        ),
        pytest.param(
            [(0, ACME, ONE, False), (400, GLOBEX, TWO, False), (800, ACME, THREE, False)],
            True, id="of several organizations",
        ),
        pytest.param(
            [(0, ACME, ONE, False), (1, ACME, TWO, False), (2, ACME, THREE, False),
             (3, ACME, FOUR, False), (9, GLOBEX, FIVE, True)],
            False, id="one organization alone",
        ),
        pytest.param(
            [(0, ACME, ONE, False), (700, ACME, TWO, False), (1300, ACME, THREE, False)],
            False, id="more than twenty minutes apart",
        ),
    ],
)  # fmt: skip
def test_a_server_is_at_fault_when_three_are_refused_and_next_to_none_is_well(
    heard: list[Heard], is_storm: bool
) -> None:
    assert bool(window(*heard).storm()) is is_storm


# ── Its breaker ───────────────────────────────────────────────────────────────────────────────


def refused(base_url: str, count: int = 3, *, by: Organization | UUID) -> Where:
    """As many connections of that organization are refused new tokens by the server there."""
    with roles.using_role("worker"), tenancy.acting_for(by):
        where = vendors.at(SLUG, base_url)
        breaker.note(where, where.token_host, refused=[uuid4() for _ in range(count)])
        return where


def is_open(works: Works, where: Where) -> bool:
    with roles.using_role("worker"), works.inside():
        return breaker.is_open(where)


def at_server(works: Works, name: str, base_url: str = HERE) -> Connection:
    """A connection that a worker has seen refused there."""
    with works.inside():
        made = linked(works.acme, name, connector=SLUG, fields={"base_url": base_url})
    with roles.using_role("worker"), works.inside():
        vendors.learn(made)
        made.failed("reauthorization_required")
    return made


class TestItsBreaker:
    def test_is_opened_by_three_of_any_organization_and_for_that_server_only(
        self, works: Works
    ) -> None:
        globex = works.organization("globex")
        here = refused(HERE, 1, by=works.acme)
        refused(HERE, 1, by=globex)
        assert not is_open(works, here)
        refused(HERE, 1, by=globex)

        assert is_open(works, here)
        with roles.using_role("worker"), tenancy.acting_for(works.acme):
            there = vendors.at(SLUG, ELSEWHERE)
            assert breaker.take(here, 5) == 0
            assert breaker.take(there, 5) == breaker.take(CLOUD, 5) == 5
        assert not is_open(works, there) and not is_open(works, CLOUD)

    def test_names_no_server_to_other_organizations(self, works: Works) -> None:
        refused(HERE, by=works.acme)
        with works.inside(works.organization("globex")):
            rows = str(list(Breaker.everywhere.values()))
        assert SLUG in rows
        assert "acme" not in rows and "bitbucket/" not in rows and str(works.acme.id) not in rows

    def test_counts_no_refused_consumer(self, works: Works) -> None:
        """It is its organization's own, which is told; no grant is doubted for it."""
        with roles.using_role("worker"), tenancy.acting_for(works.acme):
            where = vendors.at(SLUG, HERE)
            breaker.note(where, where.token_host, faults=[uuid4() for _ in range(9)])
        assert not is_open(works, where)

    def test_begins_to_close_though_some_stay_withdrawn(self, works: Works) -> None:
        """Three tokens were withdrawn, and one of them was replaced: the two are told of then."""
        with roles.using_role("worker"), tenancy.acting_for(works.acme):
            where = vendors.at(SLUG, HERE)
            breaker.note(where, where.api_host, refused=[ONE, TWO, THREE])
            for _ in range(3):
                clock.shift(timedelta(minutes=13))
                breaker.note(where, where.api_host, good=[ONE])
                breaker.note(where, where.api_host, refused=[TWO, THREE])
            clock.shift(timedelta(minutes=3))
            breaker.settle_all()
        assert not is_open(works, where)

    def test_stays_open_while_all_are_refused(self, works: Works) -> None:
        where = refused(HERE, by=works.acme)
        for _ in range(5):
            clock.shift(timedelta(minutes=13))
            refused(HERE, by=works.acme)
        assert is_open(works, where)


def test_others_at_its_server_are_asked_when_one_is_refused(works: Works) -> None:
    """Or the first suspicion would be believed before anybody else was heard of."""
    first, second = at_server(works, "One"), at_server(works, "Two")
    at_server(works, "Three", ELSEWHERE)
    with roles.using_role("worker"), works.inside():
        for _ in range(2):
            settle_refusal(first, "reauthorization_required")
        assert [job.ref["connection_id"] for job in Job.objects.filter(kind=witnesses.LOOK)] == [
            str(second.id)
        ]


# ── What people read ──────────────────────────────────────────────────────────────────────────


class TestPeople:
    def look_after(self, *, minutes: float = 0) -> None:
        clock.shift(timedelta(minutes=minutes))
        with roles.using_role("worker"):
            incidents.look_after()

    def told(self, works: Works, organization: Organization | UUID, kind: str) -> list[Notice]:
        with tenancy.acting_for(organization), tenancy.transaction():
            return list(Notice.objects.filter(kind=kind))

    def test_read_of_their_own_server_only(self, works: Works) -> None:
        here, there = at_server(works, "Here"), at_server(works, "There", ELSEWHERE)
        refused(HERE, by=works.acme)
        with works.inside():
            known = health.incidents()
            assert health.trouble_code(here, None, known) == SERVER_INCIDENT
            assert health.trouble_code(there, None, known) == "reauthorization_required"
            cloud = Connection(connector="bitbucket-cloud", last_error="unavailable")
            assert health.trouble_code(cloud, None, known) == "unavailable"
            assert health.trouble_code(cloud, None, known | {("bitbucket-cloud", "")}) == INCIDENT

    def test_are_not_mailed_about_single_connections_there(self, works: Works) -> None:
        subjects = [at_server(works, "Here"), at_server(works, "There", ELSEWHERE)]
        refused(HERE, by=works.acme)
        found = [Notice(id=uuid4(), subject_id=each.id) for each in subjects]
        with roles.using_role("worker"), tenancy.acting_for(works.acme):
            assert holding.of_open_breakers(found) == {found[0].id}

    def test_operators_are_told_at_once_and_its_people_after_an_hour(self, works: Works) -> None:
        at_server(works, "Here")
        globex = works.organization("globex")
        with works.inside(globex):
            linked(globex, "Cloud")
        refused(HERE, by=works.acme)
        self.look_after()

        (one,) = self.told(works, tenancy.PLATFORM, told_kinds.STORM_OPERATORS)
        assert one.title == "The breaker of a Bitbucket Data Center server is open"
        assert "1 organization" in one.body and "acme" not in one.title + one.body
        assert self.told(works, works.acme, told_kinds.STORM) == []

        self.look_after(minutes=61)
        (told,) = self.told(works, works.acme, told_kinds.STORM)
        server = "Bitbucket Data Center at git.acme.example/bitbucket"
        assert told.title == f"{server} refuses its connections"
        assert "1 connection" in told.body and "nothing needs linking again" in told.body
        assert self.told(works, globex, told_kinds.STORM) == []

    def test_hear_its_end_once_whichever_part_ends_last(self, works: Works) -> None:
        at_server(works, "Here")
        where = refused(HERE, by=works.acme)
        self.look_after(minutes=61)
        with roles.using_role("worker"), tenancy.acting_for(works.acme):
            breaker.note(where, where.api_host, refused=[uuid4() for _ in range(3)])
        for part, is_over in ((where.token_host, False), (where.api_host, True)):
            self.close(part)
            self.look_after(minutes=1)
            (told,) = self.told(works, works.acme, told_kinds.STORM)
            assert (told.resolved_at is not None) is is_over

    def test_are_left_alone_when_nobody_is_there_any_more(self, works: Works) -> None:
        here = at_server(works, "Here")
        where = refused(HERE, by=works.acme)
        self.look_after(minutes=61)
        with works.inside():
            Connection.objects.filter(id=here.id).update(state="revoked", revoked_at=clock.now())
        self.look_after(minutes=1)
        assert not is_open(works, where)
        for organization in (tenancy.PLATFORM, works.acme.id):
            with tenancy.acting_for(organization), tenancy.transaction():
                assert not Notice.objects.filter(resolved_at=None, kind__in=STORMS).exists()

    def close(self, part: str) -> None:
        platform = tenancy.acting_for(tenancy.PLATFORM)
        with roles.using_role("worker"), platform, tenancy.transaction():
            Breaker.objects.filter(host=part).update(state=Breaker.State.CLOSED)

    def test_services_read_that_it_is_an_incident(self, works: Works) -> None:
        code = with_token(works, hours=-0.1, connector=SLUG, fields={"base_url": HERE})
        with roles.using_role("worker"), works.inside():
            vendors.learn(code)
        reports = service(works, connectors=[SLUG])
        assert code_of(reports.ask(code, wait_seconds=0)) == (503, "no_fresh_token")
        refused(ELSEWHERE, by=works.acme)
        assert code_of(reports.ask(code, wait_seconds=0)) == (503, "no_fresh_token")
        refused(HERE, by=works.acme)
        assert code_of(reports.ask(code, wait_seconds=0)) == (503, "vendor_incident")


# ── Over real sockets ─────────────────────────────────────────────────────────────────────────


def link_person(works: Works, vendor: Vendor, user: str) -> Connection:
    """A connection with this person's own HTTP access token, of a team of its own."""
    made = vendor.order("/data-center/tokens", user=user, name=f"of-{user}")
    with works.inside():
        team = Team.objects.create(name=f"Team of {user}")
    pending = begin(works, works.admin)
    with works.inside():
        link.prepare(
            actor=works.admin,
            pending=pending,
            method="user-token",
            name=f"Code of {user}",
            team_id=team.id,
            consumer_id=None,
            fields={"base_url": place(vendor)},
            secret=Secret(made["token"]),
        )
    works.drain()
    return works.connection(works.reloaded(pending))


def pass_time(works: Works, *, minutes: int, step: int = 2) -> None:
    """So much time passes, and workers look at what is due and at what nobody heard of."""
    for _ in range(0, minutes, step):
        clock.shift(timedelta(minutes=step))
        with roles.using_role("worker"):
            tasks.start_due()
            tasks.start_probes()
            incidents.look_after()
        works.drain()


def states(works: Works) -> list[tuple[str, bool]]:
    with works.inside():
        rows = Connection.objects.order_by("name").values_list("state", "suspect_since")
        return [(state, since is not None) for state, since in rows]


def asked_to_link(works: Works) -> int:
    with works.inside():
        return Notice.objects.filter(kind=told_kinds.NEEDS_LINK).count()


def test_a_server_that_refuses_everybody_asks_nobody_to_link_again(
    works: Works, vendor: Vendor
) -> None:
    for user in ("dlevi", "tomas", "nora"):
        link_person(works, vendor, user)
    vendor.order("/faults", match="* /bitbucket/rest/*", kind="status", status=401, times=None)
    pass_time(works, minutes=45)
    assert {state for state, _ in states(works)} == {"active"}
    assert asked_to_link(works) == 0
    with works.inside():
        assert Breaker.everywhere.exclude(state="closed").exclude(server="").count() == 1

    vendor.order("/normal")
    pass_time(works, minutes=50)
    assert states(works) == [("active", False)] * 3

    vendor.order("/data-center/tokens/end", name="of-nora")
    pass_time(works, minutes=34)
    assert states(works) == [("active", False), ("needs_reauthorization", True), ("active", False)]
    assert asked_to_link(works) == 1


def test_two_withdrawn_tokens_are_told_in_the_usual_time(works: Works, vendor: Vendor) -> None:
    for user in ("dlevi", "tomas"):
        link_person(works, vendor, user)
        vendor.order("/data-center/tokens/end", name=f"of-{user}", revoked=True)
    pass_time(works, minutes=34)
    assert states(works) == [("needs_reauthorization", True)] * 2
    assert asked_to_link(works) == 2


def test_a_server_s_grants_wait_and_another_s_are_renewed(works: Works, vendor: Vendor) -> None:
    """Its token endpoint refuses three grants; those of a second server have their own budget."""
    at = {place(vendor): registered(works, vendor), ELSEWHERE: second_server(works)}
    for base_url, consumer in at.items():
        granted = [Granted(uuid4().hex, "access", f"refresh-{n}") for n in range(4)]
        ids = plant(works.acme, consumer, granted)
        with works.inside():
            Connection.objects.filter(id__in=ids).update(fields={"base_url": base_url})
    with roles.using_role("worker"), tenancy.acting_for(works.acme):
        counts = dict.fromkeys(((SLUG, place(vendor)), (SLUG, ELSEWHERE)), 4)
        assert refreshing.waiting() == counts
        (found,) = refreshing.claim_due(SLUG, 1, base_url=ELSEWHERE)
        assert found.row.base_url == ELSEWHERE
        renewals.start_due()
    works.drain()

    with roles.using_role("worker"), tenancy.acting_for(works.acme):
        here, there = vendors.at(SLUG, place(vendor)), vendors.at(SLUG, ELSEWHERE)
        with tenancy.transaction():
            assert breaker.is_open(here) and not breaker.is_open(there)
        assert breaker.take(here, 5) == 0 and breaker.take(there, 5) == 5


def second_server(works: Works) -> Consumer:
    with works.inside():
        made: Consumer = Consumer.objects.create(
            connector=SLUG, name="Another Bitbucket", client_id="unknown", base_url=ELSEWHERE
        )
    return made
