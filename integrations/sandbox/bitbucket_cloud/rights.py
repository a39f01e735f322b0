"""Permissions of people and groups on repositories: what was granted, and what is in effect."""

from __future__ import annotations

from collections.abc import Iterator

from integrations.sandbox.bitbucket_cloud.world import (
    GROUPS,
    RANKS,
    Repository,
    User,
    Workspace,
    World,
    group_permission,
    permission_on,
)

GROUP_NAMES = {
    "administrators": "Administrators",
    "developers": "Developers",
    "contractors": "Contractors",
}
LEVELS = (*RANKS, "none")
BY_NAME = 12  # so many of a workspace's founders were granted their permissions by name


def effective(
    world: World, workspace: Workspace, repository: Repository
) -> Iterator[tuple[User, str]]:
    """Yield every member who may at least read, with the highest permission they have."""
    for uuid in workspace.members:
        user, permission = world.user(uuid), permission_on(workspace, repository, uuid)
        if user is not None and permission is not None:
            yield user, permission


def granted_to_people(
    world: World, workspace: Workspace, repository: Repository
) -> list[tuple[User, str]]:
    """Return what was granted to members by name: to founders who hold more than read, and to
    whom the control port granted something."""
    granted = workspace.granted.get(repository.uuid, {})
    found: list[tuple[User, str]] = []
    for uuid in dict.fromkeys((*workspace.founders[:BY_NAME], *granted)):
        user, permission = world.user(uuid), permission_on(workspace, repository, uuid)
        if user is None or uuid not in workspace.members:
            continue
        if uuid in granted:
            found.append((user, granted[uuid]))
        elif permission in {"write", "admin"} and repository.planted_on:
            found.append((user, permission))
    return found


def granted_to_groups(workspace: Workspace, repository: Repository) -> list[tuple[str, str]]:
    """Return each group with its permission on a repository, without those that have none."""
    found = ((slug, group_permission(workspace, repository, membership))
             for membership, slug in GROUPS.items() if membership != "create-project")  # fmt: skip
    return [(slug, permission) for slug, permission in found if permission is not None]


def grant(
    workspace: Workspace,
    repository: Repository,
    *,
    user: str = "",
    group: str = "",
    permission: str | None,
) -> None:
    """Give a person or a group a permission on a repository; None takes the grant away.

    Raises ValueError for a permission or a group that does not exist.
    """
    if permission is not None and permission not in LEVELS:
        raise ValueError(f"permission is one of {', '.join(LEVELS)}")
    if group and group not in GROUP_NAMES:
        raise ValueError(f"group is one of {', '.join(GROUP_NAMES)}")
    whose = workspace.group_granted if group else workspace.granted
    table = whose.setdefault(repository.uuid, {})
    if permission is None:
        table.pop(group or user, None)
    else:
        table[group or user] = permission
    workspace.views.clear()
