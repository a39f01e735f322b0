"""Random changes by the dozen, the same for the same seed and state, and what they were."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic

from integrations.sandbox.code import names
from integrations.sandbox.code.deeds import Deeds
from integrations.sandbox.code.parts import P, Place, R, U, User, W
from integrations.sandbox.code.records import PullRequest

Json = dict[str, Any]
TRIES = 40
# How often each kind of change is drawn.
WEIGHTS = {
    "push": 24, "force_push": 4, "branch_create": 6, "branch_delete": 3, "tag_create": 3,
    "pull_request_create": 10, "pull_request_update": 6, "approve": 10, "unapprove": 3,
    "request_changes": 4, "comment": 8, "merge": 8, "decline": 3, "status": 10, "pipeline": 10,
    "deployment": 6, "permission": 3, "repository_create": 2, "repository_rename": 2,
    "repository_delete": 1,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Draw(Generic[W, R, P, U]):
    """Who was drawn to change which repository; `look` is how it stands."""

    workspace: W
    repository: R
    look: P
    user: U
    rank: str


class RandomDeeds(Generic[W, R, P, U]):
    """Draws a repository and a kind of change until one fits; `kinds` restricts what is drawn."""

    def __init__(self, deeds: Deeds[W, R, P, U]) -> None:
        self._deeds = deeds
        self._chance = random.Random(1)
        self.by_path: dict[str, Callable[[Json], Json]] = {"/activity": self.activity}
        self._draw: dict[str, Callable[[Draw[W, R, P, U]], Json | None]] = {
            "push": self._push,
            "force_push": self._force_push,
            "branch_create": self._branch_create,
            "branch_delete": self._branch_delete,
            "tag_create": self._tag_create,
            "pull_request_create": self._pull_request_create,
            "status": self._report,
            "pipeline": self._pipeline,
            "deployment": self._deployment,
            "permission": self._permission,
            "repository_create": self._repository_create,
            "repository_rename": self._repository_rename,
            "repository_delete": self._repository_delete,
        }

    def activity(self, wish: Json) -> Json:
        """Make `count` changes in a workspace (or some `repositories` of it) and list them."""
        workspace, drawn = self._deeds.workspace(wish), self._deeds.stage.chance.random()
        self._chance = random.Random(f"activity:{wish.get('seed', drawn)}")
        kinds = {name: WEIGHTS[name] for name in wish.get("kinds", WEIGHTS)}
        named = wish.get("repositories")
        changes = []
        for _ in range(int(wish["count"])):
            among = (
                [self._deeds.repository(workspace, slug) for slug in named]
                if named
                else self._deeds.stage.repositories(workspace)
            )
            changes.append(self._one(workspace, among, kinds))
        return {"workspace": workspace.slug, "changes": changes}

    def _one(self, workspace: W, among: list[R], kinds: dict[str, int]) -> Json:
        for _ in range(TRIES):
            kind = self._chance.choices(list(kinds), list(kinds.values()))[0]
            repository = self._chance.choice(among)
            if repository.mainbranch is None:
                continue
            name = self._chance.choice(list(workspace.members))
            at = Draw(
                workspace,
                repository,
                self._deeds.stage.look(workspace, repository),
                self._deeds.user(name),
                workspace.members[name],
            )
            what = {"kind": kind, "repository": repository.slug, "uuid": repository.uuid}
            done = self._drawn(kind, at)
            if done is not None:
                return {**what, "user": at.user.nickname, **done}
        raise ValueError("no such change fits these repositories")

    def _drawn(self, kind: str, at: Draw[W, R, P, U]) -> Json | None:
        """Do a change of this kind; None when nothing there can be changed so."""
        if kind in self._draw:
            return self._draw[kind](at)
        return self._review(kind, at)

    def _changing(self, at: Draw[W, R, P, U]) -> P:
        return self._deeds.stage.place(at.workspace, at.repository)

    # ── refs ──────────────────────────────────────────────────────────────────────────────────

    def _push(self, at: Draw[W, R, P, U]) -> Json:
        branch = self._chance.choice(list(at.look.contents.branches))
        count = self._chance.randrange(1, 9)
        wish = {"branch": branch, "commits": count, "message": f"{names.issue(count)} Change"}
        return self._deeds.pushing.push(self._changing(at), at.user, wish)

    def _force_push(self, at: Draw[W, R, P, U]) -> Json | None:
        branches = [n for n in at.look.contents.branches if n != at.repository.mainbranch]
        if not branches:
            return None
        wish = {"branch": self._chance.choice(branches), "force": 1, "commits": 1}
        return self._deeds.pushing.push(self._changing(at), at.user, wish)

    def _branch_create(self, at: Draw[W, R, P, U]) -> Json:
        number = self._chance.randrange(10**9)
        wish = {"branch": f"topic/{names.issue(number)}-{number}", "commits": 1}
        return self._deeds.pushing.push(self._changing(at), at.user, wish)

    def _branch_delete(self, at: Draw[W, R, P, U]) -> Json | None:
        used = {p.source for p in at.look.contents.pull_requests.values() if p.state == "OPEN"}
        used.add(at.repository.mainbranch or "")
        free = [name for name in at.look.contents.branches if name not in used]
        if not free:
            return None
        wish = {"branch": self._chance.choice(free), "delete": True}
        return self._deeds.pushing.push(self._changing(at), at.user, wish)

    def _tag_create(self, at: Draw[W, R, P, U]) -> Json:
        wish = {"tag": f"build-{self._chance.randrange(10**9)}", "message": "A build"}
        return self._deeds.pushing.push(self._changing(at), at.user, wish)

    # ── pull requests ─────────────────────────────────────────────────────────────────────────

    def _pull_request_create(self, at: Draw[W, R, P, U]) -> Json:
        place, number = self._changing(at), self._chance.randrange(10**9)
        source = f"work/{names.issue(number)}-{number}"
        self._deeds.pushing.push(place, at.user, {"branch": source, "commits": 2})
        people = list(at.workspace.members)
        wish = {
            "source": source,
            "title": self._chance.choice(names.PULL_REQUESTS),
            "reviewers": self._chance.sample(people, min(2, len(people))),
        }
        return {"id": self._deeds.reviewing.create(place, at.user, wish).id, "branch": source}

    def _review(self, kind: str, at: Draw[W, R, P, U]) -> Json | None:
        found = [
            p for p in at.look.contents.pull_requests.values() if fits(kind, p, at.user, at.look)
        ]
        if not found:
            return None
        wish = {"id": self._chance.choice(found).id, "title": f"Again {self._chance.random()}"}
        deed = "update" if kind == "pull_request_update" else kind
        one = self._deeds.reviewing.do(self._changing(at), at.user, deed, wish)
        return {"id": one.id, "state": one.state}

    # ── machines ──────────────────────────────────────────────────────────────────────────────

    def _report(self, at: Draw[W, R, P, U]) -> Json:
        states = ("SUCCESSFUL", "FAILED", "INPROGRESS")
        wish = {"key": "ci/random", "state": self._chance.choice(states)}
        made = self._deeds.building.status(self._changing(at), at.user, wish)
        return {"commit": made.commit, "state": made.state}

    def _pipeline(self, at: Draw[W, R, P, U]) -> Json:
        wish = {"result": self._chance.choice(("SUCCESSFUL", "FAILED"))}
        made = self._deeds.building.pipeline(self._changing(at), at.user, wish)
        return {"build_number": made.build_number, "result": made.result}

    def _deployment(self, at: Draw[W, R, P, U]) -> Json | None:
        if not at.look.contents.pipelines:
            return None
        wish = {"environment": self._chance.choice(("Staging", "Production"))}
        made = self._deeds.building.deployment(self._changing(at), at.user, wish)
        return {"number": made.number, **wish}

    # ── administration ────────────────────────────────────────────────────────────────────────

    def _permission(self, at: Draw[W, R, P, U]) -> Json | None:
        if at.rank == self._deeds.OWNER:
            return None
        wish = {
            "workspace": at.workspace.slug,
            "repository": at.repository.slug,
            "user": at.user.uuid,
            "permission": self._chance.choice(("read", "write", "admin")),
        }
        return self._deeds.permit(wish)

    def _repository_create(self, at: Draw[W, R, P, U]) -> Json | None:
        slug = self._slug(at.workspace, "made")
        wish = {"slug": slug, "commits": 3}
        if slug is None:
            return None
        made = self._deeds.repositories.create(at.workspace, at.user, wish)
        return {"repository": made.slug, "uuid": made.uuid}

    def _repository_rename(self, at: Draw[W, R, P, U]) -> Json | None:
        slug = self._slug(at.workspace, "renamed")
        if slug is None:
            return None
        self._deeds.repositories.rename(at.workspace, at.user, at.repository, slug, slug)
        return {"repository": slug}

    def _slug(self, workspace: W, word: str) -> str | None:
        """Draw a slug; None when it is taken, as it may be by the same seed before."""
        slug = f"{word}-{self._chance.randrange(10**9)}"
        return None if self._deeds.stage.repository(workspace, slug) else slug

    def _repository_delete(self, at: Draw[W, R, P, U]) -> Json:
        self._deeds.repositories.delete(at.workspace, at.user, at.repository)
        return {}


def fits(kind: str, one: PullRequest, user: User, look: Place) -> bool:
    """Say whether somebody can do this to a pull request."""
    if one.state != "OPEN":
        return False
    said = next((each.state for each in one.participants if each.user == user.uuid), None)
    if kind in {"approve", "request_changes"}:
        wanted = {"approve": "approved", "request_changes": "changes_requested"}[kind]
        return user.uuid != one.author and said != wanted
    if kind == "unapprove":
        return said == "approved"
    if kind == "merge":
        return one.source in look.contents.branches
    return True
