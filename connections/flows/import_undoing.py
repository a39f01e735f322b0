"""The undo of an import: what it made is forgotten, and what it replaced comes back."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils import timezone

from connections import places
from connections.flows import campaigns, import_replacing as replacing, marks, telling
from connections.models import Connection, Credential, ImportRow
from portal import audit, roles
from portal.policy import SYSTEM

Outcome = ImportRow.Outcome


def unmake(rows: Sequence[ImportRow]) -> None:
    """The rows' connections are gone, with their sealed credentials and all that hung on them.

    Those whose credential was replaced stay, and get their old one back.
    """
    replacing.taken_back(row for row in rows if row.outcome == Outcome.REPLACED)
    ids = [row.connection_id for row in rows if row.outcome != Outcome.REPLACED]
    locked = Connection.objects.select_for_update(no_key=True).filter(id__in=ids)
    for connection in locked:
        for credential in Credential.objects.filter(connection_id=connection.id):
            places.forget_credential(credential)
            marks.raised(connection, credential, revoked=True)
        telling.over(connection)
        campaigns.gone(connection)
        audit.record(audit.Action.CONNECTION_FORGOTTEN, actor=SYSTEM, subject=connection)
    ImportRow.objects.filter(id__in=[row.id for row in rows]).update(
        outcome=Outcome.UNDONE, connection=None, done_at=timezone.now()
    )
    if ids:  # the composite keys cascade; the ORM would ask tables that we may not write
        with roles.connection().cursor() as cursor:
            cursor.execute("DELETE FROM connections_connection WHERE id = ANY(%s)", [ids])
