"""`manage.py restore_drill`: a backup is made, restored beside the database, and examined."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from portal import backups, doctor, env

# What is asked of the restored database, by the commands that ask it of the living one.
QUESTIONS = {
    "tables, fences and keys are right": ("doctor", "--only=migrations,row-level security,keyring"),
    "stored secrets open": ("check_seals",),
    "the record is unbroken": ("verify_audit",),
    "what a restore would hold back": ("restore_check",),
}


def as_process(command: str) -> dict[str, str]:
    """Secrets open for a worker only; everything else needs no key."""
    if command != "check_seals":
        return {"PORTAL_PROCESS": "manage"}
    return {"PORTAL_PROCESS": "worker", "KEYRING_FILE": str(doctor.key_directory() / "worker.json")}


class Command(BaseCommand):
    help = "Restores a backup into a scratch database, examines it, and drops it again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--file", type=Path, help="a backup made earlier, instead of a new one")
        parser.add_argument("--role", default="postgres", help="one above row-level security")

    def handle(self, *args: Any, **options: Any) -> None:
        """Prints each step with its seconds; leaves with 1 when one of the answers is bad."""
        at = backups.server(options["role"])
        try:
            with tempfile.TemporaryDirectory() as folder:
                source = options["file"] or Path(folder) / "backup"
                if options["file"] is None:
                    self._step("dump", lambda: backups.dump(at, source))
                good = self._examine(at, source)
        except backups.BackupFailed as error:
            raise CommandError(str(error)) from None
        if not good:
            raise CommandError("The drill failed: the lines above say where.")
        self.stdout.write("The backup restores, and what it holds is whole.")

    def _examine(self, at: backups.Server, source: Path) -> bool:
        began = time.monotonic()
        with backups.scratch(at, source) as database:
            self._told("restore", time.monotonic() - began)
            answers = [self._ask(name, words, database) for name, words in QUESTIONS.items()]
            return all(answers)

    def _ask(self, name: str, words: tuple[str, ...], database: str) -> bool:
        environment = env.for_child(**env.beside(database), **as_process(words[0]))
        command = [sys.executable, str(settings.BASE_DIR / "manage.py"), *words]
        began = time.monotonic()
        done = subprocess.run(  # noqa: S603  our own commands
            command, env=environment, capture_output=True, text=True
        )
        self._told(name, time.monotonic() - began, good=done.returncode == 0)
        for line in (done.stdout + (done.stderr if done.returncode else "")).splitlines():
            self.stdout.write(f"      {line}")
        return done.returncode == 0

    def _step(self, name: str, step: Callable[[], None]) -> None:
        began = time.monotonic()
        step()
        self._told(name, time.monotonic() - began)

    def _told(self, name: str, seconds: float, *, good: bool = True) -> None:
        self.stdout.write(f"{'right' if good else 'WRONG'}  {name:<36} {seconds:6.1f} s")
