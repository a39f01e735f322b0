"""The thread in every worker that sweeps: losing the broker costs seconds, not work."""

from __future__ import annotations

import logging
import os
import random
import socket
import threading
from datetime import timedelta
from typing import Any
from uuid import uuid4

from celery import signals
from django.conf import settings
from django.db import close_old_connections
from django.utils import timezone

from portal import keyring, work
from portal.models import Heartbeat
from portal.startup import refuse_unless_ready

log = logging.getLogger(__name__)
STALE = timedelta(days=1)

_stop = threading.Event()


def beat(kind: str, process_id: Any) -> None:
    """Say that this process lives, and which keys it holds."""
    Heartbeat.objects.update_or_create(
        id=process_id,
        defaults={"kind": kind, "seen_at": timezone.now()},
        create_defaults={
            "kind": kind,
            "host": socket.gethostname()[:100],
            "pid": os.getpid(),
            "keys": keyring.fingerprints(),
        },
    )
    Heartbeat.objects.filter(seen_at__lt=timezone.now() - STALE).delete()


def run() -> None:
    """Beat and sweep until the worker stops; an unreachable database is logged and tried again."""
    process_id = uuid4()
    while not _stop.is_set():
        try:
            close_old_connections()
            beat("worker", process_id)
            work.sweep()
        except Exception:  # the outermost loop of this thread
            log.exception("sweep.raised")
        _stop.wait(settings.SWEEP_SECONDS * random.uniform(0.7, 1.3))


@signals.worker_init.connect
def refuse(**_: Any) -> None:
    refuse_unless_ready()


@signals.worker_ready.connect
def start(**_: Any) -> None:
    threading.Thread(target=run, name="sweeper", daemon=True).start()


@signals.worker_shutting_down.connect
def stop(**_: Any) -> None:
    _stop.set()
