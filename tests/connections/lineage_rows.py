"""What the model checker is asked: the rows of trust.md §5.4, and each rule with and without."""

from __future__ import annotations

from dataclasses import dataclass, replace

from connections.lineage import RULES, AnswerClass, Decision, Rule
from tests.connections.lineage_world import Bounds, Protocol, Provider

# A client that keeps whatever comes last and believes whatever it is told.
NAIVE = (
    Rule("keep", AnswerClass.KEPT, "always", Decision.BECAME_CURRENT),
    Rule("believe", AnswerClass.REFUSED, "always", Decision.NEEDS_REAUTHORIZATION),
    Rule("forget", AnswerClass.IN_DOUBT, "always", Decision.RETRY_LATER),
)
NO_LOCK = Protocol(
    "no lock",
    NAIVE,
    locks=False,
    checks_lease=False,
    frees_only_its_own=False,
    punctual=False,
    remembers_doubt=False,
)
TTL_LOCK = replace(NO_LOCK, name="lock that times out", locks=True)
LINEAGE = Protocol("lineage")
FORGETFUL = replace(LINEAGE, name="lineage, doubt not asked again", remembers_doubt=False)
BACKING_OFF = replace(LINEAGE, name="lineage, doubt backed off", backs_off=15)
UNFENCED = replace(LINEAGE, name="lineage, lease not checked", checks_lease=False)


@dataclass(frozen=True)
class Row:
    """A protocol against a provider, and whether a token is lost or a grant falsely declared dead.

    `dead` None: not the point of this row.
    """

    protocol: Protocol
    provider: Provider
    bounds: Bounds
    lost: bool
    dead: bool | None

    def __str__(self) -> str:
        named = (f"{n} {what}" for what, n in vars(self.bounds).items() if what in COUNTED and n)
        return ", ".join([self.protocol.name, self.provider, *named])


COUNTED = ("crashes", "losses", "pauses", "incidents")
GRACE, WORST, STRICT = Provider.GRACE, Provider.WORST_GRACE, Provider.STRICT

ROWS = (
    Row(NO_LOCK, GRACE, Bounds(), lost=False, dead=True),
    Row(NO_LOCK, GRACE, Bounds(losses=1), lost=True, dead=True),
    Row(TTL_LOCK, GRACE, Bounds(), lost=False, dead=True),
    Row(TTL_LOCK, GRACE, Bounds(losses=1), lost=True, dead=True),
    Row(TTL_LOCK, STRICT, Bounds(), lost=True, dead=None),
    Row(LINEAGE, GRACE, Bounds(crashes=2, losses=1, pauses=1), lost=False, dead=False),
    Row(FORGETFUL, GRACE, Bounds(crashes=2), lost=True, dead=True),
    Row(BACKING_OFF, GRACE, Bounds(losses=1), lost=True, dead=True),
    Row(LINEAGE, WORST, Bounds(crashes=2, losses=1), lost=False, dead=False),
    Row(LINEAGE, WORST, Bounds(crashes=1, losses=1, pauses=1), lost=False, dead=False),
    Row(UNFENCED, WORST, Bounds(losses=1, pauses=1), lost=True, dead=True),
    Row(LINEAGE, STRICT, Bounds(), lost=False, dead=False),
    Row(LINEAGE, STRICT, Bounds(losses=1), lost=True, dead=None),  # the only copy died on the wire
)

# Minutes instead of seconds; `bin/prove model` asks these too.
LARGER_ROWS = (
    Row(LINEAGE, GRACE, Bounds(refreshes=3, crashes=3, losses=1), lost=False, dead=False),
    Row(LINEAGE, WORST, Bounds(crashes=2, losses=1, pauses=1), lost=False, dead=False),
    Row(LINEAGE, GRACE, Bounds(crashes=1, losses=1, pauses=2), lost=False, dead=False),
)


def without(*names: str, rules: tuple[Rule, ...] = RULES) -> tuple[Rule, ...]:
    """The rules without those of these names."""
    return tuple(rule for rule in rules if rule.name not in names)


IMPATIENT = tuple(
    replace(rule, situation="always") if rule.name == "third_look" else rule for rule in RULES
)


@dataclass(frozen=True)
class Guard:
    """A rule without which something is lost, in a world where with it nothing is.

    `protocol` may lack other guards, so that this one stands alone.
    """

    rule: str
    provider: Provider
    bounds: Bounds
    protocol: Protocol = LINEAGE

    def __str__(self) -> str:
        return self.rule


LONE_REREAD = replace(UNFENCED, rules=without("stale_refusal", rules=IMPATIENT))
IN_HAND = Bounds(refreshes=1, losses=1, pauses=1, grace=4, longest_pause=3, pauses_anywhere=False)
GUARDS = (
    Guard("compare_and_swap", WORST, Bounds(refreshes=3, pauses=1)),
    Guard("late_answer", WORST, Bounds(losses=1, pauses=1)),
    Guard("reread", GRACE, Bounds(pauses=1), LONE_REREAD),
    Guard("try_siblings", GRACE, IN_HAND),
    Guard("incident", GRACE, Bounds(refreshes=1, incidents=1)),
    Guard("stale_refusal", GRACE, Bounds(refreshes=1, incidents=1, pauses=1, longest_pause=9)),
)
