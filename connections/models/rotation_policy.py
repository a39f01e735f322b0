"""How old a credential may become, and whose it may be: an organization's rule, or one of its own.

The stricter of the two holds, unless somebody who may has excepted a connection until a day.
"""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils import timezone

from connections.models.connection import Connection
from portal.tenancy import TenantModel


class RotationPolicy(TenantModel):
    """Without a connection it is the organization's. An exception is a connection's only.

    `told_roles` and `told_people` are told beside those who may mend the connection; after
    `escalate_after_days` overdue, owners and admins are told as well.
    """

    connection = models.ForeignKey(
        Connection, null=True, on_delete=models.CASCADE, db_constraint=False, related_name="+"
    )
    max_age_days = models.PositiveSmallIntegerField(null=True)
    forbids_personal = models.BooleanField(default=False)
    told_roles = ArrayField(models.CharField(max_length=12), default=list)
    told_people = ArrayField(models.UUIDField(), default=list)
    escalate_after_days = models.PositiveSmallIntegerField(null=True)
    excepted_until = models.DateTimeField(null=True)
    excepted_because = models.CharField(max_length=300, blank=True)
    excepted_by_name = models.CharField(max_length=200, blank=True)
    changed_at = models.DateTimeField(default=timezone.now)
    changed_by_name = models.CharField(max_length=200, blank=True)

    class Meta:
        base_manager_name = "everywhere"
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "connection"],
                nulls_distinct=False,
                name="rotation_policy_once",
            ),
            models.CheckConstraint(
                condition=Q(max_age_days=None) | Q(max_age_days__gte=1),
                name="rotation_policy_age",
            ),
            models.CheckConstraint(
                condition=Q(excepted_until=None) | Q(connection__isnull=False),
                name="rotation_policy_excepts_one",
            ),
        ]

    def __str__(self) -> str:
        return "the rotation policy"
