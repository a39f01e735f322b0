"""Loads the doors for workers and what other floors' pages say of connections."""

from importlib import import_module

from django.apps import AppConfig
from django.conf import settings


class ConnectionsConfig(AppConfig):
    name = "connections"
    label = "connections"

    def ready(self) -> None:
        if settings.PROCESS == "ingest":  # it stores what arrives and does nothing about it
            return
        for module in (
            "tasks",
            "hooks",
            "chat",
            "ledgers",
            "flows.told_kinds",
            "flows.told_kinds_operators",
            "flows.told_relay",
            "flows.allow_list",
            "flows.calendar_feeds",
            "flows.hook_endpoints",
            "flows.inbox_upkeep",
            "flows.activity_upkeep",
            "flows.expiry",
            "flows.holding",
            "flows.stopped",
            "grant_checks",
            "inbox_checks",
            "key_hooks",
            "preflight",
            "views.missing",
        ):
            import_module(f"connections.{module}")
        import_module("connections.registry").connectors()  # a wrong one stops the start
