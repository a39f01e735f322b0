"""Says every few seconds that this process lives and which keys it holds, and takes up new ones.

Workers beat in `portal/sweeper.py`; those that serve here, through a function that lets
each speak for its own kind only.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Final
from uuid import UUID, uuid4

from django.conf import settings
from django.db import connections
from django.utils import timezone

from portal import keyring, roles
from portal.models import Heartbeat

log = logging.getLogger(__name__)

BEATS_MISSED: Final = 3.3  # until a process counts as gone

_BEAT = "SELECT portal_beat(%s, %s, %s, %s::jsonb, %s::jsonb)"
_after: list[Callable[[], object]] = []


def after_beat(step: Callable[[], object]) -> Callable[[], object]:
    """Register what the web process looks after once it has beaten."""
    _after.append(step)
    return step


def begin() -> None:
    """A thread of its own beats from now on, until the process ends."""
    threading.Thread(target=_keep, args=(uuid4(),), name="keep_beating", daemon=True).start()


def _keep(process_id: UUID) -> None:
    waiting = threading.Event()
    while True:
        try:
            beat(process_id)
            if settings.PROCESS == "web":
                for step in _after:
                    step()
        except Exception:  # the outermost loop of a thread: it goes on
            log.exception("beat.raised")
        finally:
            connections.close_all()  # of this thread only: it needs none for the next seconds
        waiting.wait(settings.SWEEP_SECONDS)


def beat(process_id: UUID) -> None:
    """The keyring is as its file says now, and the database knows what this process holds."""
    keyring.refresh()
    held, used = json.dumps(keyring.fingerprints()), json.dumps(keyring.active_versions())
    with roles.connection().cursor() as cursor:
        cursor.execute(_BEAT, [process_id, socket.gethostname(), os.getpid(), held, used])


def living() -> list[Heartbeat]:
    """The processes that were seen within the last beats."""
    since = timezone.now() - timedelta(seconds=BEATS_MISSED * settings.SWEEP_SECONDS + 5)
    return list(Heartbeat.objects.filter(seen_at__gt=since).order_by("kind", "host", "pid"))
