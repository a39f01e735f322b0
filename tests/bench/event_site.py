"""The baseline of benchmark B2: one Celery task for each event, as most services do it.

The task reads its delivery, marks what it names and notes the outcome in one transaction. Nothing
is claimed or counted: what a lost message or a dying worker costs is not part of the price.
"""

from __future__ import annotations

import os
from uuid import UUID

import django
from celery import Celery
from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
django.setup()

from connections.flows.applying import mark  # noqa: E402  (models load after Django is set up)
from connections.flows.meanings import Known, Row  # noqa: E402
from connections.models import Delivery  # noqa: E402
from portal import clock, tenancy  # noqa: E402
from portal.celery import broker_url  # noqa: E402

QUEUE = "bench-events"
FIELDS = ("connection_id", "headers", "body", "attempts", "received_at")

app = Celery("events")
app.conf.update(
    broker_url=broker_url(settings.REDIS_URL),
    task_ignore_result=True,
    task_default_queue=QUEUE,
    worker_hijack_root_logger=False,
    worker_send_task_events=False,
)


@app.task(name="bench.apply")
def apply(organization: str, delivery: str) -> None:
    """This event has its outcome."""
    known = Known()
    with tenancy.acting_for(UUID(organization)), tenancy.transaction():
        connection, *rest = Delivery.objects.values_list(*FIELDS).get(id=delivery)
        row = Row(delivery, str(connection), *rest)
        known.meet([row])
        ((_, came),) = found = known.outcomes([(row, known.read(row))])
        mark(found)
        Delivery.objects.filter(id=row.id).update(
            state=came.state, effect=came.effect, applied_at=clock.now(), next_at=None
        )
