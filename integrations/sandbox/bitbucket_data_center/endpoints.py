"""What each path answers; a function for each, named after what it gives."""

from __future__ import annotations

from typing import Any

from integrations.sandbox.bitbucket_data_center import rights
from integrations.sandbox.bitbucket_data_center.call import Call
from integrations.sandbox.bitbucket_data_center.errors import no_user, not_permitted
from integrations.sandbox.bitbucket_data_center.world import Project, Repository, User

Json = dict[str, Any]


def application_properties(call: Call) -> Json:
    """Anybody may ask; only the headers tell who did."""
    return {
        "version": call.switches.version,
        "buildNumber": "9004003",
        "buildDate": "1731974400000",
        "displayName": "Bitbucket",
    }


def projects(call: Call) -> Json:
    named = call.first("name").lower()
    found = [p for p in call.world.projects.values() if named in p.name.lower()]
    return call.page(found, call.write.project, call.identity.sees_project)


def project(call: Call) -> Json:
    return call.write.project(call.project())


def repositories(call: Call) -> Json:
    of = call.project()
    return call.page(
        of.repositories,
        lambda each: call.write.repository(of, each),
        lambda each: call.identity.sees(of, each),
    )


def repository(call: Call) -> Json:
    return call.write.repository(*call.repository())


def permitted_users(call: Call) -> Json:
    """For the project's administrators only."""
    of = call.project()
    if not call.identity.administers(of):
        raise not_permitted()
    rows = [(call.world.users[name], held) for name, held in of.members.items()]
    return call.page(rows, lambda row: {"user": call.write.user(row[0]), "permission": row[1]})


def permitted_groups(call: Call) -> Json:
    """For the project's administrators only."""
    if not call.identity.administers(call.project()):
        raise not_permitted()
    return call.page(["developers"], lambda name: granted_to_group(name, "PROJECT_WRITE"))


def repository_users(call: Call) -> Json:
    """What was granted on the repository itself."""
    rows = rights.of_users(call.world, *administered(call))
    return call.page(rows, lambda row: {"user": call.write.user(row[0]), **permission(row[1])})


def repository_groups(call: Call) -> Json:
    rows = rights.of_groups(*administered(call))
    return call.page(rows, lambda row: {"group": {"name": row[0]}, **permission(row[1])})


def permission(level: str) -> Json:
    return {"permission": f"REPO_{level.upper()}"}


def granted_to_group(name: str, permission: str) -> Json:
    return {"group": {"name": name}, "permission": permission}


def administered(call: Call) -> tuple[Project, Repository]:
    """The repository in the path, for its administrators only."""
    found = call.repository()
    if not call.identity.may("REPO_ADMIN"):
        raise not_permitted()
    return found


def users(call: Call) -> Json:
    """Only somebody may ask; `filter` is part of a name."""
    call.somebody()
    wanted = call.first("filter").lower()

    def fits(user: User) -> bool:
        return wanted in user.name.lower() or wanted in user.display_name.lower()

    return call.page([u for u in call.world.users.values() if fits(u)], call.write.user)


def user(call: Call) -> Json:
    call.somebody()
    found = call.world.user_by_slug(call.ids["userSlug"])
    if found is None:
        raise no_user(call.ids["userSlug"])
    return call.write.user(found)


def inbox_count(call: Call) -> Json:
    call.somebody()
    return {"count": 0}
