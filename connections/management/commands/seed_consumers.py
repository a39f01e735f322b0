"""Registers the platform-wide OAuth consumers that the setting SEED_CONSUMERS names, for the demo.

Its values are "key:secret", for a self-hosted product "key:secret base_url". Run it as
PORTAL_PROCESS=web: a worker seals what it hands in.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from connections import registry
from connections.flows import consumers
from connections.models import Consumer
from portal import tenancy
from portal.policy import Actor
from portal.secret import Secret

NAME = "Demo consumer"
SEEDER = Actor("operator", None, "Demo set-up")


class Command(BaseCommand):
    help = "Registers the demo's platform-wide OAuth consumers; does nothing the second time."

    def handle(self, *args: Any, **options: Any) -> None:
        for connector, pair in settings.SEED_CONSUMERS.items():
            if connector not in registry.connectors():
                continue
            pair, _, base_url = pair.partition(" ")
            client_id, _, secret = pair.partition(":")
            with tenancy.acting_for(tenancy.PLATFORM), tenancy.transaction():
                known = Consumer.objects.filter(connector=connector, removed_at=None)
                if known.exists():
                    continue
                consumers.create(
                    actor=SEEDER,
                    connector=connector,
                    name=NAME,
                    client_id=client_id,
                    secret=Secret(secret),
                    base_url=base_url,
                )
