"""The doctor's check of webhooks: what was accepted is applied within minutes."""

from __future__ import annotations

from collections.abc import Iterator

from django.db import connections as databases

from connections.queries.inboxes import ALARM
from portal import clock, doctor, phrases
from portal.problem import Problem


@doctor.check("webhooks")
def webhooks() -> Iterator[Problem]:
    """No accepted delivery waits for longer than ten minutes."""
    with databases["worker"].cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM connections_inboxes_waiting(%s)", [clock.now() - ALARM]
        )
        (late,) = cursor.fetchone()
    if late:
        yield Problem(
            f"Webhooks of {phrases.plural(late, 'organization')} wait for more than ten minutes.",
            "Look whether workers run and keep up; what was accepted is not lost.",
        )
