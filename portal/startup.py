"""What a serving process demands before it serves: its keys, and in production everything else."""

from __future__ import annotations

import sys

from django.conf import settings

from portal import doctor, keyring

DEMANDED = (doctor.database, doctor.row_security, doctor.production)


def refuse_unless_ready() -> None:
    """Exit with code 78 and one line per problem; returns when there is none."""
    keyring.require()
    if not settings.PRODUCTION:
        return
    problems = [problem for check in DEMANDED for problem in check()]
    for problem in problems:
        print(f"{settings.PROCESS} does not start: {problem}", file=sys.stderr)  # noqa: T201
    if problems:
        raise SystemExit(keyring.EXIT_CONFIG)
