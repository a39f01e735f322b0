"""Whom a replacement tells what: a rotation that failed, an old credential nobody withdrew."""

from __future__ import annotations

from django.urls import reverse

from connections.flows import telling, told_kinds as kinds
from connections.models import Connection, Replacement
from portal import notices, tenancy
from portal.models import Notice, Organization


def rotation_failed(row: Replacement) -> None:
    """A rotation did not come about; the credential in use is as it was."""
    if row.automatic:
        _tell(kinds.ROTATION_FAILED, row.connection, page="connection_credential")


def to_withdraw(row: Replacement) -> None:
    """The old credential still works at the vendor, and somebody has to withdraw it there."""
    _tell(kinds.WITHDRAW, row.connection)


def method_ended(connection: Connection) -> None:
    """The vendor ended this kind of credential for everybody: another kind takes its place."""
    _tell(
        kinds.NEEDS_LINK,
        connection,
        title=f"{connection} needs another kind of credential",
        body="The vendor accepts none of this kind any more. Name, webhook address and history stay"
        " when you replace it.",
        button="Replace it",
    )


def replaced(connection: Connection) -> None:
    """Another credential is in use: warnings of the earlier one are over."""
    ends = Notice.objects.filter(
        kind__in=(kinds.EXPIRES, kinds.ROTATION_FAILED), subject_id=connection.id, resolved_at=None
    )
    for cause in list(ends.values_list("dedupe", flat=True)):
        notices.resolve(cause)


def withdrawn(connection: Connection) -> None:
    """There is no old credential left to withdraw."""
    notices.resolve(_cause(kinds.WITHDRAW, connection))


def _tell(
    kind: str, connection: Connection, *, page: str = "connection_replace", **words: str
) -> None:
    slug = Organization.objects.get(id=tenancy.organization_id()).slug
    notices.tell(
        kind,
        subject=connection,
        audience=telling.menders(connection),
        dedupe=_cause(kind, connection),
        url=reverse(page, args=[slug, connection.id]),
        team_id=connection.team_id,
        **words,
    )


def _cause(kind: str, connection: Connection) -> str:
    return f"{kind}:{connection.id}"
