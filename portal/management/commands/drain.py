"""Does the jobs that are due now, once, as a worker does; for a shell, a cron or a test."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from portal import keyring, roles, work


class Command(BaseCommand):
    help = "Does the jobs that are due now, once, as a worker. Set PORTAL_PROCESS=worker."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        keyring.current()
        with roles.using_role("worker"):
            tried = work.drain()
        self.stdout.write(f"{tried} jobs tried")
