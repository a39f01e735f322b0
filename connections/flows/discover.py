"""Which workspaces a credential reaches, kept as rows; those it lost are marked, never deleted."""

from __future__ import annotations

from django.utils import timezone

from connections.api import VendorApi
from connections.contracts import WorkspaceRecord
from connections.errors import VendorError
from connections.flows.look import Look, failure
from connections.models import Check, Connection, Workspace
from portal import tenancy


def workspaces(look: Look, api: VendorApi) -> list[WorkspaceRecord]:
    """The workspaces the credential reaches, kept as rows; those of before it lost are marked."""
    found: list[WorkspaceRecord] = []
    checkpoint: str | None = None
    try:
        while True:
            page = look.way.connector.workspaces(
                api, look.connection.fields, look.way.method, checkpoint
            )
            found += [record for record in page.records if isinstance(record, WorkspaceRecord)]
            checkpoint = page.checkpoint
            if checkpoint is None:
                break
    except VendorError as error:
        if error.retry:
            raise
        if not look.had("workspaces"):
            look.keep("workspaces", title="Workspaces", **failure(error))
        return []
    with tenancy.transaction():
        look.claim.hold()
        keep_workspaces(look.connection, found)
    if not look.had("workspaces"):
        look.keep(
            "workspaces",
            title="Workspaces within reach",
            outcome=Check.Outcome.PROVEN if found else Check.Outcome.NOTED,
            detail=f"{len(found)} found",
            proves="Listed by the vendor for this account.",
        )
    return found


def keep_workspaces(connection: Connection, found: list[WorkspaceRecord]) -> None:
    """Upsert the workspaces; those no longer listed are marked gone, never deleted."""
    now = timezone.now()
    rows = [
        Workspace(
            organization_id=connection.organization_id,
            connection_id=connection.id,
            remote_id=record.remote_id,
            slug=record.slug[:200],
            name=record.name[:300],
            url=record.url[:500],
            personal=record.personal,
            administrator=record.administrator,
            seen_at=now,
        )
        for record in found
    ]
    Workspace.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["organization", "connection", "remote_id"],
        update_fields=[
            "slug",
            "name",
            "url",
            "personal",
            "administrator",
            "seen_at",
            "gone_at",
        ],
    )
    Workspace.objects.filter(connection_id=connection.id, gone_at=None).exclude(
        remote_id__in=[record.remote_id for record in found]
    ).update(gone_at=now)
