"""What the control port may change on the Data Center server."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from integrations.sandbox.bitbucket_data_center import truth
from integrations.sandbox.bitbucket_data_center.vendor import BitbucketDataCenter, vars_of
from integrations.sandbox.bitbucket_data_center.world import populate
from integrations.sandbox.code.random_deeds import RandomDeeds

Json = dict[str, Any]


class DataCenterCommands:
    """One method per control path; each takes the JSON body and returns what it did."""

    def __init__(self, vendor: BitbucketDataCenter) -> None:
        self._vendor = vendor
        self.by_path: dict[str, Callable[[Json], Json]] = {
            "/data-center/switches": self.switches,
            "/data-center/tokens": self.token,
            "/data-center/tokens/end": self.end,
            "/data-center/repositories": self.repositories,
            "/data-center/people": self.people,
            "/data-center/activity": lambda wish: RandomDeeds(vendor.deeds).activity(wish),
            **{f"/data-center{path}": ordered(vendor, path) for path in vendor.deeds.by_path},
        }
        self.questions: dict[str, Callable[[Mapping[str, list[str]]], object]] = {
            "/data-center/truth": lambda query: truth.answer(vendor.deeds, query)
        }

    def switches(self, wish: Json) -> Json:
        for name, value in wish.items():
            self._vendor.switches.set(name, value)
        return self._vendor.switches.describe()

    def token(self, wish: Json) -> Json:
        """Make an HTTP access token of a `user`, a `project`, or a `repository` of it."""
        now, days = self._vendor.clock.now(), wish.get("days", 90)
        made = self._vendor.registry.issue(
            name=str(wish["name"]),
            permissions=list(wish.get("permissions", ["PROJECT_READ", "REPO_READ"])),
            created_at=now,
            expires_at=None if days is None else now + days * 86_400,
            user=str(wish.get("user", "")),
            project=str(wish.get("project", "")),
            repository=str(wish.get("repository", "")),
            about=str(wish["name"]),
        )
        return vars_of(made)

    def end(self, wish: Json) -> Json:
        """Withdraw (`revoked`) or expire the tokens of this `name`, and every grant with none."""
        found = [t for t in self._vendor.registry.tokens.values() if t.name == wish.get("name")]
        for token in found:
            token.revoked = bool(wish.get("revoked", False))
            token.expires_at = self._vendor.clock.now()
        if "name" not in wish:
            for grant in self._vendor.registry.grants:
                grant.revoked = True
        return {"ended": len(found)}

    def repositories(self, wish: Json) -> Json:
        """Grow or shrink a project to `count` repositories, or order what becomes of some."""
        if "count" not in wish:
            return self._vendor.deeds.administer(wish)
        project = self._vendor.world.projects[str(wish.get("project", "PAY"))]
        populate(project, int(wish["count"]))
        return {"project": project.key, "repositories": len(project.repositories)}

    def people(self, wish: Json) -> Json:
        """Deactivate a `user`, or take them back."""
        user = self._vendor.world.users[str(wish["user"])]
        user.active = bool(wish.get("active", False))
        return {"user": user.name, "active": user.active}


def ordered(vendor: BitbucketDataCenter, path: str) -> Callable[[Json], Json]:
    """The deed of a control path in the world of the moment; a reset makes another."""
    return lambda wish: vendor.deeds.by_path[path](wish)
