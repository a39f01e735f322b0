"""What goes on inside a repository: branches, commits, pull requests, pipelines, hooks.

Nothing of it is stored: each list is drawn from the repository's uuid, so it is the same each time.
"""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any

from integrations.sandbox.bitbucket_cloud import names, render
from integrations.sandbox.bitbucket_cloud.seed import identifier, moment
from integrations.sandbox.bitbucket_cloud.world import Repository, User, Workspace, World

Json = dict[str, Any]
BUSY = 120  # pull requests of a workspace's first repository: more than two pages of fifty
STATES = ("OPEN", "OPEN", "MERGED", "MERGED", "DECLINED", "SUPERSEDED")
RESULTS = ("SUCCESSFUL", "SUCCESSFUL", "FAILED", "STOPPED", "ERROR")
EVENTS = ("repo:push", "pullrequest:created", "pullrequest:updated", "pullrequest:fulfilled")


class Activity:
    """One repository's activity, rendered for one origin."""

    def __init__(
        self, world: World, workspace: Workspace, repository: Repository, origin: str
    ) -> None:
        self._workspace = workspace
        self._repository = repository
        self._origin = origin
        self._people = [u for u in world.users.values() if u.uuid in workspace.members]
        full_name = f"{workspace.slug}/{repository.slug}"
        self._api = f"{origin}/2.0/repositories/{full_name}"
        self._html = f"{origin}/{full_name}"

    def branches(self) -> list[Json]:
        if self._repository.mainbranch is None:
            return []
        chance = self._chance("branches")
        others = names.BRANCHES[: self._repository.number % (len(names.BRANCHES) + 1)]
        return [self._branch(name, chance) for name in (self._repository.mainbranch, *others)]

    def commits(self) -> list[Json]:
        if self._repository.mainbranch is None:
            return []
        chance = self._chance("commits")
        count = 15 + self._repository.number % 60
        hashes = [chance.randbytes(20).hex() for _ in range(count)]
        return [
            self._commit(mark, number, chance, parents=hashes[number + 1 : number + 2])
            for number, mark in enumerate(hashes)
        ]

    def pull_requests(self) -> list[Json]:
        if self._repository.mainbranch is None:
            return []
        chance = self._chance("pull requests")
        count = BUSY if self._repository.number == 0 else self._repository.number % 13
        return [self._pull_request(number, chance) for number in range(count, 0, -1)]

    def pipelines(self) -> list[Json]:
        if self._repository.mainbranch is None:
            return []
        chance = self._chance("pipelines")
        return [self._pipeline(n, chance) for n in range(self._repository.number % 31, 0, -1)]

    def hooks(self) -> list[Json]:
        """Every fifth repository has a hook of somebody else's."""
        if self._repository.number % 5:
            return []
        subject = render.repository_short(self._repository, self._workspace, self._origin)
        return [hook(self._chance("hooks"), "repository", subject, f"{self._api}/hooks")]

    # ── single things ─────────────────────────────────────────────────────────────────────────

    def _chance(self, what: str) -> random.Random:
        return random.Random(f"{self._repository.uuid}:{what}")

    def _someone(self, chance: random.Random) -> User:
        return chance.choice(self._people)

    def _moment(self, days: int) -> str:
        updated = datetime.fromisoformat(self._repository.updated_on)
        return moment(updated - timedelta(days=days, hours=days % 7))

    def _branch(self, name: str, chance: random.Random) -> Json:
        links = {
            "self": render.link(f"{self._api}/refs/branches/{name}"),
            "commits": render.link(f"{self._api}/commits/{name}"),
            "html": render.link(f"{self._html}/branch/{name}"),
        }
        target = self._commit(chance.randbytes(20).hex(), chance.randrange(300), chance)
        strategies = ["merge_commit", "squash", "fast_forward"]
        return {
            "type": "branch",
            "name": name,
            "target": target,
            "links": links,
            "merge_strategies": strategies,
            "default_merge_strategy": "merge_commit",
        }

    def _commit(
        self, mark: str, age: int, chance: random.Random, parents: list[str] | None = None
    ) -> Json:
        author = self._someone(chance)
        message = chance.choice(names.PULL_REQUESTS)
        return {
            "type": "commit",
            "hash": mark,
            "date": self._moment(age),
            "author": {
                "type": "author",
                "raw": f"{author.display_name} <{author.email}>",
                "user": render.user(author, self._origin),
            },
            "message": f"{message}\n",
            "summary": {"raw": message, "markup": "markdown", "html": "<p>…</p>"},
            "links": {"self": render.link(f"{self._api}/commit/{mark}")},
            "parents": [{"type": "commit", "hash": parent} for parent in parents or []],
            "repository": render.repository_short(self._repository, self._workspace, self._origin),
        }

    def _pull_request(self, number: int, chance: random.Random) -> Json:
        state = STATES[number % len(STATES)]
        closed = state != "OPEN"
        author = render.user(self._someone(chance), self._origin)
        place = f"{self._api}/pullrequests/{number}"
        ours = render.repository_short(self._repository, self._workspace, self._origin)
        merged = {"hash": chance.randbytes(6).hex()} if state == "MERGED" else None
        return {
            "type": "pullrequest",
            "id": number,
            "title": chance.choice(names.PULL_REQUESTS),
            "description": "",
            "state": state,
            "draft": number % 9 == 0,
            "author": author,
            "source": endpoint(ours, chance.choice(names.BRANCHES), chance),
            "destination": endpoint(ours, self._repository.mainbranch or "main", chance),
            "merge_commit": merged,
            "closed_by": author if closed else None,
            "reason": "",
            "close_source_branch": True,
            "comment_count": number % 5,
            "task_count": number % 3,
            "created_on": self._moment(number + 2),
            "updated_on": self._moment(number),
            "links": {
                "self": render.link(place),
                "html": render.link(f"{self._html}/pull-requests/{number}"),
                "commits": render.link(f"{place}/commits"),
                "activity": render.link(f"{place}/activity"),
            },
        }

    def _pipeline(self, number: int, chance: random.Random) -> Json:
        result = RESULTS[number % len(RESULTS)]
        uuid = identifier(chance)
        place = f"{self._api}/pipelines/{render.encoded(uuid)}"
        ours = render.repository_short(self._repository, self._workspace, self._origin)
        return {
            "type": "pipeline",
            "uuid": uuid,
            "build_number": number,
            "repository": ours,
            "creator": render.user(self._someone(chance), self._origin),
            "target": {
                "type": "pipeline_ref_target",
                "ref_type": "branch",
                "ref_name": self._repository.mainbranch,
                "commit": {"type": "commit", "hash": chance.randbytes(20).hex()},
            },
            "trigger": {"type": "pipeline_trigger_push", "name": "PUSH"},
            "state": {
                "type": "pipeline_state_completed",
                "name": "COMPLETED",
                "result": {
                    "type": f"pipeline_state_completed_{result.lower()}",
                    "name": result,
                },
            },
            "created_on": self._moment(number),
            "completed_on": self._moment(number),
            "build_seconds_used": chance.randrange(20, 1800),
            "links": {"self": render.link(place), "steps": render.link(f"{place}/steps")},
        }


def endpoint(repository: Json, branch: str, chance: random.Random) -> Json:
    return {
        "repository": repository,
        "branch": {"name": branch},
        "commit": {"hash": chance.randbytes(6).hex()},
    }


def hook(chance: random.Random, subject_type: str, subject: Json, address: str) -> Json:
    uuid = identifier(chance)
    return {
        "type": "webhook_subscription",
        "uuid": uuid,
        "url": "https://ci.example/hooks/bitbucket",
        "description": "Build server",
        "subject_type": subject_type,
        "subject": subject,
        "active": True,
        "created_at": "2025-03-04T08:00:00.000000Z",
        "events": list(EVENTS),
        "secret_set": True,
        "skip_cert_verification": False,
        "history_enabled": False,
        "read_only": False,
        "source": None,
        "links": {"self": render.link(f"{address}/{render.encoded(uuid)}")},
    }
