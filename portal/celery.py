"""Celery wakes and supervises; the work itself is in job rows, so messages carry nothing.

Hints are acknowledged early: a lost one is found by the sweeper, which every worker runs.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module

from celery import Celery
from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

app = Celery("portal")

BETWEEN_HINTS_SECONDS = 0.2
SILENCE_SECONDS = 10.0


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
    worker_disable_prefetch=True,  # a hint waits for whoever is free, not behind a busy worker
    task_acks_late=False,  # an early-acknowledged hint is harmless, a late one loops
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_channel_error_retry=True,  # a read-only or full broker must not end a worker
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
    # Celery would close each hand's database connections before and after each hint, and most hints
    # find little to do.
    CELERY_DB_REUSE_MAX=1_000_000_000,
)


@app.task(name="drain")
def drain() -> None:
    """Do the due jobs, with connections that are still good."""
    import_module("django.db").close_old_connections()
    import_module("portal.work").drain()  # models load after this module


class Hints:
    """Sends "drain" at once, and once more at the end of a burst: five times a second at most.

    A dropped last one would leave its row to the next tick, seconds later. After a failure it is
    silent for a while, and the sweeper finds the rows.
    """

    def __init__(self, send: Callable[[], object]) -> None:
        self._send = send
        self._lock = threading.Lock()
        self._not_before = 0.0
        self._is_silent = False
        self._last: threading.Timer | None = None

    def __call__(self) -> None:
        with self._lock:
            wait = self._not_before - time.monotonic()
            if wait > 0:
                if self._last is None and not self._is_silent:
                    self._last = threading.Timer(wait, self._send_last)
                    self._last.daemon = True
                    self._last.start()
                return
            self._pause(BETWEEN_HINTS_SECONDS)
        self._try()

    def _send_last(self) -> None:
        with self._lock:
            self._last = None
            self._pause(BETWEEN_HINTS_SECONDS)
        with suppress(Exception):  # the caller who could be told is gone
            self._try()

    def _try(self) -> None:
        try:
            self._send()
        except Exception:
            with self._lock:
                self._pause(SILENCE_SECONDS, is_silent=True)
            raise

    def _pause(self, seconds: float, *, is_silent: bool = False) -> None:
        self._not_before, self._is_silent = time.monotonic() + seconds, is_silent


send_hint = Hints(lambda: drain.apply_async(retry=False))
