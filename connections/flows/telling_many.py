"""What people are told when much comes due at once: one notice for each place, not one for each.

Whoever mends everything hears of all, a team's people of what is their team's, an owner of what is
theirs; nobody hears of the same twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache, partial
from itertools import groupby
from typing import Final
from uuid import UUID

from connections.flows import told_kinds as kinds
from connections.flows.policies import Rule
from connections.flows.telling import Named, page_of
from connections.flows.telling_due import HEADS, chosen, within
from connections.models import Connection
from portal import notices, tenancy
from portal.audience import People
from portal.phrases import plural
from portal.policy import Permission

Warning = tuple[str, Callable[[], object]]  # the cause, and what tells of it
Due = tuple[Connection, Rule]

SENTENCES: Final = {
    kinds.EXPIRES: "They do not renew themselves. Make new ones at the vendor and replace them here"
    " before then.",
    kinds.ROTATION_DUE: "Your rotation policy asks for new ones. Name, address and history stay.",
    kinds.ROTATION_MANY: "",  # the kind's own
}


@dataclass(frozen=True, slots=True)
class Place:
    """Who is told of so many in one notice; `key` sets its cause apart from those beside it."""

    key: str
    audience: frozenset[UUID]
    count: int
    team_id: UUID | None = None


def many_overdue(found: Sequence[Due], people: People) -> Iterator[Warning]:
    """More are overdue than anybody wants single notices of."""
    kind, path = kinds.ROTATION_MANY, page_of("connections") + "?policy=overdue"
    for place in places(found, people):
        title = f"{plural(place.count, 'credential')} should have been replaced by now"
        yield kind + place.key, partial(_tell, kind, place, kind + place.key, title, path)


def many_escalated(count: int, people: People) -> Iterator[Warning]:
    """So many of them have been overdue for so long that owners and admins are told."""
    cause = f"{kinds.ROTATION_ESCALATED}:many"
    place = Place("", frozenset(people.with_roles(HEADS)), count)
    verb = "credential has,credentials have"
    title = f"{plural(count, verb)} been overdue for too long"
    path = page_of("connections") + "?policy=overdue"
    yield cause, partial(_tell, kinds.ROTATION_ESCALATED, place, cause, title, path)


def day_cause(kind: str, day: date, mark: int) -> str:
    """The cause of the warning, at so many days, of all that is due on one day."""
    return f"{kind}:{day}:{mark}"


def many_of_a_day(
    kind: str, found: Sequence[Due], people: People, *, cause: str, days: int
) -> Iterator[Warning]:
    """So many end, or are due, on one day, which is so many days away."""
    path = page_of("calendar") + f"?kind={'expires' if kind == kinds.EXPIRES else 'rotate'}"
    for place in places(found, people):
        many = plural(place.count, "credential")
        verb = "expires" if place.count == 1 else "expire"
        title = f"{many} {verb} {within(days)}"
        if kind == kinds.ROTATION_DUE:
            title = f"Replace {many} {within(days)}"
        yield cause + place.key, partial(_tell, kind, place, cause + place.key, title, path)


def places(found: Sequence[Due], people: People) -> list[Place]:
    """The whole organization's first, which there always is; then teams, then owners."""
    rules = {rule for _, rule in found}
    everything = people.who_may(Permission.CONNECTION_MEND)
    for rule in rules:
        everything |= chosen(rule, None, people) & people.seeing_all_teams
    made = [Place("", frozenset(everything), len(found))]
    linkers = cache(lambda team_id: people.who_may(Permission.CONNECTION_LINK, team_id=team_id))
    told = dict(_of_teams(found, people))
    for team_id, (audience, count) in told.items():
        if rest := audience - everything:
            made.append(Place(f":{team_id or 'all'}", frozenset(rest), count, team_id))
    for owner, of_owner in _grouped(found, lambda connection: connection.granted_by_id):
        left = [
            one
            for one, _ in of_owner
            if owner not in told[one.team_id][0] and owner in linkers(one.team_id)
        ]
        if owner is not None and left:
            made.append(Place(f":{owner}", frozenset({owner}), len(left)))
    return made


def _of_teams(
    found: Sequence[Due], people: People
) -> Iterator[tuple[UUID | None, tuple[set[UUID], int]]]:
    """Of each team's: who mends all of them or is to be told by a rule, and how many they are."""
    for team_id, of_team in _grouped(found, lambda connection: connection.team_id):
        audience = people.who_may(Permission.CONNECTION_MEND, team_id=team_id)
        for rule in {rule for _, rule in of_team}:
            audience |= chosen(rule, team_id, people)
        yield team_id, (audience, len(of_team))


def _grouped(
    found: Iterable[Due], key: Callable[[Connection], UUID | None]
) -> Iterator[tuple[UUID | None, list[Due]]]:
    ordered = sorted(found, key=lambda one: str(key(one[0])))
    for _, group in groupby(ordered, lambda one: key(one[0])):
        of_one = list(group)
        yield key(of_one[0][0]), of_one


def _tell(kind: str, place: Place, cause: str, title: str, url: str) -> None:
    notices.tell(
        kinds.ROTATION_OWN if place.key else kind,
        subject=Named(tenancy.organization_id(), "This organization"),
        audience=place.audience,
        dedupe=cause,
        url=url,
        title=title,
        body=SENTENCES.get(kind, ""),
        button="See them",
        team_id=place.team_id,
    )
