"""`manage.py init_keys`: the keys of a new installation, made once and never again."""

from __future__ import annotations

import os
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import IntegrityError, transaction

from portal import keyfile, keyring
from portal.keyfile import Keyring, KeyringRefused
from portal.models import KeyCheck
from portal.problem import Problem
from portal.roles import using_role

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
    help = "Makes the first keys, one file for each process that holds some, and their sentinels."
    requires_system_checks: list[str] = []  # they would ask for the keys

    def add_arguments(self, parser: ArgumentParser) -> None:
        default = settings.BASE_DIR / "var" / "keys"
        parser.add_argument("--directory", type=Path, default=default)
        parser.add_argument(
            "--if-missing", action="store_true", help="succeed when the keys are there and right"
        )

    def handle(self, *args: Any, directory: Path, if_missing: bool, **options: Any) -> None:
        """Writes files and sentinels, or refuses and changes nothing (exit code 78)."""
        files = {process: directory / f"{process}.json" for process in keyring.generate()}
        present = [path for path in files.values() if path.exists()]
        with using_role("owner"):
            known = KeyCheck.objects.exists() or bool(keyring.wrapping_keys())
            if not present and not known:
                self._make(files)
            elif len(present) < len(files):
                raise _refusal(directory, files, known=known)
            elif if_missing:
                self._confirm(files, known=known)
            else:
                raise CommandError(f"There are keys in {directory} already.")

    def _make(self, files: dict[str, Path]) -> None:
        texts = keyring.generate()
        for process, path in files.items():
            _write(path, texts[process])
        _plant([keyfile.parse(texts[process], process) for process in files])
        self.stdout.write(MADE.format(files=" and ".join(map(str, files.values()))))

    def _confirm(self, files: dict[str, Path], *, known: bool) -> None:
        """The files are this database's keys; a new database is told about them."""
        rings = [_read(process, path) for process, path in files.items()]
        if not known:
            _plant(rings)
            self.stdout.write("The keys were there; the database knows them now.")
        problems = [problem for ring in rings for problem in keyring.prove(ring)]
        if problems:
            raise _stop("\n".join(map(str, problems)))


def _read(process: str, path: Path) -> Keyring:
    try:
        return keyfile.parse(keyfile.read(path), process)
    except KeyringRefused as refused:
        raise _stop(f"{path}: {refused.problem}") from None


def _plant(rings: list[Keyring]) -> None:
    try:
        with transaction.atomic(using="owner"):
            keyring.plant(rings)
    except IntegrityError:
        raise _stop("Another init_keys was faster; see which files it wrote.") from None


def _write(path: Path, text: str) -> None:
    """A new file that its owner alone may read, on disk before the database learns of its keys."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o400)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(descriptor)


def _refusal(directory: Path, files: dict[str, Path], *, known: bool) -> CommandError:
    if known:
        return _stop(ALL_LOST.format(directory=directory))
    there = ", ".join(path.name for path in files.values() if path.exists())
    lacking = ", ".join(path.name for path in files.values() if not path.exists())
    problem = Problem(
        f"{directory} has {there} but not {lacking}, and the database knows no keys.",
        "Restore what is missing, or move the rest away and run this again.",
    )
    return _stop(str(problem))


def _stop(text: str) -> CommandError:
    return CommandError(text, returncode=keyring.EXIT_CONFIG)
