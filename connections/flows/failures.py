"""What came of the last five minutes' grants at one vendor, and whether that is an incident."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

WINDOW: Final = timedelta(minutes=5)
BUCKET_SECONDS: Final = 10
MANY, SHARE = 20, 0.3
ALL_OF: Final = 3  # where there are few grants: all of them, and at least so many
WRONG_CLIENTS: Final = 2
AGAIN: Final = 3  # while half open
MOST_NAMED: Final = 100
GOOD_EVERY_SECONDS: Final = 60  # while nothing fails

Entry = list[Any]

REFUSED, FAULTS = "reauthorization_required", "misconfigured"


@dataclass(slots=True)
class Tally:
    """One organization's part: how many good answers, and which connections failed."""

    good: int = 0
    refused: set[str] = field(default_factory=set)
    faults: set[str] = field(default_factory=set)

    @property
    def failing(self) -> set[str]:
        return self.refused | self.faults

    @property
    def suffers(self) -> bool:
        return bool(self.failing) and _share(len(self.failing), self.good) >= SHARE


class Window:
    """The entries of a breaker's window, those of the last five minutes.

    An entry is [second, organization, good, refused, faults]; connections are named by the first
    twelve digits of their ids, because one that fails three times is one and not three.
    """

    def __init__(self, entries: list[Entry], *, now: datetime) -> None:
        self.now = now.timestamp()
        oldest = self.now - WINDOW.total_seconds()
        self.entries = [entry for entry in entries if entry[0] >= oldest]

    def add(
        self,
        organization_id: UUID,
        *,
        good: Collection[UUID],
        refused: Collection[UUID],
        faults: Collection[UUID],
    ) -> None:
        """Whoever is good now has not failed before."""
        well = {short(each) for each in good}
        for entry in self.entries:
            entry[3] = [name for name in entry[3] if name not in well]
            entry[4] = [name for name in entry[4] if name not in well]
        entry = self._entry(short(organization_id))
        entry[2] += len(well)
        entry[3] = sorted({*entry[3], *map(short, refused)})[:MOST_NAMED]
        entry[4] = sorted({*entry[4], *map(short, faults)})[:MOST_NAMED]

    def _entry(self, organization: str) -> Entry:
        second = int(self.now) // BUCKET_SECONDS * BUCKET_SECONDS
        for entry in self.entries:
            if entry[:2] == [second, organization]:
                return entry
        entry = [second, organization, 0, [], []]
        self.entries.append(entry)
        return entry

    def wants(self, organization_id: UUID) -> bool:
        """Whether a good answer of this organization is worth a row's lock now."""
        if any(refused or faults for _, _, _, refused, faults in self.entries):
            return True
        known = [second for second, name, *_ in self.entries if name == short(organization_id)]
        return self.now - max(known, default=0) >= GOOD_EVERY_SECONDS

    def storm(self) -> str:
        """Why the vendor, and not the grants, must be at fault; empty when nothing says so.

        One organization that fails alone while others do well is no incident of the vendor: its
        own consumer or its own people may be the reason, and nobody else is to suffer for it.
        """
        tallies = self._tallies().values()
        if _is_one_alone(tallies):
            return ""
        good = sum(tally.good for tally in tallies)
        failing = sum(len(tally.failing) for tally in tallies)
        if _share(failing, good) < SHARE:
            return ""
        if sum(len(tally.faults) for tally in tallies) >= WRONG_CLIENTS:
            return FAULTS
        is_everybody = good == 0 and failing >= ALL_OF
        return REFUSED if failing >= MANY or is_everybody else ""

    def is_failing_again(self) -> bool:
        """The same, asked while it begins to recover: less is enough."""
        tallies = self._tallies().values()
        if _is_one_alone(tallies):
            return False
        failing = sum(len(tally.failing) for tally in tallies)
        return failing >= AGAIN and _share(failing, sum(t.good for t in tallies)) >= SHARE

    def confirms(self, failing: UUID) -> bool:
        """Whether what this organization met is a sign of the incident: not while others do well.

        Its consumer or its people may be the reason then.
        """
        tallies = self._tallies()
        own = tallies.get(short(failing))
        return own is None or not own.suffers or not _is_one_alone(tallies.values())

    def since(self, moment: datetime) -> Window:
        """What came of asking since then."""
        from_ = moment.timestamp() - BUCKET_SECONDS
        now = datetime.fromtimestamp(self.now, moment.tzinfo)
        return Window([entry for entry in self.entries if entry[0] > from_], now=now)

    def good_only(self) -> list[Entry]:
        """Who did well; the failures are left behind."""
        return [[second, name, good, [], []] for second, name, good, *_ in self.entries if good]

    def _tallies(self) -> dict[str, Tally]:
        found: dict[str, Tally] = {}
        for _, organization, good, refused, faults in self.entries:
            tally = found.setdefault(organization, Tally())
            tally.good += good
            tally.refused |= set(refused)
            tally.faults |= set(faults)
        return found


def _is_one_alone(tallies: Collection[Tally]) -> bool:
    """Whether at most one organization suffers, and another one does well."""
    suffering = sum(tally.suffers for tally in tallies)
    return suffering < 2 and any(tally.good and not tally.suffers for tally in tallies)


def _share(failing: int, good: int) -> float:
    return failing / (failing + good) if failing else 0.0


def short(id_: UUID) -> str:
    """How a window names organizations and connections."""
    return id_.hex[:12]
