"""Loads the doors for workers and what other floors' pages say of connections."""

from importlib import import_module

from django.apps import AppConfig


class ConnectionsConfig(AppConfig):
    name = "connections"
    label = "connections"

    def ready(self) -> None:
        for module in (
            "tasks",
            "hooks",
            "chat",
            "ledgers",
            "flows.told_kinds",
            "flows.allow_list",
            "flows.calendar_feeds",
            "flows.expiry",
            "flows.holding",
            "flows.stopped",
            "grant_checks",
            "key_hooks",
            "preflight",
        ):
            import_module(f"connections.{module}")
