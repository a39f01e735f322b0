"""Celery wakes and supervises; the work itself is in job rows, so messages carry nothing.

Hints are acknowledged early: a lost one is found by the sweeper, which every worker runs.
"""

from __future__ import annotations

import os
import time
from importlib import import_module

from celery import Celery
from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

app = Celery("portal")


def broker_url(redis_url: str) -> str:
    """Kombu's spelling of a unix-socket address (`redis+socket://…?virtual_host=0`)."""
    if redis_url.startswith("unix://"):
        path, _, query = redis_url.removeprefix("unix://").partition("?")
        database = query.removeprefix("db=") or "0"
        return f"redis+socket://{path}?virtual_host={database}"
    return redis_url


app.conf.update(
    broker_url=broker_url(settings.REDIS_URL),
    task_ignore_result=True,  # results live in rows; Redis holds no answers
    accept_content=["json"],  # a pickle message is rejected
    task_serializer="json",
    worker_prefetch_multiplier=1,
    task_acks_late=False,  # an early-acknowledged hint is harmless, a late one loops
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_transport_options={
        "socket_timeout": 5,
        "socket_connect_timeout": 2,
        "socket_keepalive": True,
        "health_check_interval": 5,
        "max_retries": 1,  # publishing fails fast: the row is already there
    },
    worker_hijack_root_logger=False,
    worker_send_task_events=False,
    task_default_queue="portal",
    beat_scheduler="celery.beat:Scheduler",  # one static tick needs no file
    beat_schedule={"tick": {"task": "drain", "schedule": settings.SWEEP_SECONDS}},
)


@app.task(name="drain")
def drain() -> None:
    """Do the due jobs."""
    import_module("portal.work").drain()  # models load after this module


class Hints:
    """Sends "drain" at most five times a second, and not at all for a while after a failure."""

    def __init__(self) -> None:
        self._not_before = 0.0

    def __call__(self) -> None:
        now = time.monotonic()
        if now < self._not_before:
            return
        self._not_before = now + 10
        drain.apply_async(retry=False)
        self._not_before = now + 0.2


send_hint = Hints()
