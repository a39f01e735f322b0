"""`manage.py backup FILE`: the whole database in one file. The keyring is not in it."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from portal import backups


class Command(BaseCommand):
    help = "Writes the database to one file with pg_dump. Back the keyring up separately."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--role", default="postgres", help="one above row-level security")

    def handle(self, *args: Any, **options: Any) -> None:
        """Writes the file; an existing one is not overwritten."""
        target: Path = options["file"]
        if target.exists():
            raise CommandError(f"{target} is there already. Name a new file.")
        try:
            backups.dump(backups.server(options["role"]), target)
        except backups.BackupFailed as error:
            raise CommandError(str(error)) from None
        self.stdout.write(f"{target} has {target.stat().st_size // 1024:,} KiB.")
        self.stdout.write("Its secrets open with the keyring files only: keep those elsewhere.")
