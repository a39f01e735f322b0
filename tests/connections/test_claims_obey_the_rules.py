"""What PostgreSQL does is what the rules of refresh say, for every row there can be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import product
from typing import Any
from uuid import UUID, uuid4

import pytest

from connections import lineage
from connections.flows import refreshing, settlement
from connections.flows.refreshing import Caller, Claimed, Outcome
from connections.lineage import AnswerClass, GrantView
from connections.models import Connection, Consumer, Credential
from connections.oauth_answers import TokenAnswer
from portal import clock, roles, tenancy
from tests.grants import Granted, plant
from tests.works import Works

VERSION = 3
OTHER = UUID(int=7)
HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Case:
    """One row: what the rules are asked, and what is written into the table."""

    view: GrantView
    connection_id: UUID
    columns: dict[str, Any]


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> datetime:
    """A moment that stands still, so that "exactly now" can be tried."""
    moment = clock.now()
    monkeypatch.setattr(clock, "now", lambda: moment)
    return moment


@pytest.fixture
def consumer(works: Works) -> Consumer:
    with works.inside():
        made: Consumer = Consumer.objects.create(
            connector="bitbucket-cloud", name="Acme", client_id="acme", sealed_at=clock.now()
        )
    return made


def views(now: datetime) -> Iterator[GrantView]:
    """Every row; what is in doubt has been due since its claim."""
    moments = (None, now - HOUR, now, now + HOUR)
    for until, due_at, intent, held_back, live in product(
        moments, moments, (None, VERSION), (False, True), (False, True)
    ):
        if intent is None or (due_at is not None and due_at <= now):
            owner = None if until is None else OTHER
            yield GrantView(
                version=VERSION,
                intent_version=intent,
                lease_owner=owner,
                lease_until=until,
                due_at=due_at,
                quarantined=held_back,
                live=live,
            )


def written(works: Works, consumer: Consumer, found: list[GrantView]) -> list[Case]:
    granted = [Granted(f"account {n}", f"access {n}", f"refresh {n}") for n in range(len(found))]
    ids = plant(works.acme, consumer, granted)
    cases = [
        Case(
            view,
            connection_id,
            {
                "version": view.version,
                "intent_version": view.intent_version,
                "lease_owner": view.lease_owner,
                "lease_until": view.lease_until,
                "refresh_due_at": view.due_at,
                "quarantined_at": clock.now() if view.quarantined else None,
            },
        )
        for view, connection_id in zip(found, ids, strict=True)
    ]
    with roles.using_role("worker"), works.inside():
        for case in cases:
            Credential.objects.filter(connection_id=case.connection_id).update(**case.columns)
            if not case.view.live:
                Connection.objects.filter(id=case.connection_id).update(
                    state=Connection.State.REVOKED, revoked_at=clock.now()
                )
    return cases


def test_due_grants_are_claimed_as_the_rules_say(
    works: Works, consumer: Consumer, now: datetime
) -> None:
    cases = written(works, consumer, list(views(now)))
    expected = {case.connection_id for case in cases if lineage.may_claim(case.view, now)}
    assert 10 < len(expected) < len(cases) / 2

    with roles.using_role("worker"), tenancy.acting_for(works.acme):
        found = refreshing.claim_due("bitbucket-cloud", len(cases))
    assert {one.row.connection_id for one in found} == expected
    stands_as_claimed(works, cases, found, now)


def test_a_wanted_grant_is_claimed_as_the_rules_say(
    works: Works, consumer: Consumer, now: datetime
) -> None:
    cases = written(works, consumer, list(views(now)))
    with works.inside():
        known = dict(Credential.objects.values_list("connection_id", "id"))
    with roles.using_role("worker"), tenancy.acting_for(works.acme):
        for case in cases:
            credential_id = known[case.connection_id]
            found = refreshing.claim_one(credential_id, VERSION, Caller.SYNC)
            may = lineage.may_claim(case.view, now, wanted=True)
            assert (found is not None) == may, case.view
            if found is not None:
                stands_as_claimed(works, [case], [found], now)
            assert refreshing.claim_one(credential_id, VERSION - 1, Caller.SYNC) is None


def stands_as_claimed(works: Works, cases: list[Case], found: list[Claimed], now: datetime) -> None:
    """The rows after the claim are those of `lineage.claimed`."""
    of = {case.connection_id: case.view for case in cases}
    with roles.using_role("worker"), works.inside():
        rows = {row.id: row for row in Credential.objects.all()}
    for one in found:
        after = lineage.claimed(of[one.row.connection_id], one.owner, now)
        row = rows[one.row.credential_id]
        stored = (row.version, row.intent_version, row.lease_owner, row.lease_until)
        rules = (after.version, after.intent_version, after.lease_owner, after.lease_until)
        assert stored == rules
        assert one.row.doubted == after.doubted
        assert row.refresh_due_at is None or row.refresh_due_at <= now


def test_an_answer_is_kept_as_the_rules_say(
    works: Works, consumer: Consumer, now: datetime
) -> None:
    """The compare-and-swap is written in SQL; the rules `keep` and those before it, in a table."""
    mine = uuid4()
    asked = list(product((None, mine, OTHER), (now - HOUR, now + HOUR), (VERSION, VERSION - 1)))
    found = [
        GrantView(
            version=VERSION,
            intent_version=None if owner is None else VERSION,
            lease_owner=owner,
            lease_until=None if owner is None else until,
            due_at=now,
        )
        for owner, until, _ in asked
    ]
    cases = written(works, consumer, found)
    outcomes = [
        kept(works, case, mine, parent, now)
        for case, (_, _, parent) in zip(cases, asked, strict=True)
    ]
    with roles.using_role("worker"), tenancy.acting_for(works.acme):
        settled = {
            one.outcome.claimed.row.connection_id: one for one in settlement.settle(outcomes)
        }

    for case, (_, _, parent) in zip(cases, asked, strict=True):
        decision = lineage.decide(
            case.view, parent=parent, answer=AnswerClass.KEPT, owner=mine, now=now
        )
        after = lineage.settled(case.view, decision, owner=mine, now=now)
        assert settled[case.connection_id].decision is decision, case.view
        with works.inside():
            row = Credential.objects.get(connection_id=case.connection_id)
        stored = (row.version, row.intent_version, row.lease_owner)
        assert stored == (after.version, after.intent_version, after.lease_owner)


def kept(works: Works, case: Case, owner: UUID, parent: int, now: datetime) -> Outcome:
    """A well-formed answer to this parent, asked for under this lease."""
    with works.inside():
        credential = Credential.objects.get(connection_id=case.connection_id)
    row = refreshing.Row(
        credential.id,
        case.connection_id,
        parent,
        False,
        1,
        None,
        "bitbucket-cloud",
        "oauth",
        None,
        False,
        False,
        False,
        "Grant",
        now.isoformat(),
    )
    tokens = TokenAnswer("new access", "new refresh", 7200, None)
    claimed = Claimed(uuid4(), row, owner, Caller.SCHEDULE, 0.0)
    return Outcome(claimed, AnswerClass.KEPT, now, tokens)
