"""Atlassian over one state: registry, accounts and sites, and what the products hold there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from integrations.sandbox.atlassian.credentials import Registry
from integrations.sandbox.atlassian.switches import Switches
from integrations.sandbox.atlassian.world import World
from integrations.sandbox.confluence.world import ConfluenceSite
from integrations.sandbox.jira.development import Development
from integrations.sandbox.jira.world import JiraSite


@dataclass(slots=True)
class Places:
    """Products' data by the name of the site."""

    world: World
    registry: Registry
    switches: Switches
    now: Callable[[], float]
    jira: dict[str, JiraSite]
    development: dict[str, Development]
    confluence: dict[str, ConfluenceSite]
