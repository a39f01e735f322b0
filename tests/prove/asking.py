"""A worker process of ours in which many threads ask for one connection's token."""

from __future__ import annotations

from uuid import UUID

import django

django.setup()

from django.db import connections  # noqa: E402  (models need the settings)

from connections.flows import refresh  # noqa: E402
from connections.models import Connection  # noqa: E402
from portal import keyring, roles, tenancy  # noqa: E402
from tests.prove.calling import Order, serve  # noqa: E402


def ask(order: Order) -> None:
    """A usable token within the caller's deadline, or an error."""
    try:
        with roles.using_role("worker"), tenancy.acting_for(UUID(order["organization"])):
            with tenancy.transaction():
                connection = Connection.objects.get(id=order["connection"])
            refresh.fresh(connection, wait_seconds=order["deadline"])
    finally:
        connections.close_all()


if __name__ == "__main__":
    keyring.current()
    serve(ask, {})
