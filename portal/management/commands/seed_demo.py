"""Makes the example people and organizations, and says whom to sign in as."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from portal import roles, seeding


class Command(BaseCommand):
    help = "Makes example people to try the portal with; not in production."

    def handle(self, *args: Any, **options: Any) -> None:
        with roles.using_role("default"):
            for line in seeding.seed():
                self.stdout.write(line)
