"""Which workspaces a credential reaches, kept as rows; those it lost are marked, never deleted."""

from __future__ import annotations

from collections.abc import Iterable

from django.utils import timezone

from connections.contracts import Page, Record, WorkspaceRecord
from connections.errors import VendorError
from connections.flows.look import Look, failure
from connections.models import Check, Connection, Workspace
from connections.paging import every_page
from connections.vendor_api import VendorApi
from portal import tenancy


def workspaces(look: Look, api: VendorApi) -> list[WorkspaceRecord]:
    """The workspaces the credential reaches, kept as rows; those of before it lost are marked."""
    try:
        pages = list(every_page(lambda after: _page(look, api, after)))
    except VendorError as error:
        if look.may_wait(error):
            raise
        if not look.had("workspaces"):
            look.keep("workspaces", title="Workspaces", **failure(error))
        return []
    found = _once(record for page in pages for record in page.records)
    rejected = sum(len(page.rejected) for page in pages)
    with tenancy.transaction():
        look.claim.hold()
        keep_workspaces(look.connection, found, is_whole=not rejected)
    if not look.had("workspaces"):
        look.keep(
            "workspaces",
            title=f"{look.way.manifest.workspace_word.capitalize()}s within reach",
            outcome=Check.Outcome.PROVEN if found else Check.Outcome.NOTED,
            detail=f"{len(found)} found" + (f", {rejected} unreadable" if rejected else ""),
            proves="Listed by the vendor for this account.",
            **look.asked(),
        )
    return found


def _page(look: Look, api: VendorApi, after: str | None) -> Page:
    return look.way.connector.workspaces(api, look.connection.fields, look.way.method, after)


def _once(records: Iterable[Record]) -> list[WorkspaceRecord]:
    """Each workspace once: it may move from one page to the next while we read."""
    found = {record.remote_id: record for record in records if isinstance(record, WorkspaceRecord)}
    return list(found.values())


def keep_workspaces(
    connection: Connection, found: list[WorkspaceRecord], *, is_whole: bool
) -> None:
    """Upsert the workspaces; those a whole listing lacks are marked gone, never deleted.

    What a person chose stays chosen, also when a workspace was gone for a while.
    """
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
    if is_whole:
        Workspace.objects.filter(connection_id=connection.id, gone_at=None).exclude(
            remote_id__in=[record.remote_id for record in found]
        ).update(gone_at=now)
