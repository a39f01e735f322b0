"""Permissions on repositories themselves: what was granted to users and groups."""

from __future__ import annotations

from integrations.sandbox.bitbucket_data_center.world import Project, Repository, User, World

LEVELS = ("read", "write", "admin")


def of_users(world: World, project: Project, one: Repository) -> list[tuple[User, str]]:
    """At first to one of the project's members, in every second repository."""
    first = list(project.members)[: one.number % 2] if one.planted_on else []
    granted = {**dict.fromkeys(first, "write"), **project.granted.get(one.uuid, {})}
    return [(world.users[name], what) for name, what in granted.items() if what in LEVELS]


def of_groups(project: Project, one: Repository) -> list[tuple[str, str]]:
    first = {"auditors": "read"} if one.number % 3 and one.planted_on else {}
    granted = {**first, **project.group_granted.get(one.uuid, {})}
    return [(name, what) for name, what in granted.items() if what in LEVELS]


def grant(
    project: Project, one: Repository, *, user: str, group: str, permission: str | None
) -> None:
    """Give a user or a group a permission; None takes the grant away. Raises ValueError."""
    if permission is not None and permission not in LEVELS:
        raise ValueError(f"permission is one of {', '.join(LEVELS)}")
    table = project.group_granted if group else project.granted
    table.setdefault(one.uuid, {})[group or user] = permission or "none"
