"""Loads what must be there when a process starts."""

from importlib import import_module

from django.apps import AppConfig
from django.conf import settings


class PortalConfig(AppConfig):
    name = "portal"
    label = "portal"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        hints, celery = import_module("portal.hints"), import_module("portal.celery")
        import_module("portal.checks")
        import_module("portal.mailing")
        import_module("portal.posting")
        hints.send_with(celery.send_hint)
        for module in ("portal.upkeep", "portal.work_checks"):
            import_module(module)
        if settings.FOR_PEOPLE:
            import_module("portal.sign_ins")
            import_module("portal.support")
        if settings.PROCESS == "worker":
            import_module("portal.sweeper")
