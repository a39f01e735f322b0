"""Who and what is on the server: users, projects, repositories, and who may do what."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from integrations.sandbox.code.marks import moment

RANKS = {"PROJECT_READ": 1, "PROJECT_WRITE": 2, "PROJECT_ADMIN": 3}
HIDDEN_EVERY = 11
EMPTY_EVERY = 29
TODAY = datetime(2026, 11, 20, 16, 0, tzinfo=UTC)

# name, slug, display name, what a rehearsal uses them for
PEOPLE = (
    ("dlevi", "dlevi", "Dana Levi", "administers PAY, reads OPS, has a project of her own"),
    ("tomas", "tomas", "Tomás Ó Súilleabháin", "writes to PAY, does not see every repository"),
    ("rashid@yarden", "rashid_yarden", "رشيد المنصور", "administers LAB; slug and name differ"),
    ("nora", "nora", "Nora Øvergård", "may see nothing but what is public"),
)
# key, name, public, repositories, who may what
PROJECTS = (
    ("PAY", "Payments", False, 130, {"dlevi": "PROJECT_ADMIN", "tomas": "PROJECT_WRITE"}),
    ("OPS", "Operations & <Reliability>", False, 12, {"dlevi": "PROJECT_READ"}),
    ("WEB", "Web shop", True, 6, {"tomas": "PROJECT_ADMIN"}),
    ("LAB", "מעבדה 🔬", False, 5, {"rashid@yarden": "PROJECT_ADMIN"}),
    ("~dlevi", "Dana Levi", False, 2, {"dlevi": "PROJECT_ADMIN"}),
)
FIRST_PROJECT = "PAY"
SYSTEMS = ("billing", "ledger", "payout", "checkout", "fraud", "invoice", "tax")
PARTS = ("api", "web", "worker", "schema", "docs")


@dataclass(slots=True)
class User:
    id: int
    name: str
    slug: str
    display_name: str
    about: str = ""
    active: bool = True

    @property
    def uuid(self) -> str:
        return str(self.id)

    @property
    def nickname(self) -> str:
        return self.name

    @property
    def email(self) -> str:
        return f"{self.slug}@acme.example"


@dataclass(slots=True)
class Repository:
    id: int
    slug: str
    name: str
    public: bool
    number: int
    mainbranch: str | None = None
    planted_on: str = ""
    updated_on: str = ""  # kept for the truth: the server does not tell it

    @property
    def uuid(self) -> str:
        return str(self.id)


@dataclass(slots=True)
class Project:
    """`members` are user names with their permission on all of it.

    What was `granted` on a repository itself is by its id, then by user name.
    """

    id: int
    key: str
    name: str
    public: bool
    members: dict[str, str] = field(default_factory=dict)
    repositories: list[Repository] = field(default_factory=list)
    founders: tuple[str, ...] = ()
    granted: dict[str, dict[str, str]] = field(default_factory=dict)
    group_granted: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def uuid(self) -> str:
        return str(self.id)

    @property
    def slug(self) -> str:
        return self.key

    def repository(self, slug: str) -> Repository | None:
        return next((r for r in self.repositories if r.slug == slug.lower()), None)


@dataclass(slots=True)
class World:
    users: dict[str, User] = field(default_factory=dict)  # by name
    projects: dict[str, Project] = field(default_factory=dict)  # by key
    last_id: int = 900_000

    def user(self, identifier: str) -> User | None:
        """Find one by name, slug, id or address."""
        found = self.users.get(identifier)
        others = (u for u in self.users.values() if identifier in (u.uuid, u.slug, u.email))
        return found or next(others, None)

    def next_id(self) -> int:
        """An id that no repository has or had."""
        known = (one.id for project in self.projects.values() for one in project.repositories)
        self.last_id = max(self.last_id, *known) + 1
        return self.last_id

    def user_by_slug(self, slug: str) -> User | None:
        return next((u for u in self.users.values() if u.slug == slug), None)

    def project(self, key: str) -> Project | None:
        """Keys are found whatever their case, as at Bitbucket."""
        return next((p for k, p in self.projects.items() if k.lower() == key.lower()), None)


def build(first_project_repositories: int | None = None) -> World:
    """The same world each time; the first project may be made as large as wanted."""
    world = World()
    for number, (name, slug, display_name, about) in enumerate(PEOPLE, start=1):
        world.users[name] = User(number, name, slug, display_name, about)
    for number, (key, name, public, count, members) in enumerate(PROJECTS, start=1):
        project = Project(number, key, name, public, dict(members))
        project.founders = tuple(user.uuid for user in world.users.values())
        size = (first_project_repositories or count) if key == FIRST_PROJECT else count
        populate(project, size)
        world.projects[key] = project
    return world


def populate(project: Project, count: int) -> None:
    """Add repositories until there are `count`, or take the last ones away."""
    del project.repositories[count:]
    for number in range(len(project.repositories), count):
        system, part = SYSTEMS[number % len(SYSTEMS)], PARTS[number // len(SYSTEMS) % len(PARTS)]
        again = number // (len(SYSTEMS) * len(PARTS))
        slug = f"{system}-{part}" + (f"-{again + 1}" if again else "")
        made = Repository(
            project.id * 10_000 + number,
            slug,
            slug.capitalize(),
            number % 9 == 7,
            number,
            None if number % EMPTY_EVERY == 4 else ("master", "main")[number % 2],
            moment(TODAY - timedelta(hours=number % 900)),
        )
        project.repositories.append(made)


def permission(project: Project, user: User | None) -> str:
    """A user's permission on a project; empty for none."""
    return project.members.get(user.name, "") if user else ""


def sees(project: Project, repository: Repository, user: User | None) -> bool:
    """Administrators see all; others not every eleventh; strangers what is public."""
    if project.public or repository.public:
        return True
    held = permission(project, user)
    return held == "PROJECT_ADMIN" or (bool(held) and repository.number % HIDDEN_EVERY != 10)
