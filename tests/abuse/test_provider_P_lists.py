"""Abuse cases P: pages of a list that lie; nothing is lost, nothing is double, nothing loops."""

from __future__ import annotations

import time
from typing import Any

import pytest

from connections.models import Repository, RunState, StreamState, SyncFailure, SyncRun, Workspace
from tests.abuse.bench import Bench

REPOSITORIES = "GET /2.0/repositories/fjord-lab*"
COUNT = 60
ENDED = {RunState.FAILED, RunState.PARTIAL}


@pytest.fixture
def synced(bench: Bench) -> Bench:
    """Everything was read before, so there is something to lose."""
    if names(bench) != COUNT:
        assert bench.sync().state == RunState.DONE
    assert names(bench) == COUNT
    return bench


def names(bench: Bench) -> int:
    with bench.works.inside():
        found = Repository.objects.filter(workspace__slug="fjord-lab", gone_at=None)
        return found.values("remote_id").distinct().count()


def until_over(bench: Bench) -> SyncRun:
    """As the schedule would: again and again, until the run has ended."""
    for _ in range(9):
        run = bench.sync()
        if not run.is_live:
            return run
    raise AssertionError("the run never ends")


def nothing_lost(bench: Bench) -> None:
    assert names(bench) == COUNT
    bench.is_well()
    assert bench.sync().state == RunState.DONE
    assert names(bench) == COUNT


@pytest.mark.parametrize(
    "lie",
    [
        pytest.param("values_missing", id="P41-missing"),
        pytest.param("values_null", id="P41-null"),
        pytest.param("values_object", id="P41-object"),
        pytest.param("next_number", id="P44-number"),
        pytest.param("duplicate_keys", id="P08-list"),
        pytest.param("deep", id="P10-list"),
    ],
)
def test_a_page_that_is_none_ends_its_stream_alone(lie: str, synced: Bench) -> None:
    with synced.answering(REPOSITORIES, kind="body", lie=lie):
        run = until_over(synced)
    assert run.state in ENDED
    with synced.works.inside():
        chosen = StreamState.objects.filter(workspace__slug="fjord-lab", connection_id=synced.id)
        rows = list(chosen.filter(stream="repositories"))
        assert [row.error for row in rows] == ["unexpected_response"]
        assert [row.checkpoint for row in rows] == [None]
    nothing_lost(synced)


@pytest.mark.parametrize(
    ("lie", "bad"),
    [
        pytest.param("no_uuid", COUNT // 2, id="P42-no-uuid"),
        pytest.param("wrong_types", COUNT // 2, id="P42-wrong-types"),
        pytest.param("null_values", COUNT // 2, id="P42-nulls"),
        pytest.param("strings_for_items", COUNT // 2, id="P42-strings"),
        pytest.param("null_name", None, id="P42-null-name"),
        pytest.param("extra_fields", 0, id="P42-extra"),
    ],
)
def test_a_bad_item_is_shown_alone(lie: str, bad: int | None, synced: Bench) -> None:
    with synced.answering(REPOSITORIES, kind="body", lie=lie):
        run = until_over(synced)
    with synced.works.inside():
        failures = SyncFailure.objects.filter(run_id=run.id, stream="repositories").count()
    assert failures == bad or (bad is None and failures in (0, COUNT // 2))
    assert run.state == (RunState.PARTIAL if failures else RunState.DONE)
    nothing_lost(synced)


def test_P49_a_page_of_another_workspace_is_refused(synced: Bench) -> None:
    with synced.answering(REPOSITORIES, kind="body", lie="foreign_workspace"):
        run = until_over(synced)
    assert run.state in ENDED
    with synced.works.inside():
        assert not Repository.objects.filter(full_name__startswith="elsewhere/").exists()
        assert SyncFailure.objects.filter(run_id=run.id, stream="repositories").exists()
    nothing_lost(synced)


def test_P42_a_description_of_a_megabyte_is_not_kept(synced: Bench) -> None:
    """Sixty of them make a page that is larger than an answer may be: the stream ends alone."""
    with synced.answering(REPOSITORIES, kind="body", lie="big_description"):
        run = until_over(synced)
    assert run.state in ENDED | {RunState.DONE}
    nothing_lost(synced)


def test_P42_text_that_no_database_holds(synced: Bench) -> None:
    with synced.answering(REPOSITORIES, kind="body", lie="surrogate"):
        run = until_over(synced)
    assert run.state in ENDED
    nothing_lost(synced)


def test_P43_the_same_item_twice_is_one_row(synced: Bench) -> None:
    with synced.answering(REPOSITORIES, kind="body", lie="duplicate_items"):
        assert until_over(synced).state == RunState.DONE
    with synced.works.inside():
        found = list(Repository.objects.values_list("remote_id", flat=True))
    assert len(found) == len(set(found)) == COUNT
    nothing_lost(synced)


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param("next_foreign", id="P44-host"),
        pytest.param("next_self", id="P44-itself"),
        pytest.param("next_loop", id="P44-loop"),
    ],
)
def test_page_links_that_lead_astray(kind: str, synced: Bench) -> None:
    before = len(synced.vendor.requests())
    with synced.answering(REPOSITORIES, kind=kind):
        run = until_over(synced)
    assert run.state in ENDED
    assert len(synced.vendor.requests()) - before < 60
    nothing_lost(synced)


def test_P46_an_empty_list_is_held_back(synced: Bench) -> None:
    with synced.answering(REPOSITORIES, kind="body", lie="values_empty"):
        run = until_over(synced)
    assert run.state == RunState.QUARANTINED
    assert [held["missing"] for held in run.shrink] == [COUNT]
    nothing_lost(synced)


def test_P47_a_workspace_that_is_gone_keeps_what_was_read(synced: Bench) -> None:
    with synced.answering("GET /2.0/*fjord-lab*", kind="status", status=404):
        run = until_over(synced)
    assert run.state in ENDED
    with synced.works.inside():
        assert Workspace.objects.get(slug="fjord-lab").last_error == "remote_gone"
    nothing_lost(synced)
    with synced.works.inside():
        assert Workspace.objects.get(slug="fjord-lab").last_error == ""


@pytest.mark.parametrize("status", [pytest.param(s, id=f"P48-{s}") for s in (402, 451)])
def test_a_plan_limit_is_said_once(status: int, synced: Bench) -> None:
    before = len(synced.vendor.requests())
    with synced.answering(REPOSITORIES, kind="status", status=status):
        run = until_over(synced)
    assert run.state in ENDED
    assert len(synced.vendor.requests()) - before < 12
    nothing_lost(synced)


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param({"kind": "status", "status": 410}, id="P50-removed"),
        pytest.param(
            {"kind": "headers", "headers": {"Sunset": "Sat, 01 Jan 2028 00:00:00 GMT"}},
            id="P50-announced",
        ),
    ],
)
def test_a_removal_warns_the_operator(
    fault: dict[str, Any], synced: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    with synced.answering(REPOSITORIES, **fault):
        until_over(synced)
    warned = [r for r in caplog.records if r.getMessage() == "vendor.deprecation_announced"]
    assert [vars(record)["connector"] for record in warned] == ["bitbucket-cloud"]
    nothing_lost(synced)


def test_P34_a_list_without_end_is_cut(synced: Bench) -> None:
    began = time.monotonic()
    with synced.answering(REPOSITORIES, kind="huge", chunked=True):
        run = until_over(synced)
    assert run.state in ENDED
    assert time.monotonic() - began < 20
    nothing_lost(synced)
