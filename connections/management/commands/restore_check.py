"""`manage.py restore_check`: what this database does not know though it happened, line by line."""

from __future__ import annotations

from collections import Counter
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from connections import high_water
from connections.flows import restore


class Command(BaseCommand):
    help = "Compares the database with the high-water marks; changes nothing."

    def handle(self, *args: Any, **options: Any) -> None:
        """Prints the exact list. A worker acts on it when it starts."""
        try:
            marks = sum(1 for _ in high_water.standing())
            found = restore.compare()
        except OSError as error:
            raise CommandError(str(error)) from None
        for behind in found:
            mark = behind.mark
            self.stdout.write(f"{behind.finding:<10} {mark.organization_id} {mark.name}")
        counted = Counter(behind.finding for behind in found)
        told = ", ".join(f"{count:,} {finding}" for finding, count in sorted(counted.items()))
        self.stdout.write(f"{marks:,} marks in {high_water.path()}: {told or 'nothing is behind'}")
