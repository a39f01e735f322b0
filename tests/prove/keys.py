"""The master key is replaced under load: no read fails, the old one is unused, a wrong one refused.

Two workers renew grants of several organizations all the time while the command of an operator
stages, activates, rewraps and retires `grant`, and the data keys are replaced as well. Afterwards
every token of the database is opened and asked about at the vendor. Then a worker is started with
the keyring files of before, and with a key that the database does not know.
"""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from connections.models import Connection, Credential
from portal import clock, key_rotation, key_stand, keyfile, keyring, roles, work
from portal.models import Heartbeat, KeyCheck
from tests import keys
from tests.prove import crowd, kills
from tests.prove.crowd import Linked
from tests.prove.grants import looked_at
from tests.prove.stage import Stage, until
from tests.prove.told import Claim, Told
from tests.vendor import ROOT

TOKEN = "POST /site/oauth2/access_token"
WORKERS = 2
LIFE = 7200
BROKEN = re.compile(r"seal\.broken|keyring\.refused|secret.*not open")


@dataclass(frozen=True, slots=True)
class Size:
    """`before` and `after` are the seconds of load around the rotation."""

    grants: int
    organizations: int
    before: float
    after: float
    share: float


FULL = Size(300, 6, 30.0, 60.0, 0.05)
SHORT = Size(24, 3, 1.0, 1.0, 0.1)
HOLDERS = ("web", "api", "ingest", "worker")


def prove(stage: Stage, *, short: bool) -> Told:
    size = SHORT if short else FULL
    stage.vendor.order("/switches", refresh_grace_seconds=600, rate_limit=10**6)
    linked = [one for each in organizations(stage, size) for one in gathered(stage, each, size)]
    old = {p: (stage.folder / f"{p}.json").read_text() for p in HOLDERS}
    with stage.workers(WORKERS, SWEEP_SECONDS="1", REFRESH_PER_SECOND="200") as workers:
        until(lambda: beating() == WORKERS)
        load = Load(stage, size)
        load.start()
        until(lambda: kills.attempts(stage, linked) > 0)
        time.sleep(size.before)
        said = rotated(stage)
        held_again(stage)
        data_keys(stage)
        time.sleep(size.after)
        renewed = kills.attempts(stage, linked)
        load.stop()
        until(lambda: kills.settled(stage, linked), 120, 0.5)
        broken = len(BROKEN.findall(workers.log.read_text(errors="replace")))
    said += command(stage, "retire", "grant", "1", "--backups-gone")
    return counted(stage, linked, said, renewed, broken, refused(stage, old))


def organizations(stage: Stage, size: Size) -> list[Any]:
    names = [f"org-{number}" for number in range(1, size.organizations)]
    return [stage.works.acme, *(stage.works.organization(name) for name in names)]


def gathered(stage: Stage, organization: Any, size: Size) -> list[Linked]:
    count = size.grants // size.organizations
    return crowd.gather(stage, organization, count, life_seconds=LIFE)


def beating() -> int:
    with roles.using_role("worker"):
        return int(Heartbeat.objects.filter(kind="worker").count())


class Load(threading.Thread):
    """Grants become due all the time, faster than their tokens end."""

    def __init__(self, stage: Stage, size: Size) -> None:
        super().__init__(daemon=True)
        self._stage, self._share, self._over = stage, size.share, threading.Event()

    def run(self) -> None:
        with self._stage.servers.postgres.connect(self._stage.database) as administrator:
            while not self._over.wait(0.3):
                administrator.execute(
                    "UPDATE connections_credential SET refresh_due_at = %s"
                    " WHERE intent_version IS NULL AND random() < %s",
                    [clock.now(), self._share],
                )

    def stop(self) -> None:
        self._over.set()
        self.join()


# ── What an operator does ─────────────────────────────────────────────────────────────────────


def rotated(stage: Stage) -> str:
    """Each step waits until both workers have taken it up."""
    return "".join(command(stage, step, "grant") for step in ("stage", "activate", "rewrap"))


def command(stage: Stage, *words: str) -> str:
    """`manage.py keys …` as the process without keys; raises RuntimeError with what it said."""
    environment = stage.environment("manage", KEYRING_DIR=str(stage.folder), KEYRING_FILE="")
    done = subprocess.run(
        [sys.executable, "manage.py", "keys", *words, "--directory", str(stage.folder)],
        cwd=ROOT,
        env=environment | {"SWEEP_SECONDS": "1"},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(done.stdout + done.stderr)
    return done.stdout


def held_again(stage: Stage) -> None:
    """We hold what the files have now."""
    texts = {p: (stage.folder / f"{p}.json").read_text() for p in HOLDERS}
    rings = {process: keyfile.parse(text, process) for process, text in texts.items()}
    keyring.install(keys.everything(rings))


def data_keys(stage: Stage) -> None:
    """Every data key is replaced, and the old ones destroyed once nothing can be under way."""
    with roles.using_role("worker"):
        from_all = "SELECT id FROM portal_organization"
        with stage.servers.postgres.connect(stage.database) as administrator:
            found = [row[0] for row in administrator.execute(from_all).fetchall()]
        key_rotation.ask(found, clock.now())
        work.drain()


# ── Wrong keys ────────────────────────────────────────────────────────────────────────────────


def refused(stage: Stage, old: dict[str, str]) -> dict[str, str]:
    """What a worker says that starts with the former file, and with an unknown key."""
    stranger = json.loads((stage.folder / "worker.json").read_text())
    stranger["grant"]["keys"]["2"] = base64.b64encode(os.urandom(32)).decode()
    return {
        "former": started(stage, "former.json", old["worker"]),
        "stranger": started(stage, "stranger.json", json.dumps(stranger)),
    }


def started(stage: Stage, name: str, text: str) -> str:
    path = Path(stage.folder / name)
    path.touch(mode=0o600)
    path.write_text(text)
    code = "import django; django.setup(); from portal.startup import refuse_unless_ready as r; r()"
    environment = stage.environment("worker", KEYRING_FILE=str(path))
    environment["DJANGO_SETTINGS_MODULE"] = "portal.settings"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    return f"{done.returncode} {done.stderr.strip()}"


# ── Counting ──────────────────────────────────────────────────────────────────────────────────


def counted(
    stage: Stage,
    linked: list[Linked],
    said: str,
    renewed: int,
    broken: int,
    starts: dict[str, str],
) -> Told:
    with clock.shifted(key_rotation.SETTLED + timedelta(minutes=1)), roles.using_role("worker"):
        work.drain()
    tokens = crowd.held(stage, linked)
    unread = [one for one in linked if len(tokens[one.credential_id]) != 2]
    works = looked_at(stage.vendor, *(one["refresh"] for one in tokens.values() if one))
    troubled = troubles(stage, linked)
    with roles.using_role("worker"):
        left = key_stand.uses("grant", 1)
        known = list(KeyCheck.objects.filter(domain="grant").values_list("version", flat=True))
    in_file = json.loads((stage.folder / "worker.json").read_text())["grant"]
    gone = known == [2] and list(in_file["keys"]) == ["2"] and left == 0
    claims = [
        Claim("both workers took up each step without a restart", "All living" in said),
        Claim("grants were renewed all the while", renewed > 0, renewed),
        Claim("no read failed", broken == 0, broken),
        Claim("every secret opens", not unread, f"{len(unread)} of {len(linked)} do not"),
        Claim("every stored token works at the vendor", all(works), works.count(False)),
        Claim("no connection has a fault", troubled == 0, troubled),
        Claim("the old key is in no file, no sentinel and under no row", gone, left),
        Claim("the former file is refused by name", "grant/v1" in starts["former"]),
        Claim("an unknown key is refused by name", "grant/v2" in starts["stranger"]),
        Claim("both by exit code 78", all(one.startswith("78 ") for one in starts.values())),
    ]
    rows = [["renewals while keys were replaced", renewed], ["data keys under the old key", left]]
    tried = f"{len(linked)} grants of {len({one.organization_id for one in linked})} organizations"
    return Told(tried, ("counted", "number"), rows, claims, {"said": said, "starts": starts})


def troubles(stage: Stage, linked: list[Linked]) -> int:
    found = 0
    for organization in kills.each_organization(linked):
        with stage.works.inside(organization):
            found += Connection.objects.exclude(last_error="").count()
            found += Credential.objects.filter(quarantined_at__isnull=False).count()
    return found
