"""A vendor refuses everybody for half an hour, and for seven hours; the clock is simulated.

The code is the worker's own, in threads of this process; the clocks of the portal and of the vendor
run faster. Half an hour of `invalid_grant` for all must mark nobody dead; when
it is over all tokens are fresh within 20 minutes, and the vendor never sees more than the budget.
People are told of a storm that lasts for more than six hours.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import timedelta

from django.test import override_settings

from connections.flows import told_kinds
from connections.models import Breaker
from portal import clock, tenancy
from portal.models import Notice, Organization
from portal.policy import Role
from tests.prove import crowd
from tests.prove.faster import Faster
from tests.prove.stage import Stage
from tests.prove.told import Claim, Told

LIFE = 3600
PER_SECOND = 100
WITHIN_MINUTES = 20
MAY_EXCEED = 1.1
SLOWER = 100.0
HALF_AN_HOUR = 1800
LOOK_SECONDS, CALM_SECONDS = 15, 900
WINDOW_SECONDS = 60

_SPREAD = """
UPDATE connections_credential c
   SET expires_at = %(now)s + make_interval(secs => spread.s),
       refreshed_at = %(now)s + make_interval(secs => spread.s - %(life)s),
       refresh_due_at = %(now)s + make_interval(secs => greatest(spread.s - 450, 0))
  FROM (SELECT id, 450 + random() * (%(life)s - 450) AS s FROM connections_credential) spread
 WHERE spread.id = c.id
"""
_STALE = """
SELECT count(*) FILTER (WHERE expires_at <= %(now)s),
       count(*) FILTER (WHERE refresh_due_at <= %(late)s)
  FROM connections_credential WHERE replaced_at IS NULL
"""
_STATES = """
SELECT state, count(*), count(*) FILTER (WHERE suspect_since IS NOT NULL)
  FROM connections_connection GROUP BY state
"""


@dataclass(frozen=True, slots=True)
class Size:
    """How many times as fast the clocks run in each part."""

    grants: int
    organizations: int
    storm: float
    recovery: float
    hours: float


FULL = Size(100_000, 50, 30.0, 2.5, 100.0)
SHORT = Size(300, 3, 240.0, 60.0, 4000.0)


@dataclass(slots=True)
class Moment:
    """How it stood when this much had passed since the storm began."""

    seconds: float
    breaker: str
    calls: int
    ended: int
    overdue: int


def prove(stage: Stage, *, short: bool) -> Told:
    size = SHORT if short else FULL
    began = time.monotonic()
    with override_settings(REFRESH_PER_SECOND=PER_SECOND):
        there = gathered(stage, size)
        with Faster(stage) as time_passes:
            moments = half_an_hour(stage, time_passes, size)
            after_storm = states(stage)
            minutes = recovery(stage, time_passes, size, moments)
            after, busiest = states(stage), most_calls(stage)
            links = notices(there, told_kinds.NEEDS_LINK)
            early, late = seven_hours(stage, time_passes, size, there)
    claims = [
        Claim("the breaker opened", any(one.breaker == "open" for one in moments)),
        Claim("none is marked dead", set(after_storm) == set(after) == {"active"}, after),
        Claim("nobody is asked to link again", links == 0, links),
        Claim(
            f"all tokens are fresh within {WITHIN_MINUTES} minutes",
            minutes <= WITHIN_MINUTES,
            f"{minutes:.1f} minutes",
        ),
        Claim(
            f"in no minute does the vendor see more than {MAY_EXCEED} × {PER_SECOND} a second",
            busiest <= MAY_EXCEED * PER_SECOND,
            f"{busiest:.0f} at most",
        ),
        Claim("a storm of five hours is not told to people", early == 0, early),
        Claim("a storm of seven hours is", late == len(there), f"{late} of {len(there)}"),
    ]
    tried = f"{size.grants} grants of {size.organizations} organizations, tokens of {LIFE} s"
    raw = {"moments": moments, "states": after, "real_seconds": time.monotonic() - began}
    return Told(tried, COLUMNS, [row(one) for one in some(moments)], claims, raw)


COLUMNS = ("minute", "breaker", "calls so far", "tokens that have ended", "due for a minute")


def row(one: Moment) -> list[object]:
    return [round(one.seconds / 60, 1), one.breaker, one.calls, one.ended, one.overdue]


def some(moments: list[Moment]) -> list[Moment]:
    """A dozen of them, the last one included."""
    every = max(1, len(moments) // 12)
    return [*moments[:-1:every], moments[-1]]


# ── The scene ─────────────────────────────────────────────────────────────────────────────────


def gathered(stage: Stage, size: Size) -> list[Organization]:
    """Everybody's grants, with tokens that end evenly over their life; each has its people."""
    names = [f"org-{number}" for number in range(1, size.organizations)]
    there = [stage.works.acme, *(stage.works.organization(name) for name in names)]
    for organization in there:
        if organization is not stage.works.acme:
            email = f"admin@{organization.slug}.example"
            stage.works.person(email, organization.slug, Role.ADMIN, organization)
        count = size.grants // size.organizations
        crowd.gather(stage, organization, count, life_seconds=LIFE)
    with stage.servers.postgres.connect(stage.database) as administrator:
        administrator.execute(_SPREAD, {"now": clock.now(), "life": LIFE})
        administrator.execute("ANALYZE")
    return there


def half_an_hour(stage: Stage, time_passes: Faster, size: Size) -> list[Moment]:
    """How it stood every minute of the storm."""
    moments = [seen(stage, 0)]
    stage.vendor.order("/storm", error="invalid_grant")
    time_passes.factor = size.storm
    for minute in range(1, 31):
        time_passes.let_pass(60)
        moments.append(seen(stage, 60 * minute))
    stage.vendor.order("/storm", error="")
    return moments


def recovery(stage: Stage, time_passes: Faster, size: Size, moments: list[Moment]) -> float:
    """Minutes from the end of the storm until every token is fresh, or past the bound."""
    time_passes.factor = size.recovery
    began = clock.now()
    while (passed := (clock.now() - began).total_seconds()) < 60 * (WITHIN_MINUTES + 5):
        time_passes.let_pass(LOOK_SECONDS)
        moments.append(seen(stage, HALF_AN_HOUR + passed))
        if moments[-1].ended == 0 and moments[-1].overdue == 0:
            return passed / 60
    return float("inf")


def seven_hours(
    stage: Stage, time_passes: Faster, size: Size, there: list[Organization]
) -> tuple[int, int]:
    """How many organizations were told after five hours of a second storm, and after seven."""
    stage.vendor.order("/storm", error="invalid_grant")
    time_passes.factor = size.hours
    time_passes.let_pass(5 * 3600)
    early = notices(there, told_kinds.STORM)
    time_passes.let_pass(3600)
    # In the last hour people are told; a busy machine needs half a minute of its own for it.
    time_passes.factor, end = min(size.hours / 8, SLOWER), clock.now() + timedelta(hours=1)
    while (late := notices(there, told_kinds.STORM)) < len(there) and clock.now() < end:
        time.sleep(0.1)
    time_passes.factor = size.hours
    stage.vendor.order("/storm", error="")
    time_passes.let_pass(CALM_SECONDS)  # or its hands would wait for a budget that never comes
    return early, late


# ── Counting ──────────────────────────────────────────────────────────────────────────────────


def seen(stage: Stage, seconds: float) -> Moment:
    now = clock.now()
    with stage.servers.postgres.connect(stage.database) as administrator:
        asked = {"now": now, "late": now - timedelta(seconds=60)}
        ended, overdue = administrator.execute(_STALE, asked).fetchone() or (0, 0)
    calls = stage.vendor.ask("/calls")["calls"]
    return Moment(round(seconds), breaker(), calls, int(str(ended)), int(str(overdue)))


def breaker() -> str:
    with tenancy.acting_for(tenancy.PLATFORM), tenancy.transaction():
        return str(Breaker.objects.values_list("state", flat=True).first() or "closed")


def states(stage: Stage) -> dict[str, int]:
    with stage.servers.postgres.connect(stage.database) as administrator:
        rows = administrator.execute(_STATES).fetchall()
    return {str(state): int(str(count)) for state, count, _ in rows}


def most_calls(stage: Stage) -> float:
    """The most calls a second that the vendor saw, over any minute of its clock."""
    per_second = stage.vendor.ask("/calls")["per_second"]
    found = {int(second): count for second, count in per_second.items()}
    return max(
        (
            sum(found.get(second, 0) for second in range(first, first + WINDOW_SECONDS))
            / WINDOW_SECONDS
            for first in found
        ),
        default=0.0,
    )


def notices(there: list[Organization], kind: str) -> int:
    """How many of these organizations have a notice of this kind that somebody received."""
    count = 0
    for organization in there:
        with tenancy.acting_for(organization), tenancy.transaction():
            found = Notice.objects.filter(kind=kind, receipts__isnull=False)
            count += found.exists()
    return count
