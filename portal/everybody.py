"""Work for one organization after the other: what fails for one keeps nobody else waiting."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from uuid import UUID

from django.db import connections

from portal import tenancy

log = logging.getLogger(__name__)


def organizations() -> list[UUID]:
    """Every organization's id. For processes that may ask as the sweeper."""
    with connections["sweeper"].cursor() as cursor:
        cursor.execute("SELECT id FROM portal_organization")
        return [row[0] for row in cursor.fetchall()]


def for_each(of: Iterable[UUID], deed: Callable[[], object]) -> None:
    """`deed` has run for each organization, acting for it and outside of transactions.

    What it raises is logged; the first of it is raised once all have had their turn.
    """
    raised: Exception | None = None
    for organization_id in of:
        try:
            with tenancy.elsewhere(organization_id):
                deed()
        except Exception as error:  # the organizations behind this one wait for their turn
            log.exception("turn.raised", extra={"organization_id": str(organization_id)})
            raised = raised or error
    if raised is not None:
        raise raised
