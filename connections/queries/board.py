"""The board of vendors' changes: who is hit by which, when, and what there is to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from connections.contracts import VendorChange
from connections.queries import changes, products
from connections.queries.due import readable
from portal import clock, roles
from portal.policy import Actor, present

NAMED = 5
MOST = 100  # of one change, on its page


@dataclass(frozen=True, slots=True)
class BoardLine:
    """One change of one product. `connections` and, folded, `others` are the first that it hits;
    `count` is all."""

    slug: str
    product: str
    change: VendorChange
    is_past: bool
    count: int
    connections: list[Any]
    others: Sequence[Any] = ()
    organizations: int | None = None  # across all of them; None on an organization's own page

    @property
    def anchor(self) -> str:
        return f"{self.slug}-{self.change.key}"

    @property
    def query(self) -> str:
        """What a new campaign's address says, so that it begins with this."""
        name = changes.name_of(self.slug, self.change)
        return urlencode({"change": name, "goal": self.change.goal})

    @property
    def more(self) -> int:
        """How many are not named at all."""
        return self.count - len(self.connections) - len(self.others)

    @property
    def is_by_version(self) -> bool:
        return self.change.is_by_version

    @property
    def is_open(self) -> bool:
        """Whether it hits something that people have to see to."""
        return bool(self.count) and self.change.asks_something

    @property
    def state(self) -> str:
        """As a badge: what hits something now is broken, what will is to be attended to. What asks
        nothing of anybody is neither."""
        if not self.change.asks_something:
            return "paused"
        if not self.count:
            return "paused" if self.is_past else "working"
        return "broken" if self.is_past else "attention"

    @property
    def word(self) -> str:
        if not self.change.asks_something:
            return "Nothing to do"
        if not self.count:
            return "Past" if self.is_past else "Hits nothing"
        return "In force" if self.is_past else "Coming"


@dataclass(frozen=True, slots=True)
class Board:
    """What is to come, the next first; what holds already and still has to be seen to; the rest."""

    coming: list[BoardLine]
    in_force: list[BoardLine]
    past: list[BoardLine]

    @property
    def is_empty(self) -> bool:
        return not (self.coming or self.in_force or self.past)

    @property
    def hits(self) -> int:
        """How many changes hit something here that has to be seen to."""
        return sum(line.is_open for line in [*self.coming, *self.in_force])


def board(*, actor: Actor) -> Board:
    """The changes of the products that are linked here, and what each hits of what this person
    may read the details of."""
    actor = present(actor)
    slugs = changes.linked()
    return _sorted([_own(s, change, actor) for s, change in changes.every() if s in slugs])


def _own(slug: str, change: VendorChange, actor: Actor) -> BoardLine:
    hit = changes.hit(slug, change).filter(readable(actor)).order_by("name")
    count = hit.count() if change.hits_somebody else 0
    return BoardLine(
        slug=slug,
        product=products.name_of(slug),
        change=change,
        is_past=_is_past(change),
        count=count,
        connections=list(hit[:NAMED]) if count else [],
        others=list(hit[NAMED:MOST]) if count > NAMED else [],
    )


def platform_board(operator_id: UUID) -> Board:
    """Every change of every connector; counts across organizations, and no names."""
    return _sorted([_counted(slug, change, operator_id) for slug, change in changes.every()])


def _counted(slug: str, change: VendorChange, operator_id: UUID) -> BoardLine:
    connections, organizations = 0, 0
    if change.hits_somebody:
        with roles.connection().cursor() as cursor:
            cursor.execute(
                "SELECT connections, organizations FROM connections_change_hits"
                "(%s, %s, %s::text[], %s::text[], %s::text[], %s, %s)",
                [
                    *(operator_id, slug, sorted(change.credential_kinds), sorted(change.scopes)),
                    *(list(change.endpoints), changes.used_since(), changes.made_before(change)),
                ],
            )
            connections, organizations = cursor.fetchone()
    return BoardLine(
        slug=slug,
        product=products.name_of(slug),
        change=change,
        is_past=_is_past(change),
        count=connections,
        connections=[],
        organizations=organizations,
    )


def _sorted(lines: list[BoardLine]) -> Board:
    """They come in order of their day."""
    return Board(
        coming=[line for line in lines if not line.is_past],
        in_force=[line for line in lines if line.is_past and line.is_open][::-1],
        past=[line for line in lines if line.is_past and not line.is_open][::-1],
    )


def _is_past(change: VendorChange) -> bool:
    return change.on <= clock.now().date()
