"""`manage.py init_keys`: the keys of an installation, each domain's made once and never again.

Run again after an upgrade it adds the domains that came since, and touches no other key. With the
first keys the file of tombstones begins: never later, for then it would hide that one was lost.
"""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Mapping, Set
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import IntegrityError, transaction

from portal import keyfile, keyring, keystore, tombstones
from portal.keyfile import ADDED, DOMAINS, HOLDS, KeyringRefused
from portal.problem import Problem
from portal.roles import using_role

Files = dict[str, Path]

PLANTED = "The keys were there; the database knows them now."

ALL_LOST = """\
The database was made with keys that are not in {directory}.
Restore the keyring from your backup. New keys would open nothing that is stored.\
"""
MADE = """\
New keys are in {files}.
Copy these files to a safe place outside this machine now: without them nothing that is sealed
can be opened again, by anybody. Keep them apart from the backups of the database.\
"""


class Command(BaseCommand):
    help = "Makes the keys that are missing, one file for each process, and their sentinels."
    requires_system_checks: list[str] = []  # they would ask for the keys

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--directory", type=Path, default=Path(settings.KEYRING_DIR))
        parser.add_argument(
            "--if-missing", action="store_true", help="succeed when the keys are there and right"
        )

    def handle(self, *args: Any, directory: Path, if_missing: bool, **options: Any) -> None:
        """Writes files and sentinels, or refuses and changes nothing (exit code 78)."""
        files = keystore.files(directory)
        with using_role("owner"):
            known = keyring.known()
            present = {process: path for process, path in files.items() if path.exists()}
            if not known:  # nothing is sealed yet, so nothing can have been erased
                _begin_tombstones()
            if not present and not known:
                self._write(files, keyring.generate(), {}, DOMAINS.keys())
                return
            new = ADDED - known
            lost = [p for p in files if p not in present and not HOLDS[p] <= new]
            if lost:
                raise _refusal(directory, present, lost, known=bool(known))
            self._complete(files, present, new if known else DOMAINS.keys(), if_missing)

    def _complete(self, files: Files, present: Files, unproved: Set[str], if_missing: bool) -> None:
        """Every file has its domains and is this database's; a new one is told of its keys."""
        may_lack = ADDED & unproved
        texts = {process: _read(process, path, may_lack) for process, path in present.items()}
        changed = _grown(texts, may_lack)
        if unproved:
            self._write(files, changed, texts, unproved)
        elif not if_missing:
            raise CommandError(f"There are keys in {files['worker'].parent} already.")
        rings = [keyfile.parse(text, process) for process, text in (texts | changed).items()]
        problems = [problem for ring in rings for problem in keyring.prove(ring)]
        if problems:
            raise _stop("\n".join(map(str, problems)))

    def _write(
        self, files: Files, changed: Mapping[str, str], kept: Mapping[str, str], domains: Set[str]
    ) -> None:
        """Sentinels of these domains, then the changed files, then the commit.

        Whoever comes second waits for the first one's sentinels and writes nothing. A crash between
        file and commit leaves a file that the next run plants.
        """
        texts = {**kept, **changed}
        rings = [keyfile.parse(text, process) for process, text in texts.items()]
        try:
            with transaction.atomic(using="owner"):
                keyring.plant(rings, domains)
                for process, text in changed.items():
                    keystore.put(files[process], text)
        except IntegrityError:
            raise _stop("Another init_keys was faster; see which files it wrote.") from None
        except OSError as error:
            raise _stop(f"The keyring files cannot be written ({error.strerror}).") from None
        named = " and ".join(str(files[process]) for process in changed)
        self.stdout.write(MADE.format(files=named) if changed else PLANTED)


def _begin_tombstones() -> None:
    try:
        tombstones.begin()
    except OSError as error:
        raise _stop(f"{error} See TOMBSTONE_FILE.") from None


def _read(process: str, path: Path, may_lack: Set[str]) -> str:
    """The file's text, which is that process's keyring but for these domains."""
    try:
        text = keyfile.read(path)
        keyfile.parse(text, process, may_lack=may_lack)
    except KeyringRefused as refused:
        raise _stop(f"{path}: {refused.problem}") from None
    return text


def _grown(texts: Mapping[str, str], domains: Set[str]) -> dict[str, str]:
    try:
        return keyring.grown(texts, domains)
    except KeyringRefused as refused:
        raise _stop(str(refused.problem)) from None


def _refusal(directory: Path, present: Files, lost: list[str], *, known: bool) -> CommandError:
    if known:
        return _stop(ALL_LOST.format(directory=directory))
    there = ", ".join(path.name for path in present.values())
    lacking = ", ".join(f"{process}.json" for process in lost)
    problem = Problem(
        f"{directory} has {there} but not {lacking}, and the database knows no keys.",
        "Restore what is missing, or move the rest away and run this again.",
    )
    return _stop(str(problem))


def _stop(text: str) -> CommandError:
    return CommandError(text, returncode=keyring.EXIT_CONFIG)
