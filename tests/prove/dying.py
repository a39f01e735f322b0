"""Worker processes that die by SIGKILL at a named step while they refresh what they were told to.

Each is a copy of this process that begins at once: it sweeps what is due, or asks for tokens as an
on-demand caller does, or settles what lies in the spool.
"""

from __future__ import annotations

import os
import re
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from itertools import cycle
from uuid import UUID

from django.conf import settings
from django.db import connections

from connections import access
from connections.flows import refresh, renewals
from connections.models import Connection, Credential
from portal import clock, roles, tenancy, work
from tests.vendor import ROOT

Wanted = Sequence[tuple[UUID, UUID]]  # organization and connection
LIFE_SECONDS = 20
PATIENCE_SECONDS = 3.0
NAMED = re.compile(r'\bstep\("(refresh\.\w+)"\)')
SPOOLED, REPLAYED = "refresh.spooled", "refresh.replayed"


def steps() -> list[str]:
    """Every step of the protocol that has a name."""
    texts = [path.read_text() for path in sorted((ROOT / "connections/flows").glob("*.py"))]
    return sorted(
        {name for text in texts for name in re.findall(r'step\("(refresh\.\w+)"\)', text)}
    )


class Doomed:
    """The processes that were told where to die; `deaths` counts who died there."""

    def __init__(self) -> None:
        self.deaths = Counter(dict.fromkeys(steps(), 0))
        self._running: dict[int, str] = {}
        self._turns = cycle([sweep, ask_each])

    def next_steps(self, count: int) -> list[str]:
        """Where the fewest died; the spool has something only while the database is away."""
        often = [step for step in self.deaths if step not in {SPOOLED, REPLAYED}]
        return sorted(often, key=lambda step: self.deaths[step])[:count]

    def send(self, step: str, wanted: Wanted) -> None:
        """One more process; every other one sweeps."""
        deed = next(self._turns) if step != SPOOLED else ask_each
        self._fork(step, renewals.replay_spool if step == REPLAYED else partial(deed, wanted))

    def reap(self, *, wait: bool = False) -> None:
        """Count those that have ended; who found nothing to do is none of the dead."""
        end = time.monotonic() + LIFE_SECONDS + 1
        while self._running:
            for pid, step in list(self._running.items()):
                found, status = os.waitpid(pid, os.WNOHANG)
                if found:
                    del self._running[pid]
                    self.deaths[step] += os.waitstatus_to_exitcode(status) == -signal.SIGKILL
            if not wait or time.monotonic() > end:
                return
            time.sleep(0.02)

    def _fork(self, step: str, deed: Callable[[], object]) -> None:
        """Nothing open is shared with the copy."""
        connections.close_all()
        access.door.cache_clear()
        pid = os.fork()
        if pid:
            self._running[pid] = step
            return
        signal.alarm(LIFE_SECONDS)
        settings.DIE_AT_STEP = step
        with suppress(BaseException), roles.using_role("worker"):
            deed()
        os._exit(0)


def sweep(wanted: Wanted) -> None:
    """These are due, and whatever else is due is refreshed with them."""
    for organization_id, connection_id in wanted:
        with tenancy.acting_for(organization_id), tenancy.transaction():
            found = Credential.objects.filter(connection_id=connection_id, intent_version=None)
            found.update(refresh_due_at=clock.now())
    renewals.start_due()
    work.drain()


def ask_each(wanted: Wanted) -> None:
    """A fresh token of each instead of one that ends now, whatever becomes of the others."""
    for organization_id, connection_id in wanted:
        with suppress(Exception), tenancy.acting_for(organization_id):
            with tenancy.transaction():
                connection = Connection.objects.get(id=connection_id)
                found = Credential.objects.filter(connection=connection, intent_version=None)
                found.update(expires_at=clock.now())
            refresh.fresh(connection, wait_seconds=PATIENCE_SECONDS)
