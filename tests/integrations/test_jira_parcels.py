"""The fewest requests that Jira's limits allow, and nothing left out, doubled or mixed up."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from connections.contracts import Packing, Parcel, RelayEvent, RelayKind, RepositoryRecord
from integrations.jira import relay
from integrations.jira.devinfo import entities
from tests.integrations.jira_documents import needs_documents, wrong
from tests.integrations.jira_events import MARK, branch, build, commit, deployment, pull

LISTS = ("commits", "branches", "pullRequests")


def home(number: int) -> RepositoryRecord:
    return RepositoryRecord(
        f"{{00000000-0000-4000-8000-{number:012d}}}",
        f"r{number}",
        f"r{number}",
        f"acme/r{number}",
        url=f"https://bitbucket.org/acme/r{number}",
    )


def packed(events: Sequence[RelayEvent]) -> Packing:
    return relay.pack(events, way=relay.DEVELOPMENT, mark=MARK, back_fill=True)


def repositories(parcel: Parcel) -> Any:
    assert isinstance(parcel.body, dict)
    return parcel.body["repositories"]


def within_limits(parcel: Parcel) -> bool:
    found = repositories(parcel)
    ids = [each["id"] for each in found]
    sizes = [len(each.get(name, ())) for each in found for name in LISTS]
    unique = all(
        len({one["id"] for one in each.get(name, ())}) == len(each.get(name, ()))
        for each in found
        for name in LISTS
    )
    return len(ids) == len(set(ids)) <= 100 and sum(sizes) <= 1000 and max(sizes) <= 400 and unique


def fewest(events: Sequence[RelayEvent]) -> int:
    """A bound that no packing can be under."""
    loads: Counter[tuple[str, str]] = Counter()
    for event in events:
        brought = entities(event)
        loads[event.repository.remote_id, event.kind] += 1
        if brought.branch:
            loads[event.repository.remote_id, RelayKind.BRANCH] += 1
    homes = {event.repository.remote_id for event in events}
    return max(
        math.ceil(max(loads.values()) / 400),
        math.ceil(sum(loads.values()) / 1000),
        math.ceil(len(homes) / 100),
    )


@pytest.mark.parametrize(
    "counts",
    [[10_000], [5_000, 5_000], [4_000, 3_000, 2_000, 1_000], [100] * 100, [1] * 1000, [25] * 400],
)
def test_ten_thousand_commits_take_the_fewest_requests(counts: list[int]) -> None:
    events = [
        commit(number * 10_000 + each, repository=home(number))
        for number, count in enumerate(counts)
        for each in range(count)
    ]
    began = time.monotonic()
    packing = packed(events)
    assert time.monotonic() - began < 10
    assert packing.requests == fewest(events)
    assert all(map(within_limits, packing.parcels))


def test_in_batches_as_the_core_claims_them_it_stays_within_a_twentieth() -> None:
    events = [commit(number, repository=home(1)) for number in range(10_000)]
    size = relay.RULES.batch
    requests = sum(packed(events[at : at + size]).requests for at in range(0, len(events), size))
    assert requests <= 1.05 * fewest(events)


@needs_documents
def test_a_full_request_is_one_that_jira_documents() -> None:
    events = [commit(number, repository=home(number % 3)) for number in range(1_000)]
    (parcel,) = packed(events).parcels
    assert wrong(parcel.path, parcel.body) == []


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 130), st.sampled_from(("commit", "branch", "pull")), st.integers(1, 450)
        ),
        min_size=1,
        max_size=8,
    )
)
def test_everything_travels_once_within_the_limits(lots: list[tuple[int, str, int]]) -> None:
    makers = {"commit": commit, "branch": _branch, "pull": _pull}
    events = {}
    for number, kind, count in lots:
        for each in range(count):
            event = makers[kind](each + 1, repository=home(number))
            events[number, event.kind, event.key] = event
    packing = packed(list(events.values()))
    sent = Counter(
        (event.repository.remote_id, event.kind, event.key)
        for parcel in packing.parcels
        for event in parcel.events
    )
    assert set(sent.values()) == {1}
    assert len(sent) == len(events)
    assert all(map(within_limits, packing.parcels))
    assert packing.requests <= math.ceil(1.05 * fewest(list(events.values()))) + 1


def _branch(number: int, **more: Any) -> RelayEvent:
    return branch(f"PAY-{number}-x", **more)


def _pull(number: int, **more: Any) -> RelayEvent:
    return pull(number, source_branch=f"PAY-{number}-y", source_repository="", **more)


def test_a_hundred_builds_or_deployments_fit_in_one_request() -> None:
    builds = [build(of=number) for number in range(250)]
    deployments = [deployment(remote_id=f"d{number}") for number in range(101)]
    names = [parcel.name for parcel in packed([*builds, *deployments]).parcels]
    assert names == ["Tell builds"] * 3 + ["Tell deployments"] * 2


def test_what_is_taken_back_goes_first() -> None:
    packing = packed([commit(), replace(branch("x"), former=("PAY-1",), record=None)])
    assert [parcel.verb for parcel in packing.parcels] == ["DELETE", "POST"]


def test_what_names_nothing_and_never_did_costs_nothing() -> None:
    packing = packed([commit(message="tidy"), branch("main"), pull(title="x", source_branch="y")])
    assert packing.parcels == ()
    assert len(packing.idle) == 3
