"""The benchmarks run: at tiny sizes, without judging a time."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from connections.models import Delivery
from tests.bench import (
    applying,
    carrying,
    fencing,
    flooding,
    growing,
    importing,
    ingesting,
    listing,
    memory,
    polling,
    reading,
    refreshing,
    rewrapping,
    rounds,
    sealing,
)
from tests.bench.rounds import Line
from tests.bench.stage import database_name
from tests.servers import Servers
from tests.vendor import Vendor
from tests.works import Works


def test_a_bound_is_a_bound_on_the_median() -> None:
    assert Line("ratio", [1.0, 1.1, 9.0], 1.15).holds
    assert not Line("ratio", [1.0, 1.2, 1.2], 1.15).holds
    assert not Line("speed-up", [5.0, 5.5, 7.0], 6, at_least=True).holds
    assert "MISSED" in Line("speed-up", [5.0], 6, at_least=True).text()


def test_the_sides_are_interleaved() -> None:
    order: list[str] = []

    def side(name: str) -> float:
        order.append(name)
        return float(len(order))

    samples = rounds.interleaved({"a": lambda: side("a"), "b": lambda: side("b")}, rounds=2)

    assert order == ["a", "b"] * 3
    assert samples == {"a": [3.0, 5.0], "b": [4.0, 6.0]}


def test_raw_samples_are_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert rounds.report("x", "a test", [Line("one", [1.0], 2.0)], {"a": [1.0]}, tmp_path)

    assert list(tmp_path.glob("x-*.json"))
    assert "holds" in capsys.readouterr().out


def test_both_readers_read_the_same(servers: Servers, db: None) -> None:
    with reading.scene(servers, (2, 1), 0) as at:
        assert reading.ours(at) > 0
        assert reading.library(at) > 0


def test_a_poll_costs_what_changed(servers: Servers, db: None) -> None:
    with polling.scene(servers, 4) as at:
        assert polling.cost(at, 0) == 1
        before = polling.mark(at)
        assert polling.cost(at, 0) == 1 and polling.mark(at) == before
        assert polling.cost(at, 3) == 4


def test_the_memory_of_a_reading_is_measured(servers: Servers, db: None, tmp_path: Path) -> None:
    with growing.scene(tmp_path, 3) as at:
        at.vendor.order("/repositories", workspace=growing.SPACE, count=5)
        assert max(growing.read(at)) > 1000
        assert growing.held(at) > 0


def test_the_list_is_measured(servers: Servers, db: None) -> None:
    with listing.scene(servers, 300, page=3) as at:
        assert listing.cost(at, "/o/acme/connections/", requests=1) > 0
        assert listing.cost(at, "/o/acme/bare", requests=1) > 0
        assert listing.queries(at, at.far) <= listing.MOST_QUERIES


def test_both_sweeps_refresh_every_grant(
    servers: Servers, db: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refreshing, "ORGANIZATIONS", 2)  # the scene, not what it measures
    with refreshing.scene(servers, tmp_path, 60) as at:
        assert refreshing.ours(at) > 0
        assert refreshing.bare(at, 2, 4) > 0


def test_an_import_is_measured(servers: Servers, db: None, tmp_path: Path) -> None:
    with importing.scene(tmp_path, 30, 1000) as at:
        assert importing.ours(at, importing.check(at)) > 0
        assert importing.growth(at) > 0


def test_memory_is_told_by_program() -> None:
    assert memory.pss(os.getpid()) > 1000
    assert memory.name_of(os.getpid())
    assert os.getpid() in memory.family(os.getppid())


def test_data_keys_are_wrapped_anew(servers: Servers, db: None) -> None:
    with rewrapping.scene(servers, 20) as at:
        assert at.rewrap() > 0
        assert at.start() > 0


def test_a_lease_is_measured_with_and_without_its_cipher(servers: Servers, db: None) -> None:
    with sealing.scene(servers) as at:
        assert sealing.measured(at.sealed, [], seconds=0.1) > 0
        assert sealing.measured(at.plain, [], seconds=0.1) > 0


def test_webhooks_are_taken_in_by_both_sides(servers: Servers, db: None) -> None:
    with ingesting.scene(servers) as at:
        assert ingesting.measured(at, at.ours, kept := [], seconds=0.2) > 0
        assert ingesting.measured(at, at.bare, [], seconds=0.2) > 0
        assert len(at.vendor.deliveries()) == len(kept[0].times)


def test_every_side_empties_the_same_inbox(servers: Servers, db: None) -> None:
    with applying.scene(servers) as at:
        assert applying.ours(at, 250) > 0
        with at.vendor.works.inside():
            found = Delivery.objects.filter(state="applied", effect__touches__0__1__isnull=False)
            assert found.count() == 250
        assert applying.bare(at, 250) > 0
        assert applying.messages(at, 250) >= 0
        with applying.tasks(at) as do:
            assert do(20) > 0


def test_what_is_told_arrives_through_every_process(
    servers: Servers, works: Works, vendor: Vendor
) -> None:
    with carrying.scene(servers, works, vendor, 1, 10) as at:
        found = carrying.carried(at, 10, 20.0)
        assert found.is_whole and found.accepted == 10


def test_one_is_measured_beside_a_flood(servers: Servers, db: None) -> None:
    with flooding.scene() as at:
        assert len(flooding.steady(at, 0.2)) == 10
        assert len(flooding.beside(at, 0.3)) == 15
        assert at.answers["202"] > 0


def test_a_page_is_measured_with_and_without_its_fence(servers: Servers, db: None) -> None:
    with (
        listing.scene(servers, 60, page=2) as at,
        servers.postgres.connect(database_name()) as admin,
    ):
        fencing.neighbour(admin)
        assert fencing.measured(admin, at, fenced=False, requests=1) > 0
        assert fencing.measured(admin, at, fenced=True, requests=1) > 0
