"""What each REST endpoint answers: an object, or a listing that is cut into pages afterwards."""

from __future__ import annotations

from typing import Any

from integrations.sandbox.bitbucket_cloud import render
from integrations.sandbox.bitbucket_cloud.call import Call
from integrations.sandbox.bitbucket_cloud.errors import forbidden, not_found, not_found_text
from integrations.sandbox.bitbucket_cloud.identity import reaches
from integrations.sandbox.bitbucket_cloud.paging import Listing, dotted
from integrations.sandbox.bitbucket_cloud.world import (
    ADMINISTRATORS,
    Repository,
    User,
    Workspace,
)

Json = dict[str, Any]
ROLES = ("member", "contributor", "admin", "owner")
REPOSITORY_FIELDS = {
    "uuid", "slug", "name", "full_name", "description", "is_private", "size", "language",
    "created_on", "updated_on", "project.key", "project.uuid", "project.name", "mainbranch.name",
}  # fmt: skip


# ── the caller ────────────────────────────────────────────────────────────────────────────────


def user(call: Call) -> Json:
    return render.current_user(call.person(), call.origin)


def emails(call: Call) -> Listing:
    person = call.person()
    rows = [(person.email, True, True), (f"old+{person.email}", False, False)]
    return Listing(
        [
            {"type": "email", "email": email, "is_primary": primary, "is_confirmed": confirmed}
            for email, primary, confirmed in rows
        ]
    )


def other_user(call: Call) -> Json:
    person = call.world.user(call.ids["selected_user"])
    if person is None or call.ids["selected_user"] in {person.nickname, person.email}:
        raise not_found_text()
    return render.user(person, call.origin)


def user_workspaces(call: Call) -> Listing:
    """Neither name nor permission: that is what this endpoint leaves out."""
    call.person()
    wanted = call.choice("administrator", ("true", "false"))
    found = []
    for workspace in call.world.workspaces.values():
        permission = call.identity.membership(workspace)
        if permission is None:
            continue
        if wanted and (permission in ADMINISTRATORS) is not (wanted == "true"):
            continue
        found.append(render.workspace_access(workspace, permission, call.origin))
    slug = "workspace.slug"
    return Listing(
        found,
        value=lambda item, name: item["workspace"]["slug"],
        is_known=lambda name: name in {"slug", slug},
    )


def user_permission(call: Call) -> Json:
    person = call.person()
    workspace = call.world.workspace(call.ids["workspace"])
    permission = call.identity.membership(workspace) if workspace else None
    if workspace is None or permission is None:
        raise forbidden()
    return render.membership(workspace, person, permission, call.origin)


def user_repository_permissions(call: Call) -> Listing:
    person, workspace = call.person(), call.workspace()
    return Listing(
        visible(call, workspace, "member"),
        lambda repository: {
            "type": "repository_permission",
            "permission": call.identity.permission(workspace, repository),
            "user": render.user(person, call.origin),
            "repository": render.repository_short(repository, workspace, call.origin),
        },
        repository_value(workspace),
        lambda name: name in REPOSITORY_FIELDS,
    )


# ── workspaces ────────────────────────────────────────────────────────────────────────────────


def workspace(call: Call) -> Json:
    return render.workspace_full(call.workspace(), call.origin)


def members(call: Call) -> Listing:
    return memberships(call, call.workspace(), with_permission=False)


def permissions(call: Call) -> Listing:
    """Works with the slug only (https://github.com/codecov/umbrella/issues/883)."""
    if call.ids["workspace"].startswith("{") and not call.switches.permissions_by_uuid:
        raise not_found(f"No workspace with identifier '{call.ids['workspace']}'.")
    found = call.workspace()
    if call.identity.is_access_token:
        raise forbidden("Access tokens cannot read permissions.")
    return memberships(call, found, with_permission=True)


def memberships(call: Call, found: Workspace, *, with_permission: bool) -> Listing:
    """Members in order; `q` knows their addresses, which no answer shows."""

    def shown(person: User) -> Json:
        permission = found.members[person.uuid] if with_permission else None
        return render.membership(found, person, permission, call.origin)

    def value(person: User, name: str) -> Any:
        return person.email if name == "user.email" else dotted(shown(person), name)

    people = [u for u in call.world.users.values() if u.uuid in found.members]
    return Listing(people, shown, value)


def member(call: Call) -> Json:
    found = call.workspace()
    person = call.world.user(call.ids["member"])
    if person is None or person.uuid not in found.members:
        raise not_found_text()
    return render.membership(found, person, None, call.origin)


def projects(call: Call) -> Listing:
    found = call.workspace()
    shown = found.projects
    if call.identity.project:
        shown = [project for project in shown if project.key == call.identity.project]
    return Listing([render.project_full(project, found, call.origin) for project in shown])


def project(call: Call) -> Json:
    found = call.workspace()
    wanted = found.project(call.ids["project_key"])
    if wanted is None:
        raise not_found(f"No project with identifier '{call.ids['project_key']}'.")
    return render.project_full(wanted, found, call.origin)


# ── repositories ──────────────────────────────────────────────────────────────────────────────


def repositories(call: Call) -> Listing:
    found = call.listed_workspace()
    role = call.choice("role", ROLES)
    return Listing(
        visible(call, found, role),
        render.Repositories(found, call.origin),
        repository_value(found),
        lambda name: name in REPOSITORY_FIELDS,
    )


def visible(call: Call, found: Workspace, role: str) -> list[Repository]:
    """Return what the caller sees in this role, remembered: pages ask for it again and again."""
    who = call.identity
    membership = who.membership(found)
    if role and membership is None:
        return []
    if role == "owner":
        return found.repositories if membership == "owner" and found.is_personal else []
    person = who.user.uuid if found.granted and who.user else ""
    view = (membership or "", who.acts, who.project, who.repository, role, person)
    if view not in found.views:
        found.views[view] = [
            repository
            for repository in found.repositories
            if reaches(who.permission(found, repository), role or "member")
        ]
    return found.views[view]


def repository_value(found: Workspace) -> Any:
    """Return the function that `q` and `sort` read repositories with."""

    def value(repository: Repository, name: str) -> Any:
        if name == "full_name":
            return f"{found.slug}/{repository.slug}"
        if name == "mainbranch.name":
            return repository.mainbranch
        if name.startswith("project."):
            return getattr(repository.project, name.removeprefix("project."))
        return getattr(repository, name)

    return value


def repository(call: Call) -> Json:
    found, wanted = call.repository()
    return render.Repositories(found, call.origin)(wanted)
