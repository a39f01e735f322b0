"""An answer that cannot be settled waits on disk, alone, and the others become current."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from django.conf import LazySettings

from connections.flows import keeping, refreshing
from connections.flows.refreshing import EndpointBook, Outcome
from connections.models import Credential
from portal import roles, tenancy
from tests.grants import consented, plant
from tests.vendor import Vendor
from tests.works import Works

GRANTS = 5
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
