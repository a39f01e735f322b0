"""Objects as the server writes them: links as lists, dates as milliseconds or ISO 8601."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from integrations.sandbox.bitbucket_data_center.credentials import HttpToken
from integrations.sandbox.bitbucket_data_center.world import Project, Repository, User

Json = dict[str, Any]
DAY = 86_400


@dataclass(frozen=True, slots=True)
class Writer:
    """`base` is the address with the context path."""

    base: str
    iso_dates: bool

    def moment(self, seconds: float) -> Any:
        if not self.iso_dates:
            return round(seconds * 1000)
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S+0000")

    def user(self, user: User) -> Json:
        return {
            "name": user.name,
            "emailAddress": f"{user.slug}@acme.example",
            "id": user.id,
            "displayName": user.display_name,
            "active": user.active,
            "slug": user.slug,
            "type": "NORMAL",
            "links": self._self(f"/users/{user.slug}"),
        }

    def project(self, project: Project) -> Json:
        personal = project.key.startswith("~")
        place = f"/users/{project.key[1:]}" if personal else f"/projects/{project.key}"
        return {
            "key": project.key,
            "id": project.id,
            "name": project.name,
            "description": f"Everything about {project.name}.",
            "public": project.public,
            "type": "PERSONAL" if personal else "NORMAL",
            "links": self._self(place),
        }

    def repository(self, project: Project, repository: Repository) -> Json:
        place = f"/projects/{project.key}/repos/{repository.slug}"
        return {
            "slug": repository.slug,
            "id": repository.id,
            "name": repository.name,
            "hierarchyId": f"{repository.id:020x}",
            "scmId": "git",
            "state": "AVAILABLE",
            "statusMessage": "Available",
            "forkable": True,
            "project": self.project(project),
            "public": repository.public,
            "archived": False,
            "links": self._self(f"{place}/browse"),
        }

    def token(self, token: HttpToken) -> Json:
        written = {
            "id": token.id,
            "createdDate": self.moment(token.created_at),
            "name": token.name,
            "permissions": list(token.permissions),
        }
        if token.expires_at is not None:
            written["expiryDate"] = self.moment(token.expires_at)
            days = round((token.expires_at - token.created_at) / DAY)
            written["expiryDays"] = days
        return written

    def _self(self, place: str) -> Json:
        return {"self": [{"href": f"{self.base}{place}"}]}
