"""The way to a new link: what can be joined to what, by which way, and which repositories fit."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode
from uuid import UUID

from django.db.models import Count, Q
from django.urls import reverse

from connections import registry
from connections.contracts import Manifest, RelayWay
from connections.flows import plan, relay_choice
from connections.flows.problems import FlowProblem
from connections.models import Connection, Link, LinkChoice, LinkRepository, LinkState, Workspace
from connections.queries import products
from connections.queries.linking import StepLink
from portal.policy import Actor, Permission, allows, present

STEPS: Final = (
    ("From and to", "relay_new"),
    ("Repositories", "relay_repositories"),
    ("What travels", "relay_options"),
    ("Look first", "relay_look"),
    ("Start", "relay_start"),
)
SHOWN: Final = 12
MOST_TICKED: Final = 100  # repositories as boxes to tick; of more the names are written down


def steps(link: Link | None, slug: str, current: str) -> list[StepLink]:
    """The five steps in view; one may go back to any, and other ends make another draft."""
    names = [name for _, name in STEPS]
    here = names.index(current)
    return [
        StepLink(
            label,
            "current" if place == here else "done" if place < here else "todo",
            _address(link, slug, name) if link and place < here else "",
        )
        for place, (label, name) in enumerate(STEPS)
    ]


def _address(link: Link, slug: str, name: str) -> str:
    if name != "relay_new":
        return reverse(name, args=[slug, link.id])
    ends = {"source": link.source_id, "destination": link.destination_id}
    return f"{reverse(name, args=[slug])}?{urlencode(ends)}"


def draft_of(*, source_id: UUID, destination_id: UUID) -> Link | None:
    """The draft between these two that somebody left."""
    drafts = Link.objects.filter(state=LinkState.DRAFT, source_id=source_id)
    found: Link | None = drafts.filter(destination_id=destination_id).first()
    return found


# ── From and to ───────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Source:
    """A connection whose code can be the beginning of a link; `obstacle` says why it cannot."""

    id: UUID
    name: str
    product: str
    repositories: int
    obstacle: str


@dataclass(frozen=True, slots=True)
class WayOffer:
    """A way of writing to the target; `obstacle` says why this connection cannot go it."""

    way: RelayWay
    obstacle: str
    is_mendable: bool = False  # by linking that connection again

    @property
    def is_possible(self) -> bool:
        return not self.obstacle


@dataclass(frozen=True, slots=True)
class Place:
    """A container at a target, such as a site, and the ways by which it can be written to."""

    id: UUID
    name: str
    url: str
    connection_id: UUID
    connection: str
    product: str
    word: str
    ways: list[WayOffer]
    obstacle: str

    @property
    def best(self) -> WayOffer | None:
        return next((each for each in self.ways if each.is_possible), None)


@dataclass(frozen=True, slots=True)
class Ends:
    """What can be joined; `targets` are products that can be a target, linked or not."""

    sources: list[Source]
    places: list[Place]
    targets: list[str]

    @property
    def is_possible(self) -> bool:
        possible = (each for each in self.sources if not each.obstacle)
        return any(possible) and any(not each.obstacle for each in self.places)

    def at_first(self, connection_id: str) -> dict[str, str]:
        """What is ticked to begin with: this connection, and where there is no choice the only
        one."""
        sources = [each for each in self.sources if str(each.id) == connection_id]
        places = [each for each in self.places if str(each.connection_id) == connection_id]
        return {
            "source": _only(sources or self.sources),
            "destination": _only(places or self.places),
        }


def _only(choices: Sequence[Source] | Sequence[Place]) -> str:
    """The id of the only one that can be chosen; empty where there are several."""
    possible = [str(each.id) for each in choices if not each.obstacle]
    return possible[0] if len(possible) == 1 else ""


def ends(actor: Actor) -> Ends:
    """What this person may join to what, each that is not possible with the reason."""
    now = present(actor)
    live = Connection.objects.exclude(state=Connection.State.REVOKED).select_related("team")
    kept = [
        each
        for each in live.order_by("name")
        if allows(now, Permission.RELAY_EDIT, team_id=each.team_id)
    ]
    return Ends(
        sources=list(_sources(kept)),
        places=list(_places(kept)),
        targets=[
            each.manifest.name for each in registry.connectors().values() if each.manifest.relay
        ],
    )


def joins_some(actor: Actor) -> bool:
    """Whether this person may make links at all, of whatever connections."""
    if allows(actor, Permission.RELAY_EDIT):
        return True
    return bool(present(actor).teams_administered)


def _sources(connections: Iterable[Connection]) -> Iterable[Source]:
    has_code = [c for c in connections if _reads_code(c)]
    here = Q(repositories__gone_at=None)
    counts = dict(
        Connection.objects.filter(id__in=[c.id for c in has_code])
        .annotate(n=Count("repositories", filter=here))
        .values_list("id", "n")
    )
    for each in has_code:
        count = counts.get(each.id, 0)
        yield Source(
            id=each.id,
            name=each.name,
            product=products.name_of(each.connector),
            repositories=count,
            obstacle=_resting(each) or ("" if count else "No repository of it was read yet."),
        )


def _reads_code(connection: Connection) -> bool:
    return plan.REPOSITORIES in plan.streams_of(connection)


def _resting(connection: Connection) -> str:
    return "It is paused." if connection.paused_at else ""


def _places(connections: Iterable[Connection]) -> Iterable[Place]:
    targets = {c.id: (c, m) for c in connections if (m := _target(c)) is not None}
    rows = Workspace.objects.filter(connection_id__in=targets, gone_at=None)
    for workspace in rows.order_by("connection__name", "name", "id"):
        connection, manifest = targets[workspace.connection_id]
        ways = ways_of(connection, manifest)
        barred = "" if any(each.is_possible for each in ways) else _barred(ways)
        yield Place(
            id=workspace.id,
            name=workspace.name,
            url=products.web_address(workspace.url),
            connection_id=connection.id,
            connection=connection.name,
            product=manifest.name,
            word=manifest.workspace_word,
            ways=ways,
            obstacle=_resting(connection) or barred,
        )


def _target(connection: Connection) -> Manifest | None:
    manifest = products.manifest_of(connection.connector)
    return manifest if manifest is not None and manifest.relay is not None else None


def _barred(ways: Sequence[WayOffer]) -> str:
    """Why none of the ways is possible; what somebody can mend is said first."""
    return next((each.obstacle for each in ways if each.is_mendable), ways[0].obstacle)


def ways_of(connection: Connection, manifest: Manifest) -> list[WayOffer]:
    """The target's ways, the fullest first, each with what stands before it."""
    assert manifest.relay is not None
    return [_offer(connection, manifest, way) for way in manifest.relay.ways]


def _offer(connection: Connection, manifest: Manifest, way: RelayWay) -> WayOffer:
    method = products.method_of(connection.connector, connection.method)
    capability = manifest.capability(way.capability)
    barred = manifest.obstacle(capability, method) if method else "The way it was linked is gone."
    if barred or way.capability in connection.capabilities:
        return WayOffer(way, barred)
    said = f"{connection.name} was linked without “{capability.title}”. Link it again with that."
    return WayOffer(way, said, is_mendable=True)


# ── Which repositories ────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Matches:
    """How many repositories fit now, the first ones by name, and what is wrong with the choice."""

    count: int
    total: int
    names: list[str]
    problem: str = ""

    @property
    def more(self) -> int:
        return self.count - len(self.names)


def matches(
    link: Link, *, choice: str, pattern: str = "", listed: Collection[UUID] = ()
) -> Matches:
    """What a choice would take in; nothing is kept."""
    everything = here(link)
    total = everything.count()
    try:
        rows: Any = relay_choice.repositories(
            source_id=link.source_id, choice=choice, pattern=pattern, listed=listed
        )
    except FlowProblem as problem:
        return Matches(0, total, [], problem.message)
    names = rows.order_by("full_name").values_list("full_name", flat=True)
    return Matches(count=rows.order_by().count(), total=total, names=list(names[:SHOWN]))


def here(link: Link) -> Any:
    """All repositories of the source that can take part."""
    return relay_choice.repositories(source_id=link.source_id, choice=LinkChoice.ALL)


def tickable(link: Link) -> list[tuple[str, str]]:
    """The repositories as boxes to tick; none when there are too many for that."""
    rows = here(link).order_by("full_name").values_list("id", "full_name")[: MOST_TICKED + 1]
    found = [(str(id_), name) for id_, name in rows]
    return found if len(found) <= MOST_TICKED else []


def named(link: Link, names: Collection[str]) -> tuple[list[UUID], list[str]]:
    """The ids of the repositories that are called so, and the names that none has."""
    wanted = {each.casefold(): each for each in names}
    known = {
        name.casefold(): id_
        for id_, name in here(link).values_list("id", "full_name")
        if name.casefold() in wanted
    }
    missing = [name for key, name in wanted.items() if key not in known]
    return list(known.values()), missing


def chosen(link: Link) -> list[tuple[UUID, str]]:
    """The repositories that take part now."""
    rows = LinkRepository.objects.filter(link_id=link.id, enabled=True)
    found = rows.order_by("repository__full_name")
    return list(found.values_list("repository_id", "repository__full_name"))
