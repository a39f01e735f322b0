"""What every repository holds, made when it is asked for.

Ten thousand repositories cost nothing until somebody looks, and what nobody has changed is
forgotten again: only what was changed is kept for good.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic

from integrations.sandbox.code.contents import Contents
from integrations.sandbox.code.parts import R, W

REMEMBERED = 128


class Library(Generic[W, R]):
    """Contents by repository, as `plant` makes them; `changed` ones are never thrown away."""

    def __init__(self, plant: Callable[[W, R], Contents]) -> None:
        self._plant = plant
        self._seen: OrderedDict[str, Contents] = OrderedDict()
        self.changed: dict[str, Contents] = {}

    def read(self, workspace: W, repository: R) -> Contents:
        """Return what a repository holds, to look at only."""
        if repository.uuid in self.changed:
            return self.changed[repository.uuid]
        if repository.uuid in self._seen:
            self._seen.move_to_end(repository.uuid)
            return self._seen[repository.uuid]
        made = self._seen[repository.uuid] = self._plant(workspace, repository)
        if len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)
        return made

    def change(self, workspace: W, repository: R) -> Contents:
        """Return what a repository holds, kept from now on because it will differ."""
        found = self.read(workspace, repository)
        self._seen.pop(repository.uuid, None)
        self.changed[repository.uuid] = found
        return found

    def forget(self, repository: R) -> None:
        """Throw away what a deleted repository held."""
        self._seen.pop(repository.uuid, None)
        self.changed.pop(repository.uuid, None)
