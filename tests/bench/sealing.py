"""B9: what encryption adds to the way of a secret, from the question of a service to its token.

The baseline is the same lease with the same statement, record and commit, whose stored token is
taken as it is. Processor time is counted, ours and the PostgreSQL backend's.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

from django.db import connections as databases

from connections import places
from connections.api import key
from connections.flows import leases
from connections.flows.leases import Ask
from connections.models import Credential
from portal import roles, vault
from portal.secret import Secret
from tests.bench import rounds
from tests.bench.rounds import Line
from tests.conftest import installed
from tests.leasing import service, with_token
from tests.servers import Servers

LEASES = 300
BOUND = 1.03
LETTERS = 900
PLAIN = b"t" * LETTERS


@dataclass(frozen=True, slots=True)
class Scene:
    """A connection whose token is fresh, a service that may lease it, and where it is sealed."""

    ask: Ask
    place: vault.Place
    works: Any

    def lease(self) -> None:
        with roles.using_role("api"):
            assert len(leases.take(self.ask).token.reveal()) >= LETTERS

    def open(self) -> None:
        with roles.using_role("worker"), self.works.inside():
            assert len(vault.open(self.place).reveal()) >= LETTERS


def run(servers: Servers, folder: Path, *, count: int = 9) -> bool:
    """Measure, print and keep; whether the bound holds."""
    with scene() as at:
        sides: dict[str, Callable[[], float]] = {
            "sealed": lambda: cost("api", at.lease),
            "plain": lambda: plainly("api", at.lease),
            "opened": lambda: cost("worker", at.open),
            "read": lambda: plainly("worker", at.open),
        }
        samples = rounds.interleaved(sides, rounds=count)
    lines = [
        Line("a lease ÷ one of a plain token", ratio(samples, "sealed", "plain"), BOUND),
        Line("the vault alone ÷ without its ciphers", ratio(samples, "opened", "read")),
        Line("a lease", samples["sealed"], unit=" ms"),
    ]
    return rounds.report("secret", f"{LEASES} leases each round", lines, samples, folder)


def ratio(samples: dict[str, list[float]], one: str, other: str) -> list[float]:
    return rounds.ratios(samples[one], samples[other])


@contextmanager
def scene() -> Iterator[Scene]:
    with TemporaryDirectory() as folder, installed(Path(folder)) as works:
        connection = with_token(works, text=PLAIN.decode())
        asking = service(works)
        with works.inside():
            credential = Credential.objects.get(connection_id=connection.id)
        ask = Ask(key.hash_of(asking.whole), connection.id, "benchmark")
        yield Scene(ask, places.of_credential(credential, places.ACCESS), works)


def cost(alias: str, deed: Callable[[], None], *, times: int = LEASES) -> float:
    """Milliseconds of processor time for one, ours and the backend's."""
    deed()
    begun = busy(alias)
    for _ in range(times):
        deed()
    return (busy(alias) - begun) * 1000 / times


def plainly(alias: str, deed: Callable[[], None], *, times: int = LEASES) -> float:
    """The same with a stored value that is taken as it is."""
    # The baseline of a measurement, not a test: nothing is asserted of what is replaced.
    with patch.object(vault, "unseal_under", as_it_is):
        return cost(alias, deed, times=times)


def as_it_is(find: object, blob: bytes, place: vault.Place) -> Secret:
    return Secret(PLAIN)


def busy(alias: str) -> float:
    """Seconds of processor time that this process and this role's backend have used."""
    connection = databases[alias].connection
    backend = Path(f"/proc/{connection.info.backend_pid}/schedstat") if connection else None
    nanoseconds = int(backend.read_text().split()[0]) if backend else 0
    return time.process_time() + nanoseconds / 1e9
