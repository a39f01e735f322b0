"""`manage.py doctor`: one line for each thing that has to be true; exit code 1 if one is not."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from portal import doctor


class Command(BaseCommand):
    help = "Says what is wrong with this installation and what to do about it."
    requires_system_checks: list[str] = []  # what they find is among the lines

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--only", default="", help="names of checks, separated by commas")

    def handle(self, *args: Any, **options: Any) -> None:
        """Writes the lines; leaves with code 1 when there is a problem."""
        only = [name for name in options["only"].split(",") if name]
        findings = list(doctor.examine(only))
        for finding in findings:
            for problem in finding.problems:
                self.stdout.write(self.style.ERROR(f"wrong  {finding.name}: {problem}"))
            if not finding.problems:
                self.stdout.write(f"right  {finding.name}")
        if any(finding.problems for finding in findings):
            raise SystemExit(1)
