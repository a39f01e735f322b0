"""B13 and B16: a key-encryption key is replaced under 100,000 data keys, and a process starts.

Each data key belongs to an organization of its own. Each round stages and activates another version
and wraps every data key anew, in batches whose commits reach the disk; then the checks run that a
worker makes before it serves.
"""

from __future__ import annotations

import io
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID, uuid4

from django.core.management import call_command

from portal import data_keys, key_ceremony, key_rewrap, key_stand, keyfile, keyring, keystore, roles
from portal.keyfile import Keyring
from portal.keys import KEY_BYTES
from tests.bench import rounds
from tests.bench.rounds import Line
from tests.bench.stage import database_name
from tests.servers import Servers

DATA_KEYS = 100_000
REWRAP_SECONDS, START_SECONDS = 30.0, 1.0
DOMAIN = "grant"

_ORGANIZATIONS = """
INSERT INTO portal_organization (id, slug, name, created_at)
SELECT n.id, 'o-' || n.id, 'Organization', now() FROM unnest(%s::uuid[]) AS n(id)
"""
_KEYS = "COPY portal_datakey (id, organization_id, domain, version, wrapped, kek_version, state," \
        " created_at) FROM STDIN"  # fmt: skip


@dataclass(frozen=True, slots=True)
class Scene:
    """So many data keys under the first version, and the files of the keyring."""

    directory: Path
    data_keys: int

    def rewrap(self) -> float:
        """Seconds until every data key is under another version."""
        with roles.using_role("worker"):
            key_ceremony.stage(self.directory, DOMAIN)
            key_ceremony.activate(self.directory, DOMAIN)
            keyring.install(ring(self.directory))
            begun = time.monotonic()
            done = key_rewrap.rewrap(DOMAIN)
            seconds = time.monotonic() - begun
            assert done == self.data_keys, done
            assert key_stand.left(DOMAIN) == (0, self.data_keys)
        return seconds

    def start(self) -> float:
        """Seconds of the checks that a worker makes before it serves."""
        worker = keyfile.parse((self.directory / "worker.json").read_text(), "worker")
        with roles.using_role("worker"):
            begun = time.monotonic()
            assert keyring.prove(worker) == []
            return time.monotonic() - begun


def run(servers: Servers, folder: Path, *, count: int = 3) -> bool:
    """Measure, print and keep; whether both bounds hold."""
    with scene(servers, DATA_KEYS) as at:
        sides = {"rewrap": at.rewrap, "start": at.start}
        samples = rounds.interleaved(sides, rounds=count)
    lines = [
        Line("all data keys under another key", samples["rewrap"], REWRAP_SECONDS, unit=" s"),
        Line("start-up checks of the keys", samples["start"], START_SECONDS, unit=" s"),
        Line("data keys in a second", [DATA_KEYS / one for one in samples["rewrap"]]),
    ]
    return rounds.report("keys", f"{DATA_KEYS:,} data keys", lines, samples, folder)


@contextmanager
def scene(servers: Servers, count: int) -> Iterator[Scene]:
    with TemporaryDirectory() as folder:
        directory = Path(folder)
        call_command("init_keys", directory=directory, stdout=io.StringIO())
        keyring.install(ring(directory))
        try:
            fill(servers, [uuid4() for _ in range(count)])
            yield Scene(directory, count)
        finally:
            keyring.install(None)


def ring(directory: Path) -> Keyring:
    """All keys of all files in one hand."""
    found = {}
    for process, path in keystore.files(directory).items():
        found |= keyfile.parse(keyfile.read(path), process).domains
    return Keyring(found)


def fill(servers: Servers, organizations: list[UUID]) -> None:
    with servers.postgres.connect(database_name()) as admin:
        admin.execute(_ORGANIZATIONS, [organizations])
        with admin.cursor() as cursor, cursor.copy(_KEYS) as copy:
            for one in organizations:
                version, wrapped = data_keys.wrap(os.urandom(KEY_BYTES), one, DOMAIN, 1)
                copy.write_row(
                    (uuid4(), one, DOMAIN, 1, wrapped, version, "active", "2026-01-01T00:00:00Z")
                )
        admin.execute("ANALYZE portal_datakey, portal_organization")
