"""What a serving process demands before it serves: its keys, and in production everything else."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import TypeVar

from django.conf import settings
from django.db import connections

from portal import doctor, keyring, presence, tombstones
from portal.problem import Problem

DEMANDED = (doctor.database, doctor.row_security, doctor.production, tombstones.missing)

Step = TypeVar("Step", bound=Callable[[], object])

_before_work: list[Callable[[], object]] = []


def before_work(step: Step) -> Step:
    """Register what a worker does once, before it takes any job."""
    _before_work.append(step)
    return step


def begin_work() -> None:
    """This process may take jobs: its keys are proved, and what had to come first is done."""
    refuse_unless_ready()
    for step in _before_work:
        step()
    connections.close_all()  # a forked worker must not share them


def refuse_unless_ready() -> None:
    """Exit with code 78 and one line per problem; returns when there is none."""
    keyring.require()
    if settings.PRODUCTION:
        demand(DEMANDED)


def demand(checks: Iterable[Callable[[], Iterable[Problem]]]) -> None:
    """Exit with code 78 and a line for each problem that these find."""
    _refuse([problem for check in checks for problem in check()])


def serve() -> None:
    """This process may answer others: nothing erased can be opened, and it says what it holds."""
    refuse_unless_ready()
    demand([tombstones.unapplied])
    presence.begin()


def _refuse(problems: list[Problem]) -> None:
    for problem in problems:
        print(f"{settings.PROCESS} does not start: {problem}", file=sys.stderr)  # noqa: T201
    if problems:
        raise SystemExit(keyring.EXIT_CONFIG)
