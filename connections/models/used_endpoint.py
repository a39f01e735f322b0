"""What each connection really asks its vendor for: the day it last did, and no more than that."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from connections.models.connection import Connection
from portal.tenancy import TenantModel


class UsedEndpoint(TenantModel):
    """`endpoint` is a method and a path template of the connector, never a path with names."""

    connection = models.ForeignKey(
        Connection, on_delete=models.CASCADE, db_constraint=False, related_name="used_endpoints"
    )
    endpoint = models.CharField(max_length=200)
    first_at = models.DateTimeField(default=timezone.now)
    last_at = models.DateTimeField(default=timezone.now)

    class Meta:
        base_manager_name = "everywhere"
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "connection", "endpoint"], name="used_endpoint_once"
            )
        ]
