"""Builds the world from a seed: the same seed gives the same people, names and identifiers."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

from integrations.sandbox.bitbucket_cloud.world import (
    Project,
    Repository,
    User,
    Workspace,
    World,
)
from integrations.sandbox.code import names
from integrations.sandbox.code.marks import identifier, moment

TODAY = datetime(2026, 11, 20, 16, 0, tzinfo=UTC)
FIRST_WORKSPACE = "acme"

# nickname, display name, e-mail, what a rehearsal uses them for
CAST = (
    ("dana", "Dana Levi", "dana@acme.example", "owns acme and a personal workspace; sees all four"),
    ("tomas", "Tomás Ó Súilleabháin", "tomas@acme.example", "member of acme only"),
    ("nora", "Nora Øvergård", "nora@elsewhere.example", "belongs to no workspace"),
    ("dana-too", "Dana Levi (second account)", "dana.levi@mail.example",
     "another upstream account: collaborator in acme, member of fjord-lab, not in yarden"),
    ("rashid", "رشيد المنصور", "rashid@yarden.example", "owns yarden, member of fjord-lab"),
)  # fmt: skip
# slug, name, personal, paid seats, repositories, project keys and names, memberships
WORKSPACES = (
    (FIRST_WORKSPACE, "Acme Robotics", False, 150, 240,
     {"PAY": "Payments", "OPS": "Operations & <Reliability>", "WEB": "Web shop",
      "OLD": "ארכיון", "LAB": "Research 🔬"},
     {"dana": "owner", "tomas": "member", "dana-too": "collaborator"}),
    ("fjord-lab", "Fjord & Söhne <R&D>", False, 80, 60,
     {"FJ": "Fjord", "FOR": "Forskning"},
     {"dana": "create-project", "dana-too": "member", "rashid": "member"}),
    ("yarden", "מעבדת הירדן", False, 0, 12, {"YRD": "פרויקט ראשי"},
     {"dana": "member", "rashid": "owner"}),
    ("dana-levi", "Dana Levi", True, 0, 3, {"PROJ": "Untitled project"}, {"dana": "owner"}),
)  # fmt: skip


def build(seed: int, first_workspace_repositories: int | None = None) -> World:
    """Return the world of this seed; the first workspace may be made as large as wanted."""
    chance = random.Random(seed)
    world = World(seed)
    world.users |= {user.nickname: user for user in people(chance)}
    crowd = [user for user in world.users.values() if not user.about]
    for slug, name, personal, seats, count, projects, memberships in WORKSPACES:
        workspace = Workspace(identifier(chance), slug, name, personal, seats, *moments(chance))
        workspace.members = {world.users[nick].uuid: perm for nick, perm in memberships.items()}
        workspace.projects = [project(chance, key, title) for key, title in projects.items()]
        world.workspaces[slug] = workspace
        if slug == FIRST_WORKSPACE:
            workspace.members |= {user.uuid: "member" for user in crowd}
            count = first_workspace_repositories or count
        workspace.founders = tuple(workspace.members)
        populate(workspace, count, chance)
    return world


def people(chance: random.Random) -> list[User]:
    """Return the cast, then their colleagues: the first that a world's chance makes."""
    cast = [person(chance, *each) for each in CAST]
    return cast + [
        person(chance, f"colleague-{number}", name, f"colleague{number}@acme.example")
        for number, name in enumerate(names.PEOPLE)
    ]


def founded(world: World, slug: str, owner_uuid: str) -> Workspace:
    """Return a workspace with one project and nothing in it; one that is there already stays."""
    if slug in world.workspaces:
        return world.workspaces[slug]
    chance = random.Random(f"{world.seed}:{slug}")
    workspace = Workspace(identifier(chance), slug, slug.title(), False, 0, *moments(chance))
    workspace.members = {owner_uuid: "owner"}
    workspace.founders = (owner_uuid,)
    workspace.projects = [project(chance, "ONE", "First project")]
    world.workspaces[slug] = workspace
    return workspace


def populate(workspace: Workspace, count: int, chance: random.Random) -> None:
    """Add repositories until there are `count`; awkward names come early in the first workspace."""
    awkward = workspace.slug == FIRST_WORKSPACE
    for number in range(len(workspace.repositories), count):
        repository = ordinary(workspace, number, chance)
        place = number - 5
        if awkward and 0 <= place < len(names.AWKWARD):
            repository.slug, repository.name, repository.description = names.AWKWARD[place]
        workspace.add(repository)


def ordinary(workspace: Workspace, number: int, chance: random.Random) -> Repository:
    systems, parts = len(names.SYSTEMS), len(names.PARTS)
    system = names.SYSTEMS[number % systems]
    part = names.PARTS[(number // systems + number) % parts]
    generation = number // (systems * parts)
    slug = f"{system}-{part}" + (f"-{generation + 1}" if generation else "")
    if workspace.repository(slug) is not None:
        slug = f"{slug}-r{number}"
    created, updated = moments(chance)
    empty = number % 29 == 4
    return Repository(
        uuid=identifier(chance),
        slug=slug,
        name=slug.replace("-", " ").capitalize() if number % 4 == 1 else slug,
        description=names.DESCRIPTIONS[number % len(names.DESCRIPTIONS)],
        is_private=number % 10 != 7,
        mainbranch=None if empty else ("master", "main", "main", "trunk")[number % 4],
        size=0 if empty else chance.randrange(20_000, 900_000_000),
        language="" if empty else names.LANGUAGES[number % len(names.LANGUAGES)],
        created_on=created,
        updated_on=updated,
        project=workspace.projects[number % len(workspace.projects)],
        number=number,
        planted_on=updated,
    )


def person(
    chance: random.Random, nickname: str, display_name: str, email: str, about: str = ""
) -> User:
    account_id = f"{chance.randrange(557057, 712021)}:{identifier(chance)[1:-1]}"
    return User(
        identifier(chance), account_id, nickname, display_name, email, moments(chance)[0],
        about=about,
    )  # fmt: skip


def crowd(world: World, count: int) -> list[User]:
    """Enter this many more people, who belong to nothing yet."""
    first = len(world.users)
    made = []
    for number in range(first, first + count):
        chance = random.Random(f"{world.seed}:person:{number}")
        name = f"person-{number}"
        made.append(person(chance, name, name.capitalize(), f"{name}@crowd.example"))
        world.enter(made[-1])
    return made


def project(chance: random.Random, key: str, name: str) -> Project:
    return Project(
        identifier(chance), key, name, f"Everything about {name}.", key != "WEB", *moments(chance)
    )


def moments(chance: random.Random) -> tuple[str, str]:
    """Return a creation and a later update, both before the seeded today."""
    created = TODAY - timedelta(seconds=chance.randrange(40 * 86400, 4000 * 86400))
    updated = created + (TODAY - created) * chance.random()
    return moment(created), moment(updated)
