"""An answer that cannot be settled waits on disk, alone, and the others become current."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from django.conf import LazySettings

from connections.errors import Unavailable
from connections.flows import breaker, keeping, refreshing, renewals, spool
from connections.flows.refreshing import EndpointBook, Outcome
from connections.flows.vendors import Where
from connections.lineage import AnswerClass
from connections.models import Credential
from portal import clock, erasing, key_stand, roles, tenancy, vault
from portal.secret import Secret
from tests.grants import consented, plant
from tests.vendor import Vendor
from tests.works import Works

GRANTS = 5
LEASE_IS_OVER = timedelta(seconds=121)
FOR_EVER = 10**12  # a life that ends after the last day that there is


@pytest.fixture
def outcomes(works: Works, vendor: Vendor, settings: LazySettings, tmp_path: Path) -> list[Outcome]:
    """The vendor has answered for each, and nothing is settled."""
    settings.SPOOL_DIR = tmp_path / "spool"
    settings.REFRESH_PER_SECOND = 1000
    plant(works.acme, works.register(vendor.consumer("acme-portal")), consented(vendor, GRANTS))
    with roles.using_role("worker"), tenancy.acting_for(works.acme):
        claimed = refreshing.claim_due("bitbucket-cloud")
        book = EndpointBook()
        book.learn(claimed)
        return [refreshing.ask(one, book) for one in claimed]


def poisoned(one: Outcome) -> Outcome:
    """The same, of such a kind that settling it raises something nobody thought of."""
    assert one.tokens is not None
    return replace(one, tokens=replace(one.tokens, expires_in_seconds=FOR_EVER))


def versions(works: Works) -> list[int]:
    with works.inside():
        return sorted(Credential.objects.values_list("version", flat=True))


def spooled(settings: LazySettings) -> list[str]:
    return [path.stem for path in Path(settings.SPOOL_DIR).glob("*.answer")]


def test_one_that_cannot_be_settled_is_spooled_and_the_others_are_kept(
    works: Works, outcomes: list[Outcome], settings: LazySettings
) -> None:
    bad = outcomes[2] = poisoned(outcomes[2])
    with roles.using_role("worker"), tenancy.acting_for(works.acme):
        assert len(keeping.keep(outcomes)) == GRANTS - 1
    assert versions(works) == [1] + [2] * (GRANTS - 1)
    assert spooled(settings) == [str(bad.claimed.attempt_id)]


def test_one_alone_is_on_disk_before_its_trouble_is_raised(
    works: Works, outcomes: list[Outcome], settings: LazySettings
) -> None:
    bad = poisoned(outcomes[0])
    with (
        roles.using_role("worker"),
        tenancy.acting_for(works.acme),
        pytest.raises(OverflowError),
    ):
        keeping.keep([bad])
    assert spooled(settings) == [str(bad.claimed.attempt_id)]


def test_a_spooled_answer_comes_before_its_parent_is_asked_again(
    works: Works, vendor: Vendor, outcomes: list[Outcome], settings: LazySettings
) -> None:
    with roles.using_role("worker"), tenancy.acting_for(works.acme):
        spool.put(outcomes)
    sent = vendor.ask("/calls")["calls"]
    with clock.shifted(LEASE_IS_OVER):
        renewals.start_due()
        works.drain()
    assert versions(works) == [2] * GRANTS
    assert vendor.ask("/calls")["calls"] == sent
    assert not spooled(settings)


def test_what_cannot_be_replayed_yet_waits_and_keeps_no_other_from_it(
    works: Works, outcomes: list[Outcome], settings: LazySettings
) -> None:
    """A key may come back, and so may whatever else is missing: the only copy is never put away."""
    with roles.using_role("worker"), tenancy.acting_for(works.acme):
        spool.put([poisoned(outcomes[0]), *outcomes[1:]])
    broken = Path(settings.SPOOL_DIR) / f"{outcomes[1].claimed.attempt_id}.answer"
    record = json.loads(broken.read_text())
    sealed = base64.b64decode(record["sealed"])
    record["sealed"] = base64.b64encode(sealed[:-1] + bytes([sealed[-1] ^ 1])).decode()
    broken.write_text(json.dumps(record))
    with roles.using_role("worker"):
        assert spool.replay() == GRANTS - 2
    waiting = {str(one.claimed.attempt_id) for one in outcomes[:2]}
    assert set(spooled(settings)) == waiting


def test_what_was_never_sent_says_nothing_of_the_vendor(
    works: Works, outcomes: list[Outcome]
) -> None:
    late = Unavailable("The lease would not outlast the call.")
    unsent = [
        replace(one, answer=AnswerClass.CONNECTOR_FAULT, tokens=None, error=late, latency_ms=None)
        for one in outcomes
    ]
    with roles.using_role("worker"), tenancy.acting_for(works.acme):
        keeping.keep(unsent)
        with tenancy.transaction():
            assert not breaker.is_open(Where("bitbucket-cloud"))


def test_the_key_of_the_intake_is_kept_while_something_lies_under_it(
    works: Works, outcomes: list[Outcome], settings: LazySettings
) -> None:
    """On disk or on its way in; and what an erased organization has on disk goes."""
    with roles.using_role("worker"), tenancy.acting_for(works.acme):
        spool.put(outcomes)
    with works.inside():
        place = vault.Place(works.acme.id, "t", uuid4(), "secret")
        vault.take_in(place, Secret("s"), expires_at=clock.now() + timedelta(hours=1))
    assert key_stand.outside() == {"outside/v1": GRANTS}
    assert key_stand.uses("intake", 1) == GRANTS + 1
    assert key_stand.uses("intake", 2) == 0
    with roles.using_role("worker"):
        with works.inside():
            erasing.destroy()
        assert spool.replay() == 0
    assert not spooled(settings)
    assert key_stand.uses("intake", 1) == 0
