"""Who and what is in an organization: people, projects, jobs, and who may do what."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from integrations.sandbox.jetbrains_space.rights import (
    OF_EVERYBODY,
    OF_MEMBERS,
    OF_PROJECTS,
    RIGHTS,
)

# username, first and last name, what a rehearsal uses them for
PEOPLE = (
    ("dana", "Dana", "Levi", "administers the organization"),
    ("tomas", "Tomás", "Ó Súilleabháin", "is a member of CAR and PAY alone"),
    ("nora", "Nora", "Øvergård", "is in no project"),
    ("rashid", "رشيد", "المنصور", "administers LAB"),
)
FIRST_PROJECTS = (
    ("CAR", "Cars & <Carts>", {"tomas": "member"}),
    ("PAY", "Payments", {"tomas": "member"}),
    ("LAB", "מעבדה 🔬", {"rashid": "admin"}),
)
ADMINISTRATOR = "dana"
JOBS = ("Build", "Deploy")


@dataclass(slots=True)
class Profile:
    id: str
    username: str
    first: str
    last: str
    about: str = ""
    active: bool = True

    @property
    def email(self) -> str:
        return f"{self.username}@acme.example"


@dataclass(slots=True)
class Project:
    """`members` are user names with their role."""

    id: str
    key: str
    name: str
    members: dict[str, str] = field(default_factory=dict)
    archived: bool = False


@dataclass(slots=True)
class World:
    id: str
    name: str
    people: dict[str, Profile] = field(default_factory=dict)  # by user name
    projects: dict[str, Project] = field(default_factory=dict)  # by key

    def profile(self, identifier: str) -> Profile | None:
        """Find one by `username:…` or `id:…`."""
        kind, _, text = identifier.partition(":")
        if kind == "username":
            return self.people.get(text)
        return next((p for p in self.people.values() if kind == "id" and p.id == text), None)

    def project(self, identifier: str) -> Project | None:
        """Find one by `key:…` or `id:…`."""
        kind, _, text = identifier.partition(":")
        if kind == "key":
            return self.projects.get(text)
        return next((p for p in self.projects.values() if kind == "id" and p.id == text), None)

    def may(self, profile: Profile, code: str, project: Project | None) -> bool:
        """Whether a person has a right, in a project or, for None, everywhere."""
        if profile.username == ADMINISTRATOR:
            return code in RIGHTS
        if project is None or code not in OF_PROJECTS:
            return code in OF_EVERYBODY
        role = project.members.get(profile.username, "")
        return code in {"admin": OF_PROJECTS, "member": OF_MEMBERS}.get(role, frozenset())


def identifier(seed: str) -> str:
    """An id of the shape that Space's have: the same seed gives the same."""
    return hashlib.sha256(seed.encode()).hexdigest()[:12]


def build(organization: str, projects: int) -> World:
    """The same world each time, with so many projects."""
    world = World(identifier(organization), organization)
    for username, first, last, about in PEOPLE:
        seed = f"{organization}/{username}"
        world.people[username] = Profile(identifier(seed), username, first, last, about)
    for key, name, members in FIRST_PROJECTS:
        add(world, key, name, dict(members))
    populate(world, projects)
    return world


def add(world: World, key: str, name: str, members: dict[str, str]) -> Project:
    made = Project(identifier(f"{world.name}/{key}"), key, name, members)
    world.projects[key] = made
    return made


def populate(world: World, count: int) -> None:
    """Add projects until there are `count`, or take the last ones away."""
    for key in list(world.projects)[count:]:
        del world.projects[key]
    for number in range(len(world.projects) + 1, count + 1):
        add(world, f"TEAM-{number}", f"Team {number}", {})
