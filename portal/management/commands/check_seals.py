"""`manage.py check_seals`: every stored secret that this process may open does open.

Run it as a worker: PORTAL_PROCESS=worker with the worker's keyring. It prints counts only.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from portal import keyring, tenancy, vault
from portal.management.commands.verify_audit import chains
from portal.models import SealedValue


class Command(BaseCommand):
    help = "Opens every sealed value of this process's key domains and counts."

    def handle(self, *args: Any, **options: Any) -> None:
        """Prints how many opened in each domain; leaves with 1 when one does not."""
        domains = set(keyring.current().domains) - {"intake", "intake_public", "index"}
        if not domains:
            raise CommandError(f"The {settings.PROCESS} process holds no keys. Run it as a worker.")
        opened: Counter[str] = Counter()
        broken = 0
        for organization_id, _ in chains(None):
            with tenancy.acting_for(organization_id), tenancy.transaction():
                values = SealedValue.objects.filter(domain__in=domains).iterator(chunk_size=500)
                for value in values:
                    if vault.opens(value):
                        opened[value.domain] += 1
                    else:
                        broken += 1
        for domain in sorted(domains):
            self.stdout.write(f"{domain}: {opened[domain]:,} secrets open")
        if broken:
            raise CommandError(f"{broken:,} secrets do not open.")
