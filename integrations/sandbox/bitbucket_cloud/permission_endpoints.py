"""Permissions on projects and repositories over REST: granted to people, to groups, in effect."""

from __future__ import annotations

from typing import Any

from integrations.sandbox.bitbucket_cloud import render
from integrations.sandbox.bitbucket_cloud.call import Call
from integrations.sandbox.bitbucket_cloud.errors import forbidden, not_found
from integrations.sandbox.bitbucket_cloud.paging import Listing, dotted
from integrations.sandbox.bitbucket_cloud.rights import (
    GROUP_NAMES,
    effective,
    granted_to_groups,
    granted_to_people,
)
from integrations.sandbox.bitbucket_cloud.world import (
    ADMINISTRATORS,
    Repository,
    User,
    Workspace,
)

Json = dict[str, Any]


def of_workspace(call: Call) -> Listing:
    """Every repository's permissions in effect, for owners only."""
    workspace = owned(call)
    view = ("permissions",)
    if view not in workspace.views:
        workspace.views[view] = [
            (repository, user, permission)
            for repository in workspace.repositories
            for user, permission in effective(call.world, workspace, repository)
        ]
    return in_effect(call, workspace, workspace.views[view])


def of_repository(call: Call) -> Listing:
    workspace = call.workspace()
    repository = workspace.repository(call.ids["repo_slug"])
    if repository is None:
        raise not_found(f"Repository {workspace.slug}/{call.ids['repo_slug']} not found")
    if call.identity.is_access_token or call.identity.permission(workspace, repository) != "admin":
        raise forbidden()
    pairs = effective(call.world, workspace, repository)
    return in_effect(call, workspace, [(repository, *pair) for pair in pairs])


def owned(call: Call) -> Workspace:
    workspace = call.workspace()
    if call.identity.is_access_token:
        raise forbidden("Access tokens cannot read permissions.")
    if call.identity.membership(workspace) not in ADMINISTRATORS:
        raise forbidden()
    return workspace


def in_effect(
    call: Call, workspace: Workspace, rows: list[tuple[Repository, User, str]]
) -> Listing:
    def shown(row: tuple[Repository, User, str]) -> Json:
        repository, user, permission = row
        return {
            "type": "repository_permission",
            "permission": permission,
            "user": render.user(user, call.origin),
            "repository": render.repository_short(repository, workspace, call.origin),
        }

    def value(row: tuple[Repository, User, str], name: str) -> Any:
        return row[2] if name == "permission" else dotted(shown(row), name)

    return Listing(rows, shown, value)


# ── what was granted, to whom ─────────────────────────────────────────────────────────────────


def repository_users(call: Call) -> Listing:
    workspace, repository, place = administered(call)
    rows = granted_to_people(call.world, workspace, repository)
    return Listing([of_person(call, workspace, repository, place, *row) for row in rows])


def repository_user(call: Call) -> Json:
    workspace, repository, place = administered(call)
    wanted = call.world.user(call.ids["selected_user_id"])
    for user, permission in granted_to_people(call.world, workspace, repository):
        if user is wanted:
            return of_person(call, workspace, repository, place, user, permission)
    raise not_found(f"{call.ids['selected_user_id']} has no explicit permission")


def repository_groups(call: Call) -> Listing:
    workspace, repository, place = administered(call)
    rows = granted_to_groups(workspace, repository)
    return Listing([of_group(call, workspace, repository, place, *row) for row in rows])


def repository_group(call: Call) -> Json:
    workspace, repository, place = administered(call)
    for slug, permission in granted_to_groups(workspace, repository):
        if slug == call.ids["group_slug"]:
            return of_group(call, workspace, repository, place, slug, permission)
    raise not_found(f"{call.ids['group_slug']} has no explicit permission")


def administered(call: Call) -> tuple[Workspace, Repository, str]:
    if call.identity.is_access_token:
        raise forbidden("Access tokens cannot read permissions.")
    workspace, repository = call.repository(needs="admin")
    path = f"{workspace.slug}/{repository.slug}"
    return workspace, repository, f"{call.origin}/2.0/repositories/{path}/permissions-config"


def of_person(
    call: Call,
    workspace: Workspace,
    repository: Repository,
    place: str,
    user: User,
    permission: str,
) -> Json:
    return {
        "type": "repository_user_permission",
        "permission": permission,
        "user": render.user(user, call.origin),
        "repository": render.repository_short(repository, workspace, call.origin),
        "links": {"self": render.link(f"{place}/users/{render.encoded(user.uuid)}")},
    }


def of_group(
    call: Call,
    workspace: Workspace,
    repository: Repository,
    place: str,
    slug: str,
    permission: str,
) -> Json:
    return {
        "type": "repository_group_permission",
        "permission": permission,
        "group": group(call, workspace, slug),
        "repository": render.repository_short(repository, workspace, call.origin),
        "links": {"self": render.link(f"{place}/groups/{slug}")},
    }


def group(call: Call, workspace: Workspace, slug: str) -> Json:
    return {
        "type": "group",
        "name": GROUP_NAMES[slug],
        "slug": slug,
        "full_slug": f"{workspace.slug}:{slug}",
        "owner": render.owner(workspace, call.origin),
        "workspace": render.workspace_short(workspace, call.origin),
    }


def project_users(call: Call) -> Listing:
    """Owners administer every project; nobody else was granted anything by name."""
    workspace, shown, place = administered_project(call)
    return Listing(
        [
            {
                "type": "project_user_permission",
                "permission": "admin",
                "user": render.user(user, call.origin),
                "project": shown,
                "links": {"self": render.link(f"{place}/users/{render.encoded(user.uuid)}")},
            }
            for user in call.world.users.values()
            if workspace.members.get(user.uuid) in ADMINISTRATORS
        ]
    )


def project_groups(call: Call) -> Listing:
    workspace, shown, place = administered_project(call)
    granted = {"administrators": "admin", "developers": "read"}
    return Listing(
        [
            {
                "type": "project_group_permission",
                "permission": permission,
                "group": group(call, workspace, slug),
                "project": shown,
                "links": {"self": render.link(f"{place}/groups/{slug}")},
            }
            for slug, permission in granted.items()
        ]
    )


def administered_project(call: Call) -> tuple[Workspace, Json, str]:
    workspace = owned(call)
    found = workspace.project(call.ids["project_key"])
    if found is None:
        raise not_found(f"No project with identifier '{call.ids['project_key']}'.")
    place = f"{call.origin}/2.0/workspaces/{workspace.slug}/projects/{found.key}"
    return (
        workspace,
        render.project_short(found, workspace, call.origin),
        (f"{place}/permissions-config"),
    )
