"""Loads what must be there when a process starts."""

import gc
from importlib import import_module

from django.apps import AppConfig
from django.conf import settings

# A full collection holds every thread for a tenth of a second. At Python's threshold of 700
# objects one comes with every few dozen pages that a worker reads, at this one hardly ever. It is
# set before the models are read: what a start makes stays, and looking through it took a tenth of
# the start.
COLLECT_AFTER = 10_000
gc.set_threshold(COLLECT_AFTER)


class PortalConfig(AppConfig):
    name = "portal"
    label = "portal"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        hints, celery = import_module("portal.hints"), import_module("portal.celery")
        import_module("portal.checks")
        import_module("portal.mailing")
        import_module("portal.posting")
        import_module("portal.notice_upkeep")
        import_module("portal.failed_jobs")
        hints.send_with(celery.send_hint)
        for module in ("upkeep", "work_checks", "key_rewrap", "key_upkeep", "key_leaks", "erasing"):
            import_module(f"portal.{module}")
        if settings.FOR_PEOPLE:
            import_module("portal.sign_ins")
            import_module("portal.support")
        if settings.PROCESS == "web":
            import_module("portal.mfa_keys")
        if settings.PROCESS == "worker":
            import_module("portal.sweeper")
