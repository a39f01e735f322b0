"""Each proof runs short in the suite, and what it tells is told right."""

from __future__ import annotations

import importlib
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django.plugin import DjangoDbBlocker

from tests.prove import stage, told
from tests.prove.proofs import PROOFS
from tests.prove.told import Claim, Told
from tests.servers import Servers

# Walked in the journeys' portal and browser instead: tests/journeys/test_ways.py.
IN_A_BROWSER = {"ways"}


@pytest.fixture
def quiet() -> Iterator[None]:
    """What the portal logs in thousands of lines does not hide what a proof says."""
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("name", [name for name in PROOFS if name not in IN_A_BROWSER])
def test_it_holds(
    name: str, servers: Servers, django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> None:
    with django_db_blocker.unblock(), stage.on(servers, f"prove_{name}") as at:
        outcome = importlib.import_module(PROOFS[name]).prove(at, short=True)

    assert outcome.holds, outcome.text()


def test_one_lost_claim_loses_the_proof(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    claims = [Claim("none lost", True, 0), Claim("none doubled", False, "2 of 9")]
    outcome = Told("nine jobs", ["side", "done"], [["ours", 9], ["theirs", 7]], claims, {"x": 1})

    assert not told.report("jobs", outcome, tmp_path, 1.0)

    said = capsys.readouterr().out
    assert "ours       9" in said and "LOST   none doubled: 2 of 9" in said
    (kept,) = tmp_path.glob("jobs-*.json")
    assert json.loads(kept.read_text())["raw"] == {"x": 1}


def test_a_proof_without_claims_proves_nothing() -> None:
    assert not Told("nothing", [], [], []).holds
