"""Which connections a campaign is for: the choice as it stands in an address, and who it hits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlencode

from django.core.exceptions import BadRequest
from django.db.models import Q, QuerySet

from connections import registry
from connections.flows import policies
from connections.models import Connection
from connections.queries import changes, products
from portal import clock
from portal.models import Team
from portal.requests import id_in

POLICIES: Final = {"overdue": "Overdue by policy", "personal": "Acts as a person, and must not"}
AGES: Final = {30: "a month", 90: "three months", 180: "half a year", 365: "a year"}
SHOWN: Final = 50


@dataclass(frozen=True, slots=True)
class Choice:
    """What the address asks for; every value was checked."""

    connector: str = ""
    kind: str = ""
    label: str = ""
    team: str = ""
    older: str = ""
    policy: str = ""
    change: str = ""

    @classmethod
    def read(cls, query: Mapping[str, str]) -> Choice:
        """Raises BadRequest for what is on no list (F15)."""
        choice = cls(**{name: query.get(name, "").strip()[:80] for name in cls.__slots__})
        if choice.connector and choice.connector not in registry.connectors():
            raise BadRequest("There is no such product.")
        if choice.policy and choice.policy not in POLICIES:
            raise BadRequest("There is no such choice.")
        if choice.change and changes.find(choice.change) is None:
            raise BadRequest("There is no such change.")
        if choice.older and choice.older not in map(str, AGES):
            raise BadRequest("There is no such age.")
        if choice.team not in {"", "none"} and not id_in(choice.team):
            raise BadRequest("There is no such team.")
        return choice

    @property
    def is_empty(self) -> bool:
        return not any(asdict(self).values())

    def parameters(self) -> dict[str, str]:
        """What stands in the address, without what is empty."""
        return {name: value for name, value in asdict(self).items() if value}

    def query(self) -> str:
        return urlencode(self.parameters())


@dataclass(frozen=True, slots=True)
class Preview:
    """Who would be in it: all counted, the first ones by name."""

    choice: Choice
    count: int
    rows: list[Any]
    connectors: list[tuple[str, str]]
    kinds: list[tuple[str, str]]
    teams: list[tuple[str, str]]
    ages: list[tuple[str, str]]
    policies: list[tuple[str, str]]
    changes: list[tuple[str, str]]

    @property
    def more(self) -> int:
        return self.count - len(self.rows)


def matching(choice: Choice) -> QuerySet[Any]:
    """The live connections that fit, by name; none for an empty choice."""
    rows: QuerySet[Any] = Connection.objects.exclude(state=Connection.State.REVOKED)
    if choice.is_empty:
        return rows.none()
    if choice.connector:
        rows = rows.filter(connector=choice.connector)
    if choice.label:
        rows = rows.filter(labels__contains=[choice.label])
    if choice.team:
        rows = rows.filter(team_id=None if choice.team == "none" else choice.team)
    if choice.change:
        found = changes.find(choice.change)
        rows = rows.filter(id__in=changes.hit(*found).values("id")) if found else rows.none()
    if wanted := _credentials(choice):
        current = policies.with_due(policies.current()) if choice.policy else policies.current()
        rows = rows.filter(id__in=current.filter(wanted).values("connection_id"))
    return rows.order_by("name")


def _credentials(choice: Choice) -> Q:
    wanted = Q()
    if choice.kind:
        wanted &= Q(kind=choice.kind)
    if choice.older:
        wanted &= Q(created_at__lte=clock.now() - timedelta(days=int(choice.older)))
    if choice.policy == "overdue":
        wanted &= Q(due_at__lte=clock.now())
    if choice.policy == "personal":
        wanted &= Q(is_forbidden=True)
    return wanted


def preview(choice: Choice) -> Preview:
    """The choice with what it may be narrowed to."""
    found = matching(choice)
    return Preview(
        choice=choice,
        count=found.count(),
        rows=list(found.select_related("team")[:SHOWN]),
        connectors=[("", "Any product"), *products.choices()],
        kinds=[("", "Any credential"), *_kinds()],
        teams=_teams(),
        ages=[("", "Any age"), *((str(days), f"Older than {word}") for days, word in AGES.items())],
        policies=[("", "Any policy"), *POLICIES.items()],
        changes=[("", "Any change at the vendor"), *_changes()],
    )


def kind_words() -> dict[str, str]:
    """What each kind of credential is called, by the methods that make it."""
    return {
        method.credential_kind: method.title
        for connector in registry.connectors().values()
        for method in connector.manifest.methods
    }


def _kinds() -> list[tuple[str, str]]:
    words = kind_words()
    used = policies.current().order_by("kind").values_list("kind", flat=True).distinct()
    return [(kind, words.get(kind, kind.replace("_", " "))) for kind in used if kind]


def _teams() -> list[tuple[str, str]]:
    found = [
        (str(key), name) for key, name in Team.objects.order_by("name").values_list("id", "name")
    ]
    return [("", "Any team"), ("none", "Whole organization"), *found] if found else []


def _changes() -> list[tuple[str, str]]:
    return [
        (changes.name_of(slug, change), change.title)
        for slug, change in changes.every()
        if change.hits_somebody
    ]
