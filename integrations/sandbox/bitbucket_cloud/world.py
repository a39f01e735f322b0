"""What exists: people, workspaces, projects, repositories, and who may do what."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

ADMINISTRATORS = {"owner"}
RANKS = {"read": 1, "write": 2, "admin": 3}
# The group that a membership puts somebody in; a workspace has these three.
GROUPS = {
    "owner": "administrators",
    "create-project": "developers",
    "member": "developers",
    "collaborator": "contractors",
}


@dataclass(slots=True)
class User:
    """An Atlassian account; `kind` is "app_user" for a consumer or token acting by itself."""

    uuid: str
    account_id: str
    nickname: str
    display_name: str
    email: str
    created_on: str
    kind: str = "user"
    about: str = ""


@dataclass(slots=True)
class Project:
    uuid: str
    key: str
    name: str
    description: str
    is_private: bool
    created_on: str
    updated_on: str


@dataclass(slots=True)
class Repository:
    """`number` is its place of creation; `mainbranch` is None while nothing has been pushed."""

    uuid: str
    slug: str
    name: str
    description: str
    is_private: bool
    mainbranch: str | None
    size: int
    language: str
    created_on: str
    updated_on: str
    project: Project
    number: int
    planted_on: str = ""  # when its seeded history ends


@dataclass(slots=True)
class Workspace:
    """A workspace; `views` remembers who sees which repositories until that changes."""

    uuid: str
    slug: str
    name: str
    is_personal: bool
    paid_seats: int
    created_on: str
    updated_on: str
    members: dict[str, str] = field(default_factory=dict)  # user uuid → permission
    projects: list[Project] = field(default_factory=list)
    repositories: list[Repository] = field(default_factory=list)
    views: dict[tuple[str, ...], list[Any]] = field(default_factory=dict)
    founders: tuple[str, ...] = ()  # who wrote its seeded history
    granted: dict[str, dict[str, str]] = field(default_factory=dict)  # by repository, user uuid
    group_granted: dict[str, dict[str, str]] = field(default_factory=dict)  # by repository, group
    _by_id: dict[str, Repository] = field(default_factory=dict)

    def add(self, repository: Repository) -> None:
        self.views.clear()
        self.repositories.append(repository)
        self._by_id[repository.slug] = self._by_id[repository.uuid] = repository

    def remove(self, repository: Repository) -> None:
        self.views.clear()
        self.repositories.remove(repository)
        del self._by_id[repository.slug], self._by_id[repository.uuid]

    def rename(self, repository: Repository, *, slug: str, name: str) -> None:
        """Give a repository a new slug and name; its uuid stays."""
        del self._by_id[repository.slug]
        repository.slug, repository.name = slug, name
        self._by_id[slug] = repository

    def repository(self, identifier: str) -> Repository | None:
        """Find one by slug or by {uuid}."""
        return self._by_id.get(identifier)

    def project(self, identifier: str) -> Project | None:
        return next((p for p in self.projects if identifier in {p.key, p.uuid}), None)


@dataclass(slots=True)
class World:
    """All of it, with the questions that the endpoints ask."""

    seed: int
    users: dict[str, User] = field(default_factory=dict)  # by nickname
    workspaces: dict[str, Workspace] = field(default_factory=dict)  # by slug
    suspended: set[str] = field(
        default_factory=set
    )  # workspaces that answer 410, owner marked spam
    _by_uuid: dict[str, User] = field(default_factory=dict)

    def enter(self, user: User) -> None:
        self.users[user.nickname] = self._by_uuid[user.uuid] = user

    def user(self, identifier: str) -> User | None:
        """Find one by nickname, e-mail, account id or {uuid}."""
        found = self.users.get(identifier) or self._by_uuid.get(identifier)
        if found is None:
            names = (
                u for u in self.users.values() if identifier in {u.uuid, u.account_id, u.email}
            )
            found = next(names, None)
            if found is not None:
                self._by_uuid[found.uuid] = found
        return found

    def workspace(self, identifier: str) -> Workspace | None:
        """Find one by slug or by {uuid}."""
        found = self.workspaces.get(identifier)
        if found is not None:
            return found
        return next((w for w in self.workspaces.values() if w.uuid == identifier), None)

    def workspaces_of(self, user_uuid: str) -> Iterator[tuple[Workspace, str]]:
        for workspace in self.workspaces.values():
            permission = workspace.members.get(user_uuid)
            if permission is not None:
                yield workspace, permission


def permission_on(workspace: Workspace, repository: Repository, user_uuid: str) -> str | None:
    """Return admin, write, read or None: what a member may do with one repository.

    Owners administer everything. Of the others, what was granted to the person counts, else what
    the person's group has.
    """
    membership = workspace.members.get(user_uuid)
    if membership is None:
        return None if repository.is_private else "read"
    if membership == "owner":
        return "admin"
    own = workspace.granted.get(repository.uuid, {}).get(user_uuid)
    if own is None:
        return group_permission(workspace, repository, membership)
    return None if own == "none" else own


def group_permission(workspace: Workspace, repository: Repository, membership: str) -> str | None:
    """Return what the group of a membership may do.

    Without a grant, a member writes to every third repository and does not see every eleventh
    private one, so that two people's listings of one workspace differ.
    """
    granted = workspace.group_granted.get(repository.uuid, {}).get(GROUPS[membership])
    if granted is not None:
        return None if granted == "none" else granted
    if membership == "owner":
        return "admin"
    if membership == "member" and repository.is_private and repository.number % 11 == 10:
        return None
    return "write" if membership == "create-project" or repository.number % 3 == 0 else "read"
