"""Loads the doors for workers when a process starts."""

from importlib import import_module

from django.apps import AppConfig


class ConnectionsConfig(AppConfig):
    name = "connections"
    label = "connections"

    def ready(self) -> None:
        import_module("connections.tasks")
