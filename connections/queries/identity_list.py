"""The page of identities: who was seen at vendors, by search and filters, page by page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode
from uuid import UUID

from django.core.exceptions import BadRequest

from connections.models import VendorIdentity
from connections.queries import identities, products
from connections.queries.identities import Known
from connections.queries.readable import readable
from portal import phrases
from portal.models import Membership
from portal.policy import Actor

SIZE: Final = 50
MOST_PAGES: Final = 2000
STATES: Final = {
    "": "Everybody",
    identities.SUGGESTED: "Suggested",
    identities.UNKNOWN: "Unknown",
    identities.MATCHED: "Matched",
    identities.CONFIRMED: "Said by a person",
    identities.BOT: "Not a person",
}
_WHERE: Final = """
 WHERE %(state)s IN ('', state) AND %(connector)s IN ('', connector)
   AND (%(search)s = '' OR strpos(sort, %(search)s) > 0 OR strpos(lower(key), %(search)s) > 0
        OR strpos(lower(member), %(search)s) > 0
        OR EXISTS (SELECT FROM unnest(emails) AS e WHERE strpos(e, %(search)s) > 0))
"""
_PAGE: Final = " ORDER BY sort, id LIMIT %(limit)s OFFSET %(offset)s"
_COUNTS: Final = "SELECT state, count(*) FROM named GROUP BY state"
_COUNTED: Final = "SELECT count(*) FROM named"


@dataclass(frozen=True, slots=True)
class Wish:
    """What the address asks for; every value was checked."""

    search: str = ""
    state: str = ""
    connector: str = ""
    page: int = 1

    @classmethod
    def read(cls, query: Mapping[str, str]) -> Wish:
        """Raises BadRequest for a state, product or page that is not on the list (F15)."""
        wish = cls(
            search=query.get("q", "").strip()[:200],
            state=query.get("state", ""),
            connector=query.get("product", ""),
            page=_number(query.get("page", "")),
        )
        if wish.state not in STATES:
            raise BadRequest("There is no such state.")
        if wish.connector and wish.connector not in dict(products.choices()):
            raise BadRequest("There is no such product.")
        return wish

    @property
    def is_filtered(self) -> bool:
        return bool(self.search or self.state or self.connector)

    def address(self, page: int) -> str:
        named = {"q": self.search, "state": self.state, "product": self.connector}
        named["page"] = str(page) if page > 1 else ""
        return "?" + urlencode({name: value for name, value in named.items() if value})


def _number(text: str) -> int:
    if not text:
        return 1
    if not (text.isascii() and text.isdigit() and len(text) < 5 and 0 < int(text) <= MOST_PAGES):
        raise BadRequest("There is no such page.")
    return int(text)


@dataclass(frozen=True, slots=True)
class Row:
    """One identity as the list shows it."""

    known: Known
    product: str
    seen_by: str
    url: str


@dataclass(frozen=True, slots=True)
class IdentityList:
    wish: Wish
    rows: list[Row]
    counts: dict[str, int]
    count: str
    previous: str
    next: str
    states: list[tuple[str, str]]
    products: list[tuple[str, str]]
    members: list[tuple[UUID, str]]

    @property
    def back(self) -> str:
        """The part of the address that leads back to this very page."""
        return self.wish.address(self.wish.page)

    @property
    def total(self) -> int:
        return sum(self.counts.values())


def identity_list(actor: Actor, wish: Wish, *, may_map: bool) -> IdentityList:
    """One page of them; the members to choose from only for who may choose."""
    visible = list(readable(actor).values_list("id", flat=True))
    values: dict[str, Any] = {
        "state": wish.state,
        "connector": wish.connector,
        "search": wish.search.lower(),
        "limit": SIZE + 1,
        "offset": (wish.page - 1) * SIZE,
    }
    counts = {str(key): int(n) for key, n in identities.selected(_COUNTS, visible, {})}
    found = identities.selected(identities.ALL + _WHERE + _PAGE, visible, values)
    [[matching]] = identities.selected(_COUNTED + _WHERE, visible, values)
    rows = [identities.known(row) for row in found[:SIZE]]
    names = identities.connection_names(each for row in rows for each in row.connections)
    return IdentityList(
        wish=wish,
        rows=[_row(one, names) for one in rows],
        counts=counts,
        count=_count(wish, len(rows), matching),
        previous=wish.address(wish.page - 1) if wish.page > 1 else "",
        next=wish.address(wish.page + 1) if len(found) > SIZE else "",
        states=[(key, _with_count(key, word, counts)) for key, word in STATES.items()],
        products=[("", "Every product"), *products.choices()],
        members=members() if may_map else [],
    )


def members() -> list[tuple[UUID, str]]:
    """Everybody of the organization, by name."""
    rows = Membership.objects.filter(user__is_active=True).select_related("user")
    named = [(row.user_id, str(row.user), row.user.email) for row in rows]
    return [
        (id_, name if name == email else f"{name} ({email})")
        for id_, name, email in sorted(named, key=lambda one: one[1].casefold())
    ]


def visible(actor: Actor, identity_id: UUID) -> VendorIdentity | None:
    """The row of an identity that this person may see; None of any other."""
    ids = list(readable(actor).values_list("id", flat=True))
    rows = VendorIdentity.objects.filter(id=identity_id, connections__overlap=ids)
    found: VendorIdentity | None = rows.first()
    return found


def _row(one: Known, names: Mapping[UUID, str]) -> Row:
    seen = sorted(names[each] for each in one.connections if each in names)
    more = f" and {len(seen) - 2} more" if len(seen) > 2 else ""
    return Row(
        known=one,
        product=products.name_of(one.connector),
        seen_by=", ".join(seen[:2]) + more,
        url=products.web_address(one.url),
    )


def _with_count(key: str, word: str, counts: Mapping[str, int]) -> str:
    number = sum(counts.values()) if not key else counts.get(key, 0)
    return f"{word} ({number:,})"


def _count(wish: Wish, shown: int, matching: int) -> str:
    if not shown:
        return ""
    if matching == shown:
        return phrases.plural(shown, "identity,identities")
    first = (wish.page - 1) * SIZE + 1
    return f"{first:,}–{first + shown - 1:,} of {matching:,}"
