"""Objects as the API shows them, whole; `$fields` leaves of it what was asked for."""

from __future__ import annotations

from typing import Any

from integrations.sandbox.clock import isoformat
from integrations.sandbox.jetbrains_space.credentials import App, Grant, PermanentToken
from integrations.sandbox.jetbrains_space.rights import GLOBAL, RIGHTS
from integrations.sandbox.jetbrains_space.world import Profile, Project, World, identifier

Json = dict[str, Any]


def moment(seconds: float) -> Json:
    """A DateTime: two fields, as the SDK reads it."""
    return {"iso": isoformat(seconds)[:23] + "Z", "timestamp": int(seconds * 1000)}


def organization(world: World) -> Json:
    return {"id": world.id, "orgId": world.id, "name": world.name, "slogan": None, "logoId": None}


def profile(one: Profile) -> Json:
    return {
        "id": one.id,
        "username": one.username,
        "name": {"firstName": one.first, "lastName": one.last},
        "speaksEnglish": True,
        "smallAvatar": None,
        "avatar": None,
        "profilePicture": None,
        "languages": [],
        "archived": not one.active,
        "notAMember": False,
        "emails": [{"id": identifier(one.email), "email": one.email, "verified": True}],
    }


def project(one: Project) -> Json:
    return {
        "id": one.id,
        "key": {"key": one.key},
        "name": one.name,
        "private": True,
        "description": None,
        "icon": None,
        "latestRepositoryActivity": None,
        "createdAt": moment(1_700_000_000),
        "archived": one.archived,
    }


def job(one: Project, name: str) -> Json:
    repository = f"{one.key.lower()}-main"
    return {
        "id": identifier(f"{one.id}/{name}"),
        "name": name,
        "repoName": repository,
        "repository": {"name": repository},
        "archive": False,
    }


def membership(one: Profile) -> Json:
    return {"id": identifier(f"membership/{one.id}"), "member": profile(one), "lead": False}


def app(one: App) -> Json:
    return {
        "id": one.id,
        "owner": None,
        "ownerApp": None,
        "clientId": one.client_id,
        "name": one.name,
        "email": None,
        "kind": None,
        "presentableName": one.name,
        "applicationType": "Application",
        "clientCredentialsFlowEnabled": one.client_credentials,
        "codeFlowEnabled": one.code_flow,
    }


def context(where: str, world: World) -> Json:
    """A place where an application is authorized."""
    if where == GLOBAL:
        return {"className": "GlobalPermissionContext"}
    found = world.project(where.removeprefix("project:"))
    assert found is not None
    return {"className": "ProjectPermissionContext", "project": project(found)}


def right(code: str, status: str) -> Json:
    name, group = RIGHTS[code]
    return {
        "rightCode": code,
        "name": name,
        "group": group,
        "description": "",
        "targetName": "",
        "editable": True,
        "status": status,
        "modificationAuthor": None,
        "modificationTimestamp": None,
        "dependencies": [],
        "optionalFeature": None,
    }


def token(one: PermanentToken) -> Json:
    return {
        "id": one.id,
        "name": one.name,
        "scope": one.scope,
        "created": moment(one.created_at),
        "expires": None if one.expires_at is None else moment(one.expires_at),
        "lastAccess": None,
    }


def consent(client: App, grants: list[Grant]) -> Json:
    return {
        "clientApplication": {"app": app(client)},
        "approvedScopes": [],
        "refreshTokens": [{"id": one.id, "lastAccess": None} for one in grants if one.refresh],
    }
