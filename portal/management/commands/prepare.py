"""Gets a migrated database ready to serve; what it prints is what a person should know at start."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    help = "Readies the portal after migrations; --seed makes the example people."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--seed", action="store_true", help="make the example people")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["seed"]:
            call_command("seed_demo", stdout=self.stdout)
