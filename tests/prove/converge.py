"""A large workspace syncs within its hourly budget while workers are killed, and ends as it is.

Hours are simulated: whenever everything waits for requests, the clocks of vendor, portal and
workers go on to that moment. In the end every row is compared with the vendor's own record. Then
random changes are made, and what finding them costs is compared with the fewest questions that can.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from connections.flows import workspaces
from connections.models import Connection, SyncSettings, Workspace
from portal import clock
from tests.prove.hours import Hours
from tests.prove.stage import Stage, Workers, on_another_vendor, until
from tests.prove.told import Claim, Told

SPACE = "acme"
STREAMS = ["repositories", "branches", "pull-requests"]
ASKED_OF_EACH = 2  # branches and pull requests: only asking tells which of them changed
CAPABILITIES = ["repositories-read", "workspaces-read", "pullrequests-read"]
KINDS = [
    *("push", "force_push", "branch_create", "branch_delete", "tag_create"),
    *("pull_request_create", "approve", "comment", "merge", "decline"),
]
PER_HOUR, FULL_SHARE = 1000, 0.70
MAY_EXCEED = 1.05
CHANGES = 25
WORKERS = 2
LOOK_SECONDS = 0.1
PATIENCE_SECONDS = 60.0

_WAITING = """
SELECT count(*) FILTER (WHERE lease_until > clock_timestamp()),
       least(min(run_at), (SELECT min(next_sync_at) FROM connections_connection))
  FROM portal_job WHERE done_at IS NULL
"""
_UNREAD = """
SELECT (SELECT count(*) FROM connections_syncrun WHERE state IN ('queued', 'running'))
     + (SELECT count(*) FROM connections_streamstate WHERE last_success_at IS NULL)
     + (SELECT count(*) FROM portal_job WHERE done_at IS NULL AND kind = 'poll_connection')
     + CASE WHEN EXISTS (SELECT FROM connections_streamstate) THEN 0 ELSE 1 END
"""
_FRESH = """
UPDATE connections_streamstate SET last_success_at = %(now)s,
       due_at = greatest(due_at, %(now)s + interval '1 day')
"""
_REPOSITORIES = """
SELECT remote_id, full_name, main_branch FROM connections_repository WHERE gone_at IS NULL
"""
_BRANCHES = """
SELECT r.remote_id, b.kind, b.name, b.target FROM connections_branch b
  JOIN connections_repository r ON r.id = b.repository_id
 WHERE b.gone_at IS NULL AND r.gone_at IS NULL
"""
_PULLS = """
SELECT r.remote_id, p.number, p.state, p.title FROM connections_pullrequest p
  JOIN connections_repository r ON r.id = p.repository_id
 WHERE p.gone_at IS NULL AND r.gone_at IS NULL
"""


@dataclass(frozen=True, slots=True)
class Size:
    """How large the workspace is, what the vendor allows, and after how many requests one dies."""

    repositories: int
    per_hour: int
    between_kills: tuple[int, int]
    lease: int


FULL = Size(10_000, PER_HOUR, (100, 900), 6)
SHORT = Size(120, 150, (60, 120), 2)


@dataclass(frozen=True, slots=True)
class Found:
    """Random changes, and the addresses that were asked until all of them were held."""

    changes: list[dict[str, Any]]
    asked: list[str]

    @property
    def cost(self) -> int:
        return len(self.asked)

    @property
    def least(self) -> int:
        """One question for the workspace, and one for each list that may have changed."""
        return 1 + ASKED_OF_EACH * len({one["uuid"] for one in self.changes})


@dataclass(slots=True)
class Sync:
    """A sync under way: its clocks, its workers, and who dies when."""

    stage: Stage
    hours: Hours
    workers: Workers
    size: Size
    chance: random.Random
    kill_at: int = 0

    def ask(self, statement: str, **given: Any) -> tuple[Any, ...]:
        with self.stage.servers.postgres.connect(self.stage.database) as administrator:
            found = administrator.execute(statement.encode(), given)
            return tuple(found.fetchone() or ()) if found.description else ()

    def is_over(self) -> bool:
        """Every list was read, and nobody reads or asks any more."""
        return not self.ask(_UNREAD)[0]

    def let_hours_pass(self, *, kills: bool) -> None:
        """Until it is over. While nobody works, the clocks go on to when somebody may."""
        self._plan_kill()
        before, moved_at = requests(self.stage), time.monotonic()
        while not self.is_over():
            if (now := requests(self.stage)) != before:
                before, moved_at = now, time.monotonic()
            elif time.monotonic() - moved_at > PATIENCE_SECONDS:
                raise TimeoutError(f"nothing is asked after {before} requests")
            held, next_at = self.ask(_WAITING)
            if not held and next_at is not None and next_at > clock.now():
                self.hours.go_on((next_at - clock.now()).total_seconds() + 1)
            if kills and requests(self.stage) > self.kill_at:
                self.workers.kill(self.chance.randrange(len(self.workers.running)))
                self.workers.start()
                self._plan_kill()
            time.sleep(LOOK_SECONDS)

    def _plan_kill(self) -> None:
        self.kill_at = requests(self.stage) + self.chance.randint(*self.size.between_kills)


def prove(stage: Stage, *, short: bool) -> Told:
    size = SHORT if short else FULL
    seed = random.randrange(10**6)
    with on_another_vendor(stage, "--repositories", str(size.repositories)) as at:
        at.vendor.order("/switches", rate_limit=size.per_hour, pull_requests_move_repository=True)
        begun, hours = clock.now(), Hours(at)
        connection = linked(at, size.per_hour)
        environment = {"LEASE_SECONDS": str(size.lease), "SWEEP_SECONDS": "1"} | hours.environment
        try:
            with at.workers(WORKERS, including="tests.prove.simulated", **environment) as workers:
                sync = Sync(at, hours, workers, size, random.Random(seed))
                choose(at, connection)
                sync.let_hours_pass(kills=True)
                took = (clock.now() - begun).total_seconds() / 3600
                asked, wrong = requests(at), differences(at)
                found = changed(sync, seed)
                wrong_after = differences(at)
        finally:
            clock.reset()
        refused = at.vendor.state()["statuses"].get("429", 0)
    bound = asked / (size.per_hour * FULL_SHARE)
    rows = [
        ["simulated hours", round(took, 1)],
        ["hours that so many requests need at least", round(bound, 1)],
        ["requests of the first sync", asked],
        ["workers killed", workers.kills],
        [f"requests that found {CHANGES} changes", found.cost],
        ["the fewest that can", found.least],
    ]
    claims = [
        Claim("a worker was killed at least once", workers.kills > 0, workers.kills),
        Claim("the vendor refused no request for being too many", refused == 0, refused),
        Claim("it ends equal to the vendor's own record", not wrong, some(wrong)),
        Claim(
            f"the first sync repeats little: at most {MAY_EXCEED} × one request for each list",
            asked <= most(size, workers.kills),
            asked,
        ),
        Claim(
            f"finding {CHANGES} changes costs at most {MAY_EXCEED} × the fewest requests",
            found.cost <= MAY_EXCEED * found.least,
            f"{found.cost / found.least:.3f}",
        ),
        Claim("the changes are held as the vendor has them", not wrong_after, some(wrong_after)),
    ]
    tried = f"{size.repositories:,} repositories, {size.per_hour} requests an hour, seed {seed}"
    raw = {"seed": seed, "found": found, "differences": wrong + wrong_after}
    return Told(tried, ("counted", "number"), rows, claims, raw)


def most(size: Size, kills: int) -> float:
    """One request for each list, and for each killed worker what it had asked and not kept."""
    pages = -(-size.repositories // 100)
    return MAY_EXCEED * (pages + ASKED_OF_EACH * size.repositories) + 25 * kills + 25


# ── The scene ─────────────────────────────────────────────────────────────────────────────────


def linked(stage: Stage, per_hour: int) -> Connection:
    """For what is compared; the vendor has said what an hour allows."""
    works = stage.works
    token = stage.vendor.token("dana-full")
    made = works.connection(works.link_by_token(token, capabilities=CAPABILITIES), streams=STREAMS)
    with works.inside():
        SyncSettings.objects.filter(connection=made).update(keep_days=None)
    works.allow(per_hour)
    return made


def choose(stage: Stage, connection: Connection) -> None:
    """The large workspace and no other, which begins the first sync."""
    with stage.works.inside():
        rows = Workspace.objects.filter(connection_id=connection.id, slug=SPACE)
        ids = list(rows.values_list("id", flat=True))
        workspaces.choose(actor=stage.works.alice, connection=connection, workspace_ids=ids)


def changed(sync: Sync, seed: int) -> Found:
    """Random changes, and what is asked to find them.

    What else would be due by then, the daily lists and the rolling look, has just been done.
    """
    sync.ask(_FRESH, now=clock.now())
    wish = {"workspace": SPACE, "kinds": KINDS, "count": CHANGES, "seed": seed}
    found: list[dict[str, Any]] = sync.stage.vendor.order("/activity", **wish)["changes"]
    before = requests(sync.stage)
    due = sync.ask("SELECT min(next_sync_at) FROM connections_connection")[0]
    sync.hours.go_on(max(0.0, (due - clock.now()).total_seconds()) + 1)
    until(lambda: sync.ask("SELECT min(next_sync_at) FROM connections_connection")[0] > due)
    sync.let_hours_pass(kills=False)
    asked = sync.stage.vendor.ask(f"/requests?path=/2.0/repositories/*&since={before}")
    return Found(found, [row["path"] for row in asked["requests"]])


# ── Counting ──────────────────────────────────────────────────────────────────────────────────


def requests(stage: Stage) -> int:
    """How many requests of repositories the vendor has answered."""
    return int(stage.vendor.ask("/requests?since=1000000000")["total"])


def differences(stage: Stage) -> list[str]:
    """Every repository that is not held exactly as the vendor has it."""
    ours, wrong = held(stage), []
    theirs = stage.vendor.ask(f"/truth?workspace={SPACE}")["repositories"]
    for one in theirs:
        named = urlencode({"workspace": SPACE, "repository": one["slug"]})
        if ours.pop(one["uuid"], None) != so(stage.vendor.ask(f"/truth?{named}")):
            wrong.append(one["full_name"])
    return wrong + [f"{uuid} is no more" for uuid in ours]


def held(stage: Stage) -> dict[str, set[tuple[Any, ...]]]:
    """What our rows say of each repository."""
    with stage.servers.postgres.connect(stage.database) as administrator:
        rows = administrator.execute(_REPOSITORIES.encode()).fetchall()
        found: dict[str, set[tuple[Any, ...]]] = {str(row[0]): {tuple(row[1:])} for row in rows}
        for statement in (_BRANCHES, _PULLS):
            for row in administrator.execute(statement.encode()).fetchall():
                found[str(row[0])].add(tuple(row[1:]))
    return found


def so(told: Any) -> set[tuple[Any, ...]]:
    """The vendor's own record of one repository, in the words of our rows."""
    one = told["repository"]
    pulls = {(p["id"], p["state"].lower(), p["title"]) for p in told["pull_requests"]}
    branches = {("branch", name, target) for name, target in told["branches"].items()}
    tags = {("tag", tag["name"], tag["target"]) for tag in told["tags"]}
    return {(one["full_name"], one["mainbranch"] or ""), *pulls, *branches, *tags}


def some(wrong: list[str]) -> str:
    return f"{len(wrong)} differ" + (f": {', '.join(wrong[:3])}" if wrong else "")
