"""A worker process of ours in which many threads ask for one connection's token, or for any's."""

from __future__ import annotations

import random
import threading
from functools import cache
from uuid import UUID

import django

django.setup()

from django.db import connections  # noqa: E402  (models need the settings)

from connections.flows import refresh  # noqa: E402
from connections.models import Connection  # noqa: E402
from portal import keyring, roles, tenancy  # noqa: E402
from tests.prove.calling import Order, serve  # noqa: E402

one_at_a_time = threading.Lock()


@cache
def found(connection_id: str) -> Connection:
    """The connection, read once for all callers of this process."""
    with tenancy.transaction():
        read: Connection = Connection.objects.get(id=connection_id)
        return read


def ask(order: Order) -> None:
    """A usable token within the caller's deadline, or an error; of one `among` several, if so."""
    order = order | random.choice(order.get("among", [{}]))
    try:
        with roles.using_role("worker"), tenancy.acting_for(UUID(order["organization"])):
            with one_at_a_time:
                connection = found(order["connection"])
            refresh.fresh(connection, wait_seconds=order["deadline"])
    finally:
        connections.close_all()


if __name__ == "__main__":
    keyring.current()
    serve(ask, {})
