"""`kill -9` of workers at random while they refresh: afterwards every grant's stored token works.

The vendor rotates with its grace. What was lost is counted at the vendor: once the kills are over
and nothing is in doubt any more, its clock goes past the grace, so that of each family only the
latest tokens work, and it is asked about the tokens that the database holds.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from dataclasses import dataclass

from connections.models import Connection, Credential, RefreshAttempt
from portal import clock
from portal.models import Organization
from tests.prove import crowd
from tests.prove.crowd import Linked
from tests.prove.grants import looked_at
from tests.prove.stage import Stage, Workers, until
from tests.prove.told import Claim, Told

TOKEN = "POST /site/oauth2/access_token"
LIFE = 7200
BEAT_SECONDS = 0.5

_DUE_ANEW = """
UPDATE connections_credential SET refresh_due_at = %s
 WHERE intent_version IS NULL AND random() < %s
"""


_NOT_AT_REST = (
    "SELECT now(), version, intent_version, lease_until, refresh_due_at, refresh_attempts,"
    " quarantined_at FROM connections_credential"
    " WHERE intent_version IS NOT NULL OR refresh_due_at <= now() LIMIT 9",
    "SELECT kind, attempts, run_at, lease_until, last_error FROM portal_job"
    " WHERE done_at IS NULL ORDER BY run_at LIMIT 9",
    "SELECT host, state, because, opened_at, rate, tokens FROM connections_breaker LIMIT 9",
)


@dataclass(frozen=True, slots=True)
class Size:
    """`lease` and `grace` are the real ones in full, and both a twentieth of that when short.

    Of all grants, this `share` becomes due anew each half second.
    """

    grants: int
    organizations: int
    workers: int
    seconds: float
    between_kills: tuple[float, float]
    share: float
    latency: float
    lease: int
    job_lease: int
    sweep: int
    grace: int


FULL = Size(600, 6, 4, 240, (1.0, 3.0), 0.03, 0.8, 120, 60, 10, 600)
SHORT = Size(60, 3, 3, 10, (1.5, 3.0), 0.2, 0.4, 6, 3, 1, 30)


def prove(stage: Stage, *, short: bool) -> Told:
    size = SHORT if short else FULL
    seed = random.randrange(10**6)
    stage.vendor.order("/switches", refresh_grace_seconds=size.grace, rate_limit=10**6)
    linked = [one for each in organizations(stage, size) for one in gathered(stage, each, size)]
    stage.vendor.order("/latency", ms=size.latency * 1000, match=TOKEN)
    environment = {
        "REFRESH_LEASE_SECONDS": str(size.lease),
        "LEASE_SECONDS": str(size.job_lease),
        "SWEEP_SECONDS": str(size.sweep),
        "REFRESH_PER_SECOND": "200",
    }
    with stage.workers(size.workers, **environment) as workers:
        until(lambda: attempts(stage, linked) > 0)
        kill_at_random(stage, workers, size, random.Random(seed))
        calm(stage, workers, linked, 3 * size.lease + 120)
    return counted(stage, size, linked, workers.kills, seed)


def organizations(stage: Stage, size: Size) -> list[Organization]:
    names = [f"org-{number}" for number in range(1, size.organizations)]
    return [stage.works.acme, *(stage.works.organization(name) for name in names)]


def gathered(stage: Stage, organization: Organization, size: Size) -> list[Linked]:
    """Its share of the grants, due at once."""
    count = size.grants // size.organizations
    linked = crowd.gather(stage, organization, count, life_seconds=LIFE)
    with stage.works.inside(organization):
        Credential.objects.update(refresh_due_at=clock.now())
    return linked


def kill_at_random(stage: Stage, workers: Workers, size: Size, chance: random.Random) -> None:
    """For so long, one worker dies every now and then and another one takes its place.

    Meanwhile grants become due faster than their tokens would end.
    """
    end = time.monotonic() + size.seconds
    kill_at = time.monotonic() + chance.uniform(*size.between_kills)
    with stage.servers.postgres.connect(stage.database) as administrator:
        while time.monotonic() < end:
            administrator.execute(_DUE_ANEW, [clock.now(), size.share])
            time.sleep(BEAT_SECONDS)
            if time.monotonic() >= kill_at:
                workers.kill(chance.randrange(len(workers.running)))
                workers.start()
                kill_at = time.monotonic() + chance.uniform(*size.between_kills)


def calm(stage: Stage, workers: Workers, linked: list[Linked], seconds: float) -> None:
    """Nothing is to be refreshed any more; a TimeoutError says what stands in its way."""
    try:
        until(lambda: settled(stage, linked), seconds, 0.5)
    except TimeoutError as error:
        logged = workers.log.read_text(errors="replace").splitlines()
        error.add_note("\n".join([*unsettled(stage), *logged[-40:]]))
        raise


def unsettled(stage: Stage) -> list[str]:
    """The grants, jobs and breakers that are not at rest."""
    with stage.servers.postgres.connect(stage.database) as administrator:
        return [str(row) for each in _NOT_AT_REST for row in administrator.execute(each).fetchall()]


# ── Counting ──────────────────────────────────────────────────────────────────────────────────


def each_organization(linked: list[Linked]) -> list[Organization]:
    return [Organization(id=one) for one in dict.fromkeys(each.organization_id for each in linked)]


def attempts(stage: Stage, linked: list[Linked]) -> int:
    """How many lines the ledgers have."""
    found = 0
    for organization in each_organization(linked):
        with stage.works.inside(organization):
            found += RefreshAttempt.objects.count()
    return found


def settled(stage: Stage, linked: list[Linked]) -> bool:
    """Nothing is held, in doubt or due."""
    for organization in each_organization(linked):
        with stage.works.inside(organization):
            due = Credential.objects.filter(refresh_due_at__lte=clock.now())
            if due.exists() or Credential.objects.exclude(intent_version=None).exists():
                return False
    return True


def ledger(stage: Stage, linked: list[Linked]) -> Counter[str]:
    """What the ledgers tell: how many attempts ended in which answer."""
    found: Counter[str] = Counter()
    for organization in each_organization(linked):
        with stage.works.inside(organization):
            found.update(RefreshAttempt.objects.values_list("answer", flat=True))
    return found


def wrongly_dead(stage: Stage, linked: list[Linked]) -> int:
    """Connections of which people would be told that access was withdrawn."""
    found = 0
    for organization in each_organization(linked):
        with stage.works.inside(organization):
            found += Connection.objects.exclude(state=Connection.State.ACTIVE).count()
    return found


def counted(stage: Stage, size: Size, linked: list[Linked], kills: int, seed: int) -> Told:
    calls = stage.vendor.ask("/calls")
    told, dead = ledger(stage, linked), wrongly_dead(stage, linked)
    stage.vendor.order("/clock", advance=size.grace + 60)
    tokens = crowd.held(stage, linked)
    works = looked_at(stage.vendor, *(tokens[one.credential_id]["refresh"] for one in linked))
    lost = [one.grant for one, alive in zip(linked, works, strict=True) if not alive]
    unsaved = calls["issued"] - told["kept"]
    rows = [
        ["workers killed", kills],
        ["refreshes that the vendor answered with tokens", calls["issued"]],
        ["of these, answers that died with a worker", unsaved],
        ["refusals by the vendor", calls["refused"]],
        ["lines of the ledger", told.total()],
    ]
    claims = [
        Claim("a worker was killed at least once", kills > 0, kills),
        Claim("no grant is lost", not lost, f"{len(lost)} of {len(linked)}"),
        Claim("no connection is called dead", dead == 0, dead),
    ]
    tried = (
        f"{len(linked)} grants, {size.share * len(linked) / BEAT_SECONDS:.0f} due a second, the "
        f"vendor answers in {size.latency} s, {size.workers} workers, seed {seed}"
    )
    raw = {"seed": seed, "lost": lost, "ledger": told, "calls": calls}
    return Told(tried, ("counted", "number"), rows, claims, raw)
