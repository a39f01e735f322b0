"""What the connections to one server were last answered, and whether the server is at fault.

A server that people run themselves is most often one organization's, with few connections, each
asked once in a quarter of an hour. So here each connection counts by its last answer, in a window
as long as it takes until a first refusal is believed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from connections.flows.failures import REFUSED, short

# A suspicion is believed after 10 to 15 minutes, and everybody is asked within 15.
WINDOW: Final = timedelta(minutes=20)
# One refusal, or two, may well be two withdrawn tokens: these are told after a quarter of an hour.
AT_LEAST: Final = 3
# One good answer against three refusals, or four against sixteen, is a server that works.
SHARE: Final = 0.8
MOST_HEARD: Final = 200

Entry = list[Any]


class ServerWindow:
    """The last answer to each connection of a server, of the last twenty minutes.

    An entry is [second, organization, connection, since]: since which second it is refused, or None
    when it is well. Consumers that are refused are not here: on such a server they are their
    organization's own, which is told (`stopped.py`), and a fault is held against no grant anyway.
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
        known = {entry[2]: entry for entry in self.entries}
        second, organization = int(self.now), short(organization_id)
        for name in map(short, good):
            known[name] = [second, organization, name, None]
        for name in map(short, refused):
            since = known[name][3] if name in known else None
            known[name] = [second, organization, name, second if since is None else since]
        self.entries = sorted(known.values(), key=lambda entry: int(entry[0]))[-MOST_HEARD:]

    def wants(self, organization_id: UUID) -> bool:
        """Whether a good answer is worth a row's lock: once something was refused."""
        return bool(self._refused())

    def storm(self) -> str:
        """Why the server, and not the credentials, must be at fault; empty if nothing says so."""
        return REFUSED if len(self._refused()) >= AT_LEAST and self._most_are_refused() else ""

    def is_failing_again(self) -> bool:
        """The same, asked while it begins to recover: nothing less is enough."""
        return bool(self.storm())

    def confirms(self, failing: UUID) -> bool:
        """Whether what this organization met says that the server is at fault still."""
        return self._most_are_refused()

    def since(self, moment: datetime) -> ServerWindow:
        """What came of asking since then."""
        now = datetime.fromtimestamp(self.now, moment.tzinfo)
        return ServerWindow([one for one in self.entries if one[0] > moment.timestamp()], now=now)

    def good_only(self) -> list[Entry]:
        """Who is well; the refusals are left behind."""
        return [entry for entry in self.entries if entry[3] is None]

    def _refused(self) -> list[Entry]:
        return [entry for entry in self.entries if entry[3] is not None]

    def _most_are_refused(self) -> bool:
        """What was good before the first of them was refused says nothing of now.

        One organization that is refused alone while another one is well has itself to blame.
        """
        refused = self._refused()
        began = min((entry[3] for entry in refused), default=0)
        well = [entry for entry in self.good_only() if entry[0] >= began]
        is_alone = len(_organizations(refused)) == 1 and bool(
            _organizations(well) - _organizations(refused)
        )
        return bool(refused) and len(refused) / len(refused + well) >= SHARE and not is_alone


def _organizations(entries: Iterable[Entry]) -> set[str]:
    return {entry[1] for entry in entries}
