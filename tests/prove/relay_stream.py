"""What people and machines do at Bitbucket, drawn at random: the same for the same seed."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from tests.vendor import Vendor

PEOPLE = ("dana", "tomas")
ISSUES = (("PAY", 40), ("OPS", 25), ("LAB", 12))
WEIGHTS = {
    "branch": 18, "push": 16, "pull_request": 12, "retitle": 10, "approve": 10, "unapprove": 3,
    "request_changes": 3, "merge": 6, "decline": 2, "status": 12, "pipeline": 9, "deployment": 7,
    "branch_delete": 3,
}  # fmt: skip
OPENING = (
    *("branch", "pull_request", "approve", "status", "pipeline", "pipeline", "deployment"),
    *("pipeline", "pipeline"),
)


@dataclass(slots=True)
class Home:
    """A repository, and what was done there so far."""

    slug: str
    branches: list[str] = field(default_factory=list)
    commits: list[str] = field(default_factory=list)
    pulls: dict[int, str] = field(default_factory=dict)  # open ones, with their branch
    verdicts: set[tuple[int, str]] = field(default_factory=set)
    running: list[int] = field(default_factory=list)
    built: list[int] = field(default_factory=list)


class Stream:
    """One deed after the other; `baseline` are the hashes that were there before."""

    def __init__(self, vendor: Vendor, space: str, slugs: list[str], chance: random.Random) -> None:
        self.vendor, self.space, self.chance = vendor, space, chance
        self.homes = [Home(slug) for slug in slugs]
        self.before = {slug: self.truth(slug) for slug in slugs}
        self.names = {one["uuid"]: one["display_name"] for one in vendor.known["users"]}
        self.done: Counter[str] = Counter()
        self.number = 0
        self.opening = list(OPENING)

    def truth(self, slug: str) -> Any:
        return self.vendor.ask(f"/truth?workspace={self.space}&repository={slug}")

    def happen(self) -> None:
        """Something that fits, done by somebody; at first one of each that matters."""
        if self.opening:
            kind = self.opening.pop(0)
            self.done[kind] += getattr(self, f"_{kind}")(self.homes[0])
            return
        while True:
            home = self.chance.choice(self.homes)
            (kind,) = self.chance.choices(list(WEIGHTS), list(WEIGHTS.values()))
            if getattr(self, f"_{kind}")(home):
                self.done[kind] += 1
                return

    def _order(self, home: Home, path: str, **wish: Any) -> Any:
        who = wish.pop("user", None) or self.chance.choice(PEOPLE)
        where = {"workspace": self.space, "repository": home.slug, "user": who}
        return self.vendor.order(path, **where, **wish)

    def _key(self) -> str:
        name, most = self.chance.choice(ISSUES)
        return f"{name}-{self.chance.randint(1, most)}"

    def _text(self) -> str:
        """A sentence, most often with an issue that there is."""
        self.number += 1
        draw = self.chance.random()
        if self.opening:
            return f"PAY-{self.number} LAB-{self.number} Do thing {self.number}"
        if draw < 0.12:
            return f"Tidy up {self.number}"
        if draw < 0.18:
            return f"PAY-99999 is no issue {self.number}"
        return f"{self._key()} Do thing {self.number}"

    # ── refs ──────────────────────────────────────────────────────────────────────────────────

    def _branch(self, home: Home) -> bool:
        name = f"feature/{self._key()}-{len(home.branches)}-{self.number}"
        return self._pushed(home, name)

    def _push(self, home: Home) -> bool:
        return bool(home.branches) and self._pushed(home, self.chance.choice(home.branches))

    def _pushed(self, home: Home, name: str) -> bool:
        texts = [self._text() for _ in range(self.chance.randint(1, 3))]
        told = self._order(home, "/push", branch=name, commits=texts)
        home.commits += told["changes"][0]["commits"]
        if name not in home.branches:
            home.branches.append(name)
        return True

    def _branch_delete(self, home: Home) -> bool:
        free = [name for name in home.branches[1:] if name not in home.pulls.values()]
        if not free:
            return False
        name = self.chance.choice(free)
        self._order(home, "/push", branch=name, delete=True)
        home.branches.remove(name)
        return True

    # ── pull requests ─────────────────────────────────────────────────────────────────────────

    def _pull_request(self, home: Home) -> bool:
        free = [name for name in home.branches if name not in home.pulls.values()]
        if not free:
            return False
        name = self.chance.choice(free)
        made = self._order(home, "/pull-requests", do="create", source=name, title=self._text())
        home.pulls[made["id"]] = name
        return True

    def _retitle(self, home: Home) -> bool:
        return self._reviewed(home, "update", title=self._text())

    def _approve(self, home: Home) -> bool:
        return self._judged(home, "approve", given=False)

    def _request_changes(self, home: Home) -> bool:
        return self._judged(home, "request_changes", given=False)

    def _unapprove(self, home: Home) -> bool:
        return self._judged(home, "unapprove", given=True)

    def _judged(self, home: Home, deed: str, *, given: bool) -> bool:
        found = [(n, who) for n in home.pulls for who in PEOPLE
                 if ((n, who) in home.verdicts) == given]  # fmt: skip
        if not found:
            return False
        number, who = self.chance.choice(found)
        (home.verdicts.discard if given else home.verdicts.add)((number, who))
        self._order(home, "/pull-requests", do=deed, id=number, user=who)
        return True

    def _merge(self, home: Home) -> bool:
        return self._closed(home, "merge")

    def _decline(self, home: Home) -> bool:
        return self._closed(home, "decline")

    def _closed(self, home: Home, deed: str) -> bool:
        if not home.pulls:
            return False
        number = self.chance.choice(list(home.pulls))
        self._order(home, "/pull-requests", do=deed, id=number)
        name = home.pulls.pop(number)
        if deed == "merge":
            home.branches.remove(name)  # it is closed with its pull request
        return True

    def _reviewed(self, home: Home, deed: str, **wish: Any) -> bool:
        if not home.pulls:
            return False
        self._order(
            home, "/pull-requests", do=deed, id=self.chance.choice(list(home.pulls)), **wish
        )
        return True

    # ── machines ──────────────────────────────────────────────────────────────────────────────

    def _status(self, home: Home) -> bool:
        if not home.commits:
            return False
        commit = self.chance.choice(home.commits[-8:])
        state = self.chance.choice(("SUCCESSFUL", "FAILED", "INPROGRESS"))
        url = f"https://ci.example/{commit[:12]}"
        self._order(home, "/statuses", commit=commit, key="ci", state=state, url=url)
        return True

    def _pipeline(self, home: Home) -> bool:
        result = self.chance.choice(("SUCCESSFUL", "FAILED"))
        if home.running:
            number = home.running.pop(0)
            self._order(home, "/pipelines", pipeline=number, result=result)
            home.built.append(number)
            return True
        if not home.branches:
            return False
        branch = self.chance.choice(home.branches)
        made = self._order(home, "/pipelines", branch=branch, running=True, steps=1)
        home.running.append(made["build_number"])
        return True

    def _deployment(self, home: Home) -> bool:
        if not home.built:
            return False
        where = self.chance.choice(("Staging", "Production"))
        self._order(home, "/deployments", pipeline=home.built.pop(0), environment=where)
        return True

    def deploy_last(self) -> None:
        """What is built and deployed nowhere goes out at the very end, as no pipeline changes."""
        for home in self.homes:
            while self._deployment(home):
                self.done["deployment"] += 1
