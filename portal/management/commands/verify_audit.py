"""Walks the record of every organization and of the platform, and names the first row that does not
fit."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError

from portal import ledgers, roles, tenancy
from portal.models import Organization


class Command(BaseCommand):
    help = "Verifies the audit chains; exits 1 when one is broken."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--organization", help="only the one with this address")

    def handle(self, *args: Any, **options: Any) -> None:
        broken = 0
        for organization_id, slug in chains(options["organization"]):
            with tenancy.acting_for(organization_id), tenancy.transaction():
                proven, found = ledgers.verify()
            if found is None:
                self.stdout.write(f"{slug}: {proven} entries fit")
            else:
                broken += 1
                self.stdout.write(
                    f"{slug}: BROKEN at #{found.sequence}: {found.reason} ({proven} entries fit)"
                )
        if broken:
            sys.exit(1)


def chains(only: str | None) -> list[tuple[UUID, str]]:
    """The organizations whose chains are walked, found through the sweeper's role."""
    with roles.using_role("sweeper"):
        query = Organization.objects.order_by("slug")
        if only:
            query = query.filter(slug=only)
        found = list(query.values_list("id", "slug"))
    if not found:
        raise CommandError(f"No organization has the address {only}.")
    return found
