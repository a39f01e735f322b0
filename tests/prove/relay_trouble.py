"""What goes wrong while events travel, and how often it did."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from connections.flows import replacement
from connections.models import Connection, Replacement
from portal.secret import Secret
from tests.connections import jira_line
from tests.connections.jira_line import KILLED
from tests.prove.relay_scene import Linked
from tests.prove.stage import Stage, Workers, until

PATIENCE = 90.0
API, AUTH = "api.atlassian.com", "auth.atlassian.com"
FAULTS: tuple[dict[str, Any], ...] = (
    {"kind": "status", "status": 503, "times": 3},
    {"kind": "status", "status": 429, "times": 1, "headers": {"Retry-After": "2"}},
    {"kind": "reset", "times": 2},  # it is taken, and nobody is told
    {"kind": "cut", "times": 1},
    {"kind": "silent", "times": 1, "seconds": 40},
    {"kind": "status", "status": 502, "times": 6},
    {"kind": "reset", "times": 1, "host": AUTH, "match": "POST /oauth/token"},
)


class Trouble:
    """Orders it, and keeps the books."""

    def __init__(
        self,
        stage: Stage,
        linked: Linked,
        workers: Workers,
        environment: Mapping[str, str],
        chance: random.Random,
    ) -> None:
        self.stage, self.linked, self.workers = stage, linked, workers
        self.environment, self.chance = dict(environment), chance
        self.died: Counter[str] = Counter()
        self._hits: Counter[str] = Counter()
        self._turn = 0

    # ── Workers ───────────────────────────────────────────────────────────────────────────────

    def kill(self) -> None:
        self.workers.kill(self.chance.randrange(len(self.workers.running)))
        self.workers.start()

    def die_at(self, step: str, meanwhile: Callable[[], object] = lambda: None) -> None:
        """One more worker comes, and dies exactly there; it may take a while to get there."""
        doomed = Workers(self.stage, self.environment | {"DIE_AT_STEP": step})
        doomed.start()

        def is_dead() -> bool:
            meanwhile()
            return doomed.running[0].poll() is not None

        try:
            until(is_dead, PATIENCE, 0.3)
            self.died[step] += doomed.running[0].poll() == KILLED
        finally:
            doomed.stop()

    # ── Answers ───────────────────────────────────────────────────────────────────────────────

    def fault(self) -> None:
        """The next of them, at the target or where its tokens come from."""
        what = FAULTS[self._turn % len(FAULTS)]
        self._turn += 1
        self.fail(**what)

    def fail(self, **what: Any) -> None:
        self.stage.vendor.order("/faults", **{"host": API, "match": "* /*"} | what)

    def end(self) -> None:
        """From here on everything is well; what struck until then is counted."""
        for one in self.stage.vendor.ask("/faults"):
            word = f"{one['kind']} {one.get('status', '')}".strip()
            self._hits[f"{word} of {one['host'].partition('.')[0]}"] += one["hits"]
        self.stage.vendor.order("/normal")

    def hits(self) -> Counter[str]:
        return self._hits

    # ── Credentials ───────────────────────────────────────────────────────────────────────────

    def replace_secret(self) -> None:
        """The client's secret is another one: the former is dead, people hand the new one in."""
        works, client = self.stage.works, jira_line.secret(self.stage.vendor)
        with works.inside():
            one = replacement.hand_in(
                actor=works.admin,
                connection=Connection.objects.get(id=self.linked.targets[0].id),
                method="site-credentials",
                fields={"site": "acme", "client_id": client["client_id"]},
                secret=Secret(client["secret"]),
            )
        until(lambda: self._stage_of(one) == Replacement.Stage.CHECKED, PATIENCE)
        with works.inside():
            replacement.switch(actor=works.admin, replacement=Replacement.objects.get(id=one.id))
        until(lambda: self._stage_of(one) == Replacement.Stage.SWITCHED, PATIENCE)

    def _stage_of(self, one: Replacement) -> str:
        with self.stage.works.inside():
            return Replacement.objects.values_list("stage", flat=True).get(id=one.id)  # type: ignore[no-any-return]

    def issued(self) -> dict[str, int]:
        """How many access tokens each vendor gave."""
        ask = self.stage.vendor.ask
        return {
            "Bitbucket": int(ask("/calls")["issued"]),
            "Atlassian": int(ask("/atlassian/calls")["issued"]),
        }
