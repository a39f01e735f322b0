"""`manage.py keys …`: replace key-encryption keys and data keys, step by step or in one go.

Runs where all keyring files are, as the process `manage`, which holds no key: what needs one is
done by this same command as a child, with the file of the process that holds it.
"""

from __future__ import annotations

import subprocess
import sys
import time
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, Final

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from portal import (
    doctor,
    env,
    erasing,
    everybody,
    key_ceremony,
    key_providers,
    key_report,
    key_rewrap,
    key_rotation,
    key_stand,
    key_upkeep,
    keyring,
    mfa_keys,
    tombstones,
)
from portal.clock import now
from portal.key_ceremony import Refused, Version
from portal.key_versions import REPLACEABLE
from portal.keyfile import KeyringRefused
from portal.keys import KeysUnavailable
from portal.models import Organization
from portal.phrases import plural
from portal.roles import using_role
from portal.tenancy import PLATFORM

# Who wraps the data keys of a domain; nothing is wrapped under the others.
WRAPS: Final = {"grant": "worker", "access": "worker", "webhook": "worker", "mfa": "web"}
EVERY_SECONDS: Final = 0.5

ACTIONS: Final = {
    "status": "every version, who holds it, what is under it, and what to do next",
    "stage": "DOMAIN: a new version that opens and does not seal; waits until every process has it",
    "activate": "DOMAIN: the staged version seals; waits until it does so in every process",
    "rewrap": "DOMAIN: every data key is under the active version",
    "retire": "DOMAIN VERSION: an old version goes, when nothing needs it any more",
    "rotate": "DOMAIN: stage, activate and rewrap in one go; --emergency after a leak",
    "rotate_data": "DOMAIN or --organization SLUG or --all: new data keys",
    "adopt": "after restoring a backup from before a rotation: the files' versions are known again",
    "apply_tombstones": "after restoring a backup from before an erasure: it is erased again",
    "adopt_tombstones": "the file of tombstones is missing: it begins with what is known",
}


class Command(BaseCommand):
    help = "Replaces keys: " + "; ".join(f"{name}: {does}" for name, does in ACTIONS.items())
    requires_system_checks: list[str] = []  # they would ask for the keys

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("action", choices=list(ACTIONS))
        parser.add_argument("domain", nargs="?", choices=REPLACEABLE)
        parser.add_argument("number", nargs="?", type=int, metavar="version")
        parser.add_argument("--directory", type=Path, default=doctor.key_directory())
        parser.add_argument("--wait", type=float, default=120, help="seconds, for all processes")
        parser.add_argument("--backups-gone", action="store_true", help="retire: none is kept")
        parser.add_argument("--emergency", action="store_true", help="rotate: the key has leaked")
        parser.add_argument("--because", default="", help="rotate --emergency: for the record")
        parser.add_argument("--organization", default="", help="rotate_data: its address")
        parser.add_argument("--all", action="store_true", help="rotate_data: every organization")

    def handle(self, *args: Any, action: str, **options: Any) -> None:
        """Prints what was done and what comes next; exit code 78 when it may not be done now."""
        if action in ("stage", "activate", "rewrap", "retire", "rotate") and not options["domain"]:
            raise CommandError(f"Name the domain: one of {', '.join(REPLACEABLE)}.")
        deed: Callable[[dict[str, Any]], None] = getattr(self, action)
        try:
            deed(options)
        except KeyringRefused as refused:
            raise _stop(str(refused.problem)) from None
        except Refused as refused:
            raise _stop(str(refused)) from None
        except KeysUnavailable as error:
            raise _stop(
                f"The keys' provider cannot be asked now ({error}). Run it again."
            ) from None

    # ── Key-encryption keys ───────────────────────────────────────────────────────────────────

    def status(self, options: dict[str, Any]) -> None:
        for line in key_report.lines():
            self._say(line)

    def stage(self, options: dict[str, Any]) -> None:
        made = key_ceremony.stage(options["directory"], options["domain"])
        self._say(f"{made} (fingerprint {made.fingerprint}) is in the files. Back them up now.")
        self._await(lambda: _without(made), f"hold {made}", options["wait"])
        self._say(f"Next: keys activate {made.domain}")

    def activate(self, options: dict[str, Any]) -> None:
        made = key_ceremony.activate(options["directory"], options["domain"])
        self._await(lambda: _not_using(made), f"seal with {made}", options["wait"])
        self._say(f"{made} seals from now on.")
        if made.domain in WRAPS:
            self._say(f"Next: keys rewrap {made.domain}")

    def rewrap(self, options: dict[str, Any]) -> None:
        domain: str = options["domain"]
        if domain not in WRAPS:
            self._say(f"Nothing is wrapped under {domain}.")
        elif domain not in keyring.current().domains:
            self._as(WRAPS[domain], options, "rewrap", domain)
        elif domain == mfa_keys.DOMAIN:
            self._say(f"{plural(mfa_keys.rewrap(), 'data key')} wrapped anew.")
        else:
            self._rewrap(domain)

    def _rewrap(self, domain: str) -> None:
        is_local = key_providers.name_for(domain) == key_providers.KEYRING
        if is_local and keyring.active_versions()[domain] != key_stand.target(domain):
            raise Refused(f"This process does not seal with the newest {domain} key. Restart it.")
        left, every = key_stand.left(domain)
        began = time.monotonic()

        def progress(done: int) -> None:
            if done % 10_000 < key_rewrap.BATCH:
                self._say(f"  {done:,} of {left:,}")

        done = key_rewrap.rewrap(domain, progress=progress)
        left, every = key_stand.left(domain)
        seconds = time.monotonic() - began
        self._say(f"{plural(done, 'data key')} wrapped anew in {seconds:.1f} s.")
        self._say(f"{left:,} of {every:,} are under another key.")

    def retire(self, options: dict[str, Any]) -> None:
        if options["number"] is None:
            raise CommandError("Name the version: keys retire DOMAIN VERSION")
        gone = key_ceremony.retire(
            options["directory"],
            options["domain"],
            options["number"],
            backups_gone=options["backups_gone"],
        )
        self._say(f"{gone} is in no file any more. Destroy its copies when no backup needs it.")

    def rotate(self, options: dict[str, Any]) -> None:
        if options["emergency"]:
            self._emergency(options)
            return
        self.stage(options)
        self.activate(options)
        self.rewrap(options)

    def _emergency(self, options: dict[str, Any]) -> None:
        """No straggler is waited for; what the leaked key ever wrapped is replaced as well.

        Run again, it goes on where it was interrupted, and makes no other key meanwhile.
        """
        directory, domain = options["directory"], options["domain"]
        leak = key_upkeep.open_leak(domain)
        if leak is None:
            leaked = key_ceremony.active(domain)
            key_upkeep.declare(leaked, options["because"] or "The key has leaked.")
            self._say(f"The leak of {leaked} is on record.")
        elif leak[0] != (key_stand.target(domain) or 0):
            self._say(f"The leak of {domain}/v{leak[0]} is being dealt with; no other key is made.")
        if leak is None or leak[0] >= (key_stand.target(domain) or 0):
            key_ceremony.stage(directory, domain)
            key_ceremony.activate(directory, domain, at_once=True)
        made = key_ceremony.active(domain)
        self._say(f"{made} seals from now on. Restart every process that does not hold it:")
        for process in _without(made):
            self._say(f"  {process}")
        self.rewrap(options)
        if domain == mfa_keys.DOMAIN:
            self._as("web", options, "rotate_data", domain)
        self._say("Workers replace all data keys, once every process seals with the new key.")
        self._say("Each organization is told what it has to replace itself.")

    # ── Data keys ─────────────────────────────────────────────────────────────────────────────

    def rotate_data(self, options: dict[str, Any]) -> None:
        if options["domain"] == mfa_keys.DOMAIN:
            self._rotate_own(options)
        elif options["all"] or options["organization"]:
            found = _organizations(options["organization"])
            key_rotation.ask(found, now())
            named = plural(len({*found} - {PLATFORM}), "organization")
            self._say(f"Workers replace the data keys of {named}.")
        else:
            raise CommandError("Name whose: mfa, --organization SLUG, or --all.")

    def _rotate_own(self, options: dict[str, Any]) -> None:
        if mfa_keys.DOMAIN not in keyring.current().domains:
            self._as("web", options, "rotate_data", mfa_keys.DOMAIN)
            return
        waits = mfa_keys.replace(now())
        self._say("Second factors are sealed under a new data key.")
        if waits:
            self._say("A web process destroys the old one within the hour.")

    # ── After a restore ───────────────────────────────────────────────────────────────────────

    def adopt(self, options: dict[str, Any]) -> None:
        for one in key_ceremony.adopt(options["directory"]):
            self._say(f"The database knows {one} (fingerprint {one.fingerprint}) now.")

    def apply_tombstones(self, options: dict[str, Any]) -> None:
        if "index" not in keyring.current().domains:
            self._as("worker", options, "apply_tombstones")
            return
        try:
            found = erasing.apply_tombstones()
        except (OSError, tombstones.Forged) as error:
            raise _stop(f"The tombstones cannot be applied: {error}") from None
        self._say(f"{plural(len(found), 'organization')} erased again.")

    def adopt_tombstones(self, options: dict[str, Any]) -> None:
        try:
            with using_role("worker"):
                known = plural(erasing.adopt_tombstones(), "erased organization")
                self._say(f"{tombstones.path()} is there, with {known}.")
        except OSError as error:
            raise _stop(str(error)) from None

    # ── Words and ways ────────────────────────────────────────────────────────────────────────

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()

    def _await(self, lacking: Callable[[], list[str]], what: str, seconds: float) -> None:
        """Every living process does it; exit code 78 naming those who do not in time."""
        deadline, told = time.monotonic() + seconds, 0
        while found := lacking():
            if time.monotonic() > deadline:
                raise _stop(f"These do not {what} yet: {', '.join(found)}. Run it again later.")
            if told != len(found):
                told = len(found)
                self._say(f"Waiting for {plural(told, 'process,processes')} to {what}.")
            time.sleep(EVERY_SECONDS)
        self._say(f"All living processes {what}.")

    def _as(self, process: str, options: dict[str, Any], *words: str) -> None:
        """This command, run with the keys of another process."""
        path = options["directory"] / f"{process}.json"
        environment = env.for_child(PORTAL_PROCESS=process, KEYRING_FILE=str(path))
        command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "keys", *words]
        with TemporaryFile("w+") as errors:
            done = subprocess.Popen(  # noqa: S603  our own command
                command, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True
            )
            for line in done.stdout or ():  # as it says them: it may take long
                self._say(line.rstrip("\n"))
            if done.wait():
                errors.seek(0)
                raise _stop((errors.read().strip().splitlines() or ["It was ended."])[-1])


def _without(made: Version) -> list[str]:
    return key_stand.without(made.domain, made.version, made.fingerprint)


def _not_using(made: Version) -> list[str]:
    return key_stand.not_using(made.domain, made.version)


def _organizations(slug: str) -> list[Any]:
    if not slug:
        return everybody.organizations()
    with using_role("sweeper"):
        found = list(Organization.objects.filter(slug=slug).values_list("id", flat=True))
    if not found:
        raise CommandError(f"There is no organization at {slug!r}.")
    return found


def _stop(text: str) -> CommandError:
    return CommandError(text, returncode=keyring.EXIT_CONFIG)
