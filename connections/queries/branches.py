"""A new branch for an issue: where it can begin, how it would be called, and the vendor's form."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import urlencode
from uuid import UUID

from connections import branch_words, registry
from connections.explain import explain
from connections.explanation import Explanation
from connections.flows import branch_making, relay_rows
from connections.models import Branch, BranchWish, Repository
from connections.queries import products
from connections.queries.readable import readable
from connections.relay_events import NO_LINKS
from portal.policy import Actor
from portal.requests import id_in

SHOWN: Final = 20
MOST_STARTS: Final = 300
LONGEST_SUMMARY: Final = 255


@dataclass(frozen=True, slots=True)
class Asked:
    """What the address says: the issue, what it is about, and the repository once it is chosen.
    Where one is to be tried `again`, it is begun as that was."""

    subject: str = ""
    summary: str = ""
    search: str = ""
    repository_id: UUID | None = None
    again: UUID | None = None  # what was asked for and not made
    is_strange: bool = False  # the address names an issue that cannot be one

    @classmethod
    def read(cls, query: Mapping[str, str]) -> Asked:
        given = query.get("issue", "").strip()
        subject = _subject(given)
        return cls(
            subject=subject,
            summary=" ".join(query.get("summary", "").split())[:LONGEST_SUMMARY],
            search=query.get("q", "").strip()[:200],
            repository_id=id_in(query.get("repository", "")),
            again=id_in(query.get("again", "")),
            is_strange=bool(given) and not subject,
        )

    def address(self, repository_id: UUID | None = None) -> str:
        """The query that says the same of this repository, or of none yet."""
        said = {"issue": self.subject, "summary": self.summary}
        said |= {"repository": str(repository_id)} if repository_id else {"q": self.search}
        return f"?{urlencode({name: value for name, value in said.items() if value})}"


def _subject(given: str) -> str:
    """The issue's key as some target that is installed here writes it; empty for what is none."""
    for connector in registry.connectors().values():
        rules = connector.manifest.relay
        found = re.fullmatch(rules.pattern, given, re.IGNORECASE) if rules and given else None
        if found and rules and rules.pattern:
            return str(found[1] if found.re.groups else found[0]).upper()[:255]
    return ""


# ── Where ─────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Place:
    """A repository that can be chosen."""

    id: UUID
    name: str
    connection: str
    address: str


@dataclass(frozen=True, slots=True)
class Choice:
    """The first repositories that fit the search, and whether there are more."""

    places: list[Place]
    more: bool
    any: bool


def repositories(actor: Actor) -> Any:
    """Those of live links that this person may read."""
    ids = readable(actor).values("id")
    return branch_making.repositories().filter(connection__in=ids)


def choice(actor: Actor, asked: Asked) -> Choice:
    """What can be chosen."""
    rows = repositories(actor)
    fits = rows.filter(full_name__icontains=asked.search) if asked.search else rows
    found = list(fits.order_by("full_name", "id")[: SHOWN + 1])
    return Choice(
        [
            Place(one.id, one.full_name, one.connection.name, asked.address(one.id))
            for one in found[:SHOWN]
        ],
        more=len(found) > SHOWN,
        any=bool(found) or rows.exists(),
    )


# ── One repository ────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Offer:
    """What would be made, and the vendor's own form for the same."""

    repository: Repository
    product: str
    name: str
    start: str
    starts: list[str]
    obstacle: str
    elsewhere: str


def offer(actor: Actor, repository: Repository, asked: Asked) -> Offer:
    """The proposal for this repository; `obstacle` says why it is made at the vendor itself."""
    starts = _starts(repository)
    start = repository.main_branch if repository.main_branch in starts else next(iter(starts), "")
    taken = _taken(repository, asked.subject)
    name = branch_words.proposed(asked.subject, asked.summary, taken)
    if asked.again and (former := find(asked.again, actor)):
        name, start = former.wish.name, former.wish.start
    return Offer(
        repository=repository,
        product=products.name_of(repository.connection.connector),
        name=name,
        start=start,
        starts=starts,
        obstacle=branch_making.obstacle(actor, repository.connection),
        elsewhere=_elsewhere(repository, asked, name, start),
    )


def _starts(repository: Repository) -> list[str]:
    """The names of branches, the main one first, then those that moved last."""
    rows = Branch.objects.filter(repository_id=repository.id, kind="branch", gone_at=None)
    named = rows.order_by("-committed_at", "name").values_list("name", flat=True)[:MOST_STARTS]
    main = rows.filter(name=repository.main_branch).values_list("name", flat=True)
    return list(dict.fromkeys((*main, *named)))


def _taken(repository: Repository, subject: str) -> set[str]:
    rows = Branch.objects.filter(repository_id=repository.id, gone_at=None)
    return set(rows.filter(name__istartswith=subject).values_list("name", flat=True)[:1000])


def _elsewhere(repository: Repository, asked: Asked, name: str, start: str) -> str:
    """The vendor's own form with all filled in that it lets be; empty where it has none."""
    connector = registry.connectors().get(repository.connection.connector)
    links = connector.manifest.code_links if connector is not None else NO_LINKS
    home = relay_rows.repository(repository, links).url
    said = {"issue": asked.subject, "summary": asked.summary}
    more = {"id": repository.remote_id, "start": start, "name": name}
    return links.filled(links.new_branch_in, home, **said, **more) or links.filled(
        links.new_branch, home, **said
    )


# ── What became of it ─────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Made:
    """A branch that was asked for, its page at the vendor, and why it is not there."""

    wish: BranchWish
    product: str
    url: str
    trouble: Explanation | None

    @property
    def appears(self) -> bool:
        """Whether its name is why the issue shows it."""
        return bool(self.wish.subject) and self.wish.subject in self.wish.name.upper()


def find(wish_id: UUID, actor: Actor) -> Made | None:
    """One that this organization asked for, of a connection that this person may read."""
    rows = BranchWish.objects.select_related("connection", "repository__connection")
    rows = rows.select_related("repository__workspace").filter(connection__in=readable(actor))
    wish = rows.filter(id=wish_id).first()
    if wish is None:
        return None
    product = products.name_of(wish.connection.connector)
    connector = registry.connectors().get(wish.connection.connector)
    links = connector.manifest.code_links if connector is not None else NO_LINKS
    home = relay_rows.repository(wish.repository, links).url
    return Made(
        wish=wish,
        product=product,
        url=links.filled(links.branch, home, branch=wish.name),
        trouble=_trouble(wish.error, product) if wish.error else None,
    )


def _trouble(code: str, product: str) -> Explanation:
    """Why it was not made; a right that lacks is the one to write."""
    found = explain(code, product=product)
    if code != "access_denied":
        return found
    return replace(
        found,
        title="The linked account may not make branches in this repository",
        remedy=f"Let it write there at {product}, then try again.",
    )
