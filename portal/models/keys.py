"""The vault's tables: wrapped data keys, sentinels of the keyring, sealed values, the intake.

Only `portal/vault.py` and `portal/keyring.py` use them. The grants written over each model are
part of the promise: the web process reads no sealed credential, whatever its code does.
"""

from __future__ import annotations

from django.db import models
from django.db.models import F, Func, Q, Value
from django.db.models.lookups import Exact

from portal.tenancy import TenantModel


def begins_with(magic: bytes) -> Exact:
    """A constraint's condition: the blob's first two bytes say how it was sealed."""
    first = Func(
        F("blob"), Value(1), Value(2), function="substring", output_field=models.BinaryField()
    )
    return Exact(first, Value(magic, output_field=models.BinaryField()))


class DataKey(TenantModel):
    """One organization's key for one domain, wrapped by that domain's key in the keyring.

    A destroyed one keeps its row without the key: what it sealed is gone, and no new key of that
    organization and domain is made by accident.
    """

    # grants: tenant_table("portal_datakey",
    #             grants={"portal_app": "SELECT, INSERT",
    #                     "portal_worker": "SELECT, INSERT, UPDATE"})
    # grants: web meets the keys of its own domain only, workers the others:
    #     CREATE POLICY web_domain ON portal_datakey AS RESTRICTIVE TO portal_app
    #         USING (domain = 'mfa') WITH CHECK (domain = 'mfa');
    #     CREATE POLICY worker_domains ON portal_datakey AS RESTRICTIVE TO portal_worker
    #         USING (domain <> 'mfa') WITH CHECK (domain <> 'mfa');
    # grants: start-up and doctor count them across organizations without seeing any:
    #     CREATE POLICY counted ON portal_datakey FOR SELECT TO portal_lookup USING (true);
    #     GRANT SELECT (domain, kek_version, state) ON portal_datakey TO portal_lookup;
    #     lookup_function("portal_wrapping_keys", "() RETURNS TABLE (domain text, version integer,"
    #         " data_keys bigint) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public"
    #         " AS $$ SELECT k.domain::text, k.kek_version, count(*) FROM portal_datakey k"
    #         " WHERE k.state <> 'destroyed' GROUP BY 1, 2 $$")
    #     (EXECUTE to portal_owner too: `init_keys` asks it.)

    class State(models.TextChoices):
        ACTIVE = "active"
        DECRYPT_ONLY = "decrypt_only"
        DESTROYED = "destroyed"

    domain = models.CharField(max_length=16)
    version = models.PositiveIntegerField()
    wrapped = models.BinaryField()
    kek_version = models.PositiveIntegerField()
    state = models.CharField(max_length=16, choices=State.choices, default=State.ACTIVE)
    created_at = models.DateTimeField(auto_now_add=True)
    demoted_at = models.DateTimeField(null=True)  # since when it seals nothing new

    class Meta(TenantModel.Meta):
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "domain", "version"], name="data_key_version"
            ),
            models.UniqueConstraint(
                fields=["organization", "domain"],
                condition=Q(state="active"),
                name="data_key_one_active",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["active", "decrypt_only", "destroyed"]),
                name="data_key_state",
            ),
            models.CheckConstraint(
                condition=Q(version__gte=1, kek_version__gte=1), name="data_key_versions_positive"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.domain}/v{self.version} of {self.organization_id}"


class KeyCheck(models.Model):
    """A sentinel: what the right key of this domain and version opens. Belongs to no organization.

    `fingerprint` tells keys apart by eye and proves the public half, which can open nothing.
    New seals use the newest that was activated. `emptied_at`: nothing has been under it since.
    """

    # grants: global_table("portal_keycheck", {"portal_app": "SELECT", "portal_worker": "SELECT"})
    #     (written as portal_owner by `init_keys`, like the migrations)

    domain = models.CharField(max_length=16)
    version = models.PositiveIntegerField()
    blob = models.BinaryField()
    fingerprint = models.CharField(max_length=16)
    created_at = models.DateTimeField(auto_now_add=True)
    activated_at = models.DateTimeField(null=True)
    emptied_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["domain", "version"], name="key_check_version")
        ]

    def __str__(self) -> str:
        return f"{self.domain}/v{self.version} {self.fingerprint}"


class SealedValue(TenantModel):
    """The only place of a stored credential; it belongs to `field` of the row `row_id`."""

    # grants: tenant_table("portal_sealedvalue",
    #             grants={"portal_worker": "SELECT, INSERT, UPDATE, DELETE"})
    #     nothing for portal_app, portal_sweeper or portal_support

    table_name = models.CharField(max_length=63)
    row_id = models.UUIDField()
    field = models.CharField(max_length=63)
    domain = models.CharField(max_length=16)
    blob = models.BinaryField()
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta(TenantModel.Meta):
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "table_name", "row_id", "field"], name="sealed_value_place"
            ),
            # A blob of the intake (HPKE, unauthenticated) or a plain text is refused here.
            models.CheckConstraint(condition=begins_with(b"P1"), name="sealed_value_is_sealed"),
        ]

    def __str__(self) -> str:
        return f"{self.table_name}.{self.field} of {self.row_id}"


class Intake(TenantModel):
    """A secret on its way in: the web process sealed it for the workers and cannot open it."""

    # grants: tenant_table("portal_intake", grants={
    #             "portal_app": "SELECT (id, organization_id, table_name, row_id, field,"
    #                           " created_at, expires_at), INSERT, DELETE",
    #             "portal_worker": "SELECT, DELETE"})

    table_name = models.CharField(max_length=63)
    row_id = models.UUIDField()
    field = models.CharField(max_length=63)
    blob = models.BinaryField()
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()

    class Meta(TenantModel.Meta):
        constraints = [
            models.CheckConstraint(condition=begins_with(b"H1"), name="intake_is_sealed"),
            models.UniqueConstraint(
                fields=["organization", "table_name", "row_id", "field"], name="intake_place"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.table_name}.{self.field} of {self.row_id}"
