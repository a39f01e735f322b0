"""Every interleaving of two refreshing workers, explored with the functions that run."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest

from connections.lineage import RULES, AnswerClass
from tests.connections.lineage_model import explore
from tests.connections.lineage_rows import GUARDS, IMPATIENT, LINEAGE, ROWS, Guard, Row, without
from tests.connections.lineage_world import Bounds, Provider

explored = cache(explore)  # several tests ask of one world


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_what_is_proved_of_each_protocol(row: Row) -> None:
    """The table of trust.md §5.4."""
    found = explored(row.protocol, row.provider, row.bounds)
    assert bool(found.lost) == row.lost, found.lost
    assert row.dead is None or bool(found.dead) == row.dead, found.dead


@pytest.mark.parametrize("guard", GUARDS, ids=str)
def test_each_rule_keeps_something_from_being_lost(guard: Guard) -> None:
    """The checker can find a loss, and this rule is why it finds none."""
    whole = explored(guard.protocol, guard.provider, guard.bounds)
    assert whole.holds, whole.lost or whole.dead

    lacking = replace(guard.protocol, rules=without(guard.rule, rules=guard.protocol.rules))
    assert not explore(lacking, guard.provider, guard.bounds, is_for_one=True).holds


def test_a_first_refusal_is_not_believed() -> None:
    """An incident of the provider refuses everybody; who believes it at once loses everybody."""
    bounds = Bounds(refreshes=1, incidents=1)
    assert explored(LINEAGE, Provider.GRACE, bounds).holds
    assert explore(replace(LINEAGE, rules=IMPATIENT), Provider.GRACE, bounds).dead


def test_a_loss_comes_with_the_way_to_it() -> None:
    found = explore(LINEAGE, Provider.STRICT, Bounds(losses=1))
    assert found.lost[-1].startswith("answer to") and found.states > 10


def test_every_rule_is_guarded_or_the_last_word() -> None:
    """A new rule needs a world in which it matters."""
    last_words = {"keep", "subject", "third_look", "suspect", "fault", "doubt", "back_off"}
    assert {rule.name for rule in RULES} == last_words | {guard.rule for guard in GUARDS}
    for answer in AnswerClass:
        assert [r for r in RULES if r.answer is answer][-1].situation == "always"
