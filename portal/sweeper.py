"""The threads in every worker that beat and sweep: losing the broker costs seconds, not work."""

from __future__ import annotations

import logging
import os
import random
import socket
import threading
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

from celery import signals
from django.conf import settings
from django.db import close_old_connections, connections
from django.utils import timezone

from portal import key_stand, keyring, schedules, work
from portal.models import Heartbeat
from portal.startup import begin_work

log = logging.getLogger(__name__)
MOST_HANDS = 4  # one long job must not keep a person waiting while the broker is away
LAST_SECONDS = 45.0  # of a stopping worker: longer than any call to a vendor

_hands = threading.BoundedSemaphore(MOST_HANDS)


def beat(kind: str, process_id: Any, *, hands: int = 0) -> None:
    """Say that this process lives, how many jobs it can do at once, and which keys it holds.

    Keys that were staged or activated since are taken up first.
    """
    keyring.refresh()
    now = {
        "kind": kind,
        "seen_at": timezone.now(),
        "hands": hands,
        "keys": keyring.fingerprints(),
        "active": keyring.active_versions() | key_stand.outside(),
    }
    place = {"host": socket.gethostname()[:100], "pid": os.getpid()}
    Heartbeat.objects.update_or_create(id=process_id, defaults=now, create_defaults=now | place)


def keep_beating(hands: int) -> None:
    """Beat until the worker stops, however long its jobs take."""
    process_id = uuid4()
    while not work.stopping.is_set():
        _tried("beat.raised", lambda: beat("worker", process_id, hands=hands))
        work.stopping.wait(settings.SWEEP_SECONDS)
    _tried("beat.raised", lambda: Heartbeat.objects.filter(id=process_id).update(hands=0))


def keep_sweeping() -> None:
    """Sweep until the worker stops; an unreachable database is logged and tried again."""
    while not work.stopping.is_set():
        _tried("sweep.raised", sweep)
        work.stopping.wait(settings.SWEEP_SECONDS * random.uniform(0.7, 1.3))


def keep_schedules() -> None:
    """Do what is scheduled until the worker stops; a thread of its own, for no sweep may wait."""
    while not work.stopping.is_set():
        _tried("schedules.raised", keep_time)
        work.stopping.wait(settings.SWEEP_SECONDS * random.uniform(0.2, 0.3))


def keep_time() -> None:
    """Do what is scheduled, and what that made due, whether or not its hint arrives."""
    if schedules.run_due():
        lend_hands()


def sweep() -> None:
    """Take the steps of a sweep, and do what no hint has woken anybody for."""
    work.start_due()
    lend_hands()


def lend_hands() -> None:
    """Threads of our own do what is due, as many as it needs and no more than there are."""
    for _ in range(work.due(MOST_HANDS)):
        if not _hands.acquire(blocking=False):
            break
        try:
            threading.Thread(target=_drain, name="sweeper-drain", daemon=True).start()
        except BaseException:
            _hands.release()
            raise


def _drain() -> None:
    try:
        _tried("drain.raised", work.drain)
    finally:
        connections.close_all()
        _hands.release()


def _tried(name: str, step: Callable[[], object]) -> None:
    """The outermost loop of a thread: whatever happens is logged, and it goes on."""
    try:
        close_old_connections()
        step()
    except Exception:
        log.exception(name)


@signals.worker_init.connect
def begin(**_: Any) -> None:
    """The worker may take jobs, or exits: Celery would log an exception and go on without this."""
    try:
        begin_work()
    except Exception:
        log.exception("worker.not_begun")
        raise SystemExit(keyring.EXIT_CONFIG) from None


@signals.worker_ready.connect
def start(sender: Any, **_: Any) -> None:
    hands = sender.controller.concurrency
    for target, *arguments in ((keep_beating, hands), (keep_sweeping,), (keep_schedules,)):
        threading.Thread(target=target, args=arguments, name=target.__name__, daemon=True).start()


@signals.worker_shutting_down.connect
def stop(**_: Any) -> None:
    work.stopping.set()


@signals.worker_shutdown.connect
def end(**_: Any) -> None:
    """What our own threads have in hand is done, as Celery's is; or their time is over."""
    until = time.monotonic() + LAST_SECONDS
    for _hand in range(MOST_HANDS):
        if not _hands.acquire(timeout=max(0.0, until - time.monotonic())):
            log.warning("worker.cut_off")
            return
