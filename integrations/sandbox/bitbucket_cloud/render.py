"""Turns what exists into Bitbucket's JSON, with the fields of its schema of August 2026."""

from __future__ import annotations

from typing import Any

from integrations.sandbox.bitbucket_cloud.world import Project, Repository, User, Workspace

Json = dict[str, Any]


def link(href: str) -> Json:
    return {"href": href}


def encoded(identifier: str) -> str:
    """Percent-encode the braces of an identifier, as Bitbucket does in its own links."""
    return identifier.replace("{", "%7B").replace("}", "%7D")


def user(person: User, origin: str) -> Json:
    place = encoded(person.uuid)
    shown = {
        "display_name": person.display_name,
        "links": {
            "self": link(f"{origin}/2.0/users/{place}"),
            "avatar": link(f"{origin}/account/{place}/avatar/128"),
            "html": link(f"{origin}/{place}/"),
        },
        "type": person.kind,
        "uuid": person.uuid,
        "account_id": person.account_id,
        "nickname": person.nickname,
    }
    if person.kind != "user":
        return {**shown, "kind": "ci_app", "account_status": "active"}
    return shown


def current_user(person: User, origin: str) -> Json:
    """What GET /user adds to a plain user."""
    return {
        **user(person, origin),
        "created_on": person.created_on,
        "username": person.nickname,
        "is_staff": False,
        "has_2fa_enabled": True,
        "account_status": "active",
        "location": None,
    }


def workspace_base(workspace: Workspace, origin: str) -> Json:
    return {
        "type": "workspace_base",
        "uuid": workspace.uuid,
        "slug": workspace.slug,
        "links": {
            "self": link(f"{origin}/2.0/workspaces/{workspace.slug}"),
            "avatar": link(f"{origin}/workspaces/{workspace.slug}/avatar/"),
        },
    }


def workspace_access(workspace: Workspace, permission: str, origin: str) -> Json:
    return {
        "type": "workspace_access",
        "administrator": permission == "owner",
        "workspace": workspace_base(workspace, origin),
        "links": {"self": link(f"{origin}/2.0/user/workspaces/{workspace.slug}")},
    }


def workspace_full(workspace: Workspace, origin: str) -> Json:
    api = f"{origin}/2.0/workspaces/{workspace.slug}"
    return {
        "type": "workspace",
        "uuid": workspace.uuid,
        "name": workspace.name,
        "slug": workspace.slug,
        "is_private": True,
        "is_personal": workspace.is_personal,
        "is_privacy_enforced": False,
        "forking_mode": "allow_forks",
        "created_on": workspace.created_on,
        "updated_on": workspace.updated_on,
        "links": {
            "self": link(api),
            "html": link(f"{origin}/{workspace.slug}/"),
            "avatar": link(f"{origin}/workspaces/{workspace.slug}/avatar/"),
            "members": link(f"{api}/members"),
            "owners": link(f"{api}/members?q=permission%3D%22owner%22"),
            "projects": link(f"{api}/projects"),
            "repositories": link(f"{origin}/2.0/repositories/{workspace.slug}"),
            "snippets": link(f"{origin}/2.0/snippets/{workspace.slug}"),
        },
    }


def workspace_short(workspace: Workspace, origin: str) -> Json:
    """The workspace inside another object."""
    return {
        "type": "workspace",
        "uuid": workspace.uuid,
        "name": workspace.name,
        "slug": workspace.slug,
        "links": {
            "self": link(f"{origin}/2.0/workspaces/{workspace.slug}"),
            "html": link(f"{origin}/{workspace.slug}/"),
            "avatar": link(f"{origin}/workspaces/{workspace.slug}/avatar/"),
        },
    }


def membership(workspace: Workspace, person: User, permission: str | None, origin: str) -> Json:
    place = f"{origin}/2.0/workspaces/{workspace.slug}/members/{encoded(person.uuid)}"
    shown: Json = {
        "type": "workspace_membership",
        "user": user(person, origin),
        "workspace": workspace_short(workspace, origin),
        "links": {"self": link(place)},
    }
    if permission is not None:
        shown["permission"] = permission
    return shown


def owner(workspace: Workspace, origin: str) -> Json:
    place = encoded(workspace.uuid)
    return {
        "display_name": workspace.name,
        "links": {
            "self": link(f"{origin}/2.0/workspaces/{place}"),
            "avatar": link(f"{origin}/account/{workspace.slug}/avatar/"),
            "html": link(f"{origin}/{place}/"),
        },
        "type": "user" if workspace.is_personal else "team",
        "uuid": workspace.uuid,
        "username": workspace.slug,
    }


def project_short(project: Project, workspace: Workspace, origin: str) -> Json:
    place = f"{origin}/{workspace.slug}/workspace/projects/{project.key}"
    return {
        "type": "project",
        "key": project.key,
        "uuid": project.uuid,
        "name": project.name,
        "links": {
            "html": link(place),
            "avatar": link(f"{place}/avatar/32"),
        },
    }


def project_full(project: Project, workspace: Workspace, origin: str) -> Json:
    return {
        **project_short(project, workspace, origin),
        "owner": owner(workspace, origin),
        "workspace": workspace_short(workspace, origin),
        "description": project.description,
        "is_private": project.is_private,
        "created_on": project.created_on,
        "updated_on": project.updated_on,
        "has_publicly_visible_repos": not project.is_private,
    }


def repository_short(repository: Repository, workspace: Workspace, origin: str) -> Json:
    full_name = f"{workspace.slug}/{repository.slug}"
    return {
        "type": "repository",
        "full_name": full_name,
        "name": repository.name,
        "uuid": repository.uuid,
        "links": {
            "self": link(f"{origin}/2.0/repositories/{full_name}"),
            "html": link(f"{origin}/{full_name}"),
            "avatar": link(f"{origin}/ravatar/{encoded(repository.uuid)}?ts=default"),
        },
    }


class Repositories:
    """Renders repositories of one workspace; what they share is made once."""

    def __init__(self, workspace: Workspace, origin: str) -> None:
        self._workspace = workspace
        self._origin = origin
        self._shared = {
            "scm": "git",
            "website": None,
            "owner": owner(workspace, origin),
            "workspace": workspace_short(workspace, origin),
            "has_issues": False,
            "has_wiki": False,
            "override_settings": {"default_merge_strategy": False, "branching_model": False},
            "enforced_signed_commits": None,
        }
        self._projects = {p.key: project_short(p, workspace, origin) for p in workspace.projects}

    def __call__(self, repository: Repository) -> Json:
        shown = repository_short(repository, self._workspace, self._origin)
        shown["links"] |= self._links(shown["full_name"])
        main = repository.mainbranch
        return shown | {
            **self._shared,
            "slug": repository.slug,
            "description": repository.description,
            "is_private": repository.is_private,
            "project": self._projects[repository.project.key],
            "fork_policy": "no_public_forks" if repository.is_private else "allow_forks",
            "created_on": repository.created_on,
            "updated_on": repository.updated_on,
            "size": repository.size,
            "language": repository.language,
            "mainbranch": None if main is None else {"type": "branch", "name": main},
        }

    def _links(self, full_name: str) -> Json:
        api = f"{self._origin}/2.0/repositories/{full_name}"
        host = self._origin.partition("//")[2]
        return {
            "pullrequests": link(f"{api}/pullrequests"),
            "commits": link(f"{api}/commits"),
            "forks": link(f"{api}/forks"),
            "watchers": link(f"{api}/watchers"),
            "downloads": link(f"{api}/downloads"),
            "hooks": link(f"{api}/hooks"),
            "clone": [
                {"name": "https", "href": f"{self._origin}/{full_name}.git"},
                {"name": "ssh", "href": f"git@{host}:{full_name}.git"},
            ],
        }
