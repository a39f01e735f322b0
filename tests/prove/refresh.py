"""One call for many callers at slow and strict vendors: ours, and the usual Django recipe.

The access token has ended, and in each of K processes M callers want to use it at one moment. Both
sides have a grant of their own at the same sandbox at the same time. The recipe believes a refused
refresh, as Django projects do: "link your account again". Wrong health is to be told so, or to have
stored a token that no longer works, although nobody withdrew anything.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta

from django.utils import timezone

from connections import access, places
from connections.models import Connection, Credential
from portal import roles
from tests.connections.ways import link_by_consent
from tests.prove.callers import Callers, Outcomes
from tests.prove.grants import described, looked_at
from tests.prove.stage import Stage
from tests.prove.told import Claim, Told

DEADLINE_SECONDS = 40.0
TOKEN = "POST /site/oauth2/access_token"
PROVIDERS = {"grace": "grace", "strict": "revokes_family", "worst grace": "kills_child"}
COLUMNS = (
    "provider", "latency", "side", "callers", "vendor calls", "failed", "told to link again",
    "stored token", "slowest",
)  # fmt: skip
DATABASE = "portal_recipe"


@dataclass(frozen=True, slots=True)
class Size:
    """`crowd` is how many processes and callers of each ask us alone, at the end."""

    processes: int
    callers: int
    latencies: tuple[float, ...]
    providers: tuple[str, ...]
    crowd: tuple[int, int]


FULL = Size(4, 8, (0.05, 2.0, 12.0, 25.0), tuple(PROVIDERS), (5, 200))
SHORT = Size(2, 6, (0.05, 1.0), ("grace", "strict"), (2, 100))


@dataclass(frozen=True, slots=True)
class Seen:
    """What one side did in one round; `told` counts callers who were asked for a new link."""

    provider: str
    latency: float
    side: str
    calls: int
    outcomes: Outcomes
    told: int
    works: bool
    state: str

    @property
    def failed(self) -> int:
        return sum(1 for _, error in self.outcomes if error)

    @property
    def health_is_right(self) -> bool:
        return self.told == 0 and self.works and self.state == "active"

    def row(self) -> list[object]:
        return [
            self.provider, f"{self.latency:g} s", self.side, len(self.outcomes), self.calls,
            self.failed, self.told, "works" if self.works else "DEAD",
            max(seconds for seconds, _ in self.outcomes),
        ]  # fmt: skip


def prove(stage: Stage, *, short: bool) -> Told:
    size = SHORT if short else FULL
    connection = stage.works.connection(link_by_consent(stage.works, stage.vendor))
    with asking(stage, size.processes) as ours, recipe(stage, size) as theirs:
        seen = [
            one
            for provider in size.providers
            for latency in size.latencies
            for one in a_round(stage, connection, ours, theirs, provider, latency, size.callers)
        ]
    processes, callers = size.crowd
    with asking(stage, processes) as ours:
        seen.append(crowd(stage, connection, ours, callers))
    mine = [one for one in seen if one.side == "ours"]
    slow = max(seconds for one in mine for seconds, _ in one.outcomes)
    claims = [
        Claim("one call to the vendor each time", all(one.calls == 1 for one in mine)),
        Claim("no caller fails", not any(one.failed for one in mine)),
        Claim("every caller is served within its deadline", slow <= DEADLINE_SECONDS, f"{slow} s"),
        Claim("health is right each time", all(one.health_is_right for one in mine)),
    ]
    tried = (
        f"{size.processes} processes × {size.callers} callers want one token that has ended, and"
        f" {processes} × {callers} in the last line"
    )
    return Told(tried, COLUMNS, [one.row() for one in seen], claims, [asdict(one) for one in seen])


@contextmanager
def asking(stage: Stage, processes: int) -> Iterator[Callers]:
    environment = stage.environment("worker")
    log = stage.folder / "asking.log"
    with Callers("tests.prove.asking", processes, environment, log) as callers:
        yield callers


@contextmanager
def recipe(stage: Stage, size: Size) -> Iterator[Callers]:
    """The recipe's processes, on a scratch database that is gone afterwards."""
    with stage.servers.postgres.connect() as administrator:
        administrator.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
        administrator.execute(f"CREATE DATABASE {DATABASE}")
    environment = stage.environment("worker") | {
        "DJANGO_SETTINGS_MODULE": "tests.prove.recipe.settings",
        "RECIPE_DATABASE": DATABASE,
        "RECIPE_HOST": str(stage.servers.layout.run),
        "RECIPE_VENDOR": stage.vendor.url,
    }
    log = stage.folder / "recipe.log"
    with Callers("tests.prove.recipe", size.processes, environment, log) as callers:
        callers.do("prepare")
        yield callers
    with stage.servers.postgres.connect() as administrator:
        administrator.execute(f"DROP DATABASE {DATABASE} WITH (FORCE)")


def a_round(
    stage: Stage,
    connection: Connection,
    ours: Callers,
    theirs: Callers,
    provider: str,
    latency: float,
    callers: int,
) -> list[Seen]:
    """Both sides at once, on grants that are in order when they begin."""
    vendor = stage.vendor
    vendor.order("/normal")
    vendor.order("/switches", refresh_reuse=PROVIDERS[provider])
    planted = plant(stage, theirs)
    expire(stage)
    grant = grant_of(stage, connection)
    before = calls(stage)
    vendor.order("/latency", ms=latency * 1000, match=TOKEN)
    begin(ours, connection, callers)
    theirs.begin(callers=callers)
    found = {"ours": ours.outcomes(), "allauth recipe": theirs.outcomes()}
    vendor.order("/latency", ms=0, match=TOKEN)
    counted = calls(stage) - before
    held = {"ours": stored(stage), "allauth recipe": theirs.do("stored")}
    grants = {"ours": grant, "allauth recipe": planted}
    return [
        Seen(
            provider=provider,
            latency=latency,
            side=side,
            calls=counted[grants[side]],
            outcomes=outcomes,
            told=told(side, outcomes),
            works=all(looked_at(vendor, *held[side].values())),
            state=state(stage, connection) if side == "ours" else "active",
        )
        for side, outcomes in found.items()
    ]


def crowd(stage: Stage, connection: Connection, ours: Callers, callers: int) -> Seen:
    """A thousand callers of ours at a strict vendor that takes its time."""
    provider, latency = "strict", 2.0
    stage.vendor.order("/switches", refresh_reuse=PROVIDERS[provider])
    expire(stage)
    grant, before = grant_of(stage, connection), calls(stage)
    stage.vendor.order("/latency", ms=latency * 1000, match=TOKEN)
    begin(ours, connection, callers)
    outcomes = ours.outcomes()
    stage.vendor.order("/latency", ms=0, match=TOKEN)
    return Seen(
        provider=provider,
        latency=latency,
        side="ours",
        calls=(calls(stage) - before)[grant],
        outcomes=outcomes,
        told=told("ours", outcomes),
        works=all(looked_at(stage.vendor, *stored(stage).values())),
        state=state(stage, connection),
    )


def begin(ours: Callers, connection: Connection, callers: int) -> None:
    ours.begin(
        callers=callers,
        organization=str(connection.organization_id),
        connection=str(connection.id),
        deadline=DEADLINE_SECONDS,
    )


def told(side: str, outcomes: Outcomes) -> int:
    """How many callers learned that the grant is dead."""
    words = "ReauthorizationRequired" if side == "ours" else "InvalidGrantError"
    return sum(1 for _, error in outcomes if error == words)


def plant(stage: Stage, theirs: Callers) -> str:
    """The recipe holds a new grant whose access token has ended by its own clock; its name."""
    consumer = stage.vendor.consumer("acme-portal")
    (made,) = stage.vendor.order("/grants", consumer="acme-portal", users=["dana"])["grants"]
    theirs.do(
        "plant",
        client_id=consumer["key"],
        client_secret=consumer["secret"],
        access_token=made["access_token"],
        refresh_token=made["refresh_token"],
    )
    return str(made["grant"])


def expire(stage: Stage) -> None:
    """Our access token has ended, and nobody refreshes it by schedule before the callers come."""
    with stage.works.inside():
        Credential.objects.update(expires_at=timezone.now() - timedelta(minutes=1))


def stored(stage: Stage) -> dict[str, str]:
    """The tokens in our database, opened as a worker does."""
    with roles.using_role("worker"), stage.works.inside():
        credential = Credential.objects.get(replaced_at=None)
        return {
            field: access.opened(places.of_credential(credential, field)).reveal()
            for field in (places.ACCESS, places.REFRESH)
        }


def state(stage: Stage, connection: Connection) -> str:
    with stage.works.inside():
        now = Connection.objects.get(id=connection.id)
    return "suspect" if now.suspect_since else str(now.state)


def grant_of(stage: Stage, connection: Connection) -> str:
    """The vendor's name of the grant that our tokens belong to."""
    (found,) = described(stage.vendor, [stored(stage)[places.REFRESH]])
    return str(found["grant"])


def calls(stage: Stage) -> Counter[str]:
    """Calls of the token endpoint so far, by grant."""
    return Counter({one["id"]: one["calls"] for one in stage.vendor.ask("/grants")})
