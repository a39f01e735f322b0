"""One organization: its world, its credentials, and both of its interfaces."""

from __future__ import annotations

from collections.abc import Callable

from integrations.sandbox.jetbrains_space.api import Api
from integrations.sandbox.jetbrains_space.credentials import Registry
from integrations.sandbox.jetbrains_space.oauth import OAuth
from integrations.sandbox.jetbrains_space.switches import Switches
from integrations.sandbox.jetbrains_space.world import World


class Organization:
    """What answers at one address."""

    def __init__(
        self, world: World, registry: Registry, switches: Switches, now: Callable[[], float]
    ) -> None:
        self.world = world
        self.registry = registry
        self.api = Api(world, registry, switches, now)
        self.oauth = OAuth(registry, world, switches, now)
