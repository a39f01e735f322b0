"""Each vector of the project's SSRF list, by its id: `pytest -k S143`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from connections import addresses, origins
from connections.errors import Blocked

VECTORS = Path(__file__).parents[3] / "shared" / "ssrf_vectors.txt"
ALLOW = (
    origins.allow_entry("bitbucket.corp.acme.net", ["10.20.0.0/16"], ports=[443, 7990], http=True),
    origins.allow_entry("10.20.0.7", ["10.20.0.7/32"]),
)


@dataclass(frozen=True)
class Vector:
    profile: str
    url: str
    answers: tuple[str, ...]
    expected: str
    reason: str


def read() -> list[object]:
    if not VECTORS.exists():
        return [pytest.param(None, marks=pytest.mark.skip("the list of vectors is not here"))]
    rows = [line.split("\t") for line in VECTORS.read_text().splitlines() if line[:1] == "S"]
    return [
        pytest.param(
            Vector(row[1], json.loads(row[2]), tuple(json.loads(row[3])), *row[4:6]), id=row[0]
        )
        for row in rows
    ]


@pytest.mark.parametrize("vector", read())
def test_a_base_url_is_allowed_or_blocked_for_the_listed_reason(vector: Vector) -> None:
    reason = "-"

    try:
        base = origins.parse(vector.url, allow=ALLOW if vector.profile == "allow" else ())
        entry = base.origin.entry
        reason = addresses.refusal(vector.answers, entry.networks if entry else ()) or "-"
    except Blocked as blocked:
        reason = blocked.reason

    assert reason == vector.reason
    assert (reason == "-") == (vector.expected == "ALLOW")
