"""What a connection's lists cost in requests, for who chooses which of them are read."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from connections.budgets import FULL_SHARE
from connections.contracts import Level, Stream
from connections.flows import budget, plan
from connections.models import Connection, Repository, Workspace
from portal import phrases

PAGE: Final = 100
BRANCHES_THAT_MATTER: Final = 3  # of a repository, each with its builds: a usual number


@dataclass(frozen=True, slots=True)
class Costs:
    """How many workspaces and repositories there are to read, and what an hour allows."""

    workspaces: int
    repositories: int
    per_hour: int

    @classmethod
    def of(cls, connection: Connection) -> Costs:
        """As far as they are known; a workspace that was never read has none yet."""
        spaces = Workspace.objects.filter(connection_id=connection.id, selected=True, gone_at=None)
        there = Repository.objects.filter(connection_id=connection.id, gone_at=None)
        hour = budget.stand(connection.budget_id)
        return cls(
            workspaces=spaces.count(),
            repositories=there.filter(workspace__selected=True).count(),
            per_hour=hour.per_hour if hour else budget.USUAL,
        )

    def once(self, stream: Stream) -> int:
        """About how many requests a whole reading of this list takes."""
        if stream.level is Level.WORKSPACE:
            pages = -(-self.repositories // PAGE) if stream.key == plan.REPOSITORIES else 0
            return max(self.workspaces, pages)
        return self.repositories * (BRANCHES_THAT_MATTER if stream.by_commit else 1)

    def words(self, stream: Stream) -> str:
        """What one reading of it takes; nothing while there is nothing to read."""
        once = self.once(stream)
        return f"about {phrases.plural(once, 'request')}" if once else ""

    def whole(self, streams: Collection[Stream]) -> str:
        """What the first reading of these lists takes, and how long where an hour is not enough."""
        total, hourly = sum(self.once(stream) for stream in streams), self.per_hour * FULL_SHARE
        said = f"A whole reading of what is chosen takes about {phrases.plural(total, 'request')}"
        if total <= hourly:
            return f"{said}, fewer than this account has in an hour."
        hours = phrases.span((total - hourly) / max(1.0, hourly) * 3600)
        return f"{said}. At {self.per_hour:,} an hour that is at least {hours}."
