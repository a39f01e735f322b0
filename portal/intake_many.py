"""Many secrets on their way in at once: sealed by the web process, opened by a worker.

What `vault` promises for one place of the intake holds here for each. All places belong to the
acting organization; call these inside its transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from uuid import UUID

from django.utils import timezone

from portal import vault
from portal.keys import SealBroken
from portal.models import Intake
from portal.secret import Secret
from portal.vault import Place


def take_in_many(secrets: Sequence[tuple[Place, Secret]], *, expires_at: datetime) -> None:
    """Each secret waits for a worker until then, in a place where nothing waits yet."""
    Intake.objects.bulk_create(
        [
            Intake(
                organization_id=at.organization_id,
                table_name=at.table,
                row_id=at.row_id,
                field=at.field,
                blob=vault.intake_seal(secret, at),
                expires_at=expires_at,
            )
            for at, secret in secrets
        ],
        batch_size=500,
    )


def waiting_many(places: Iterable[Place]) -> dict[Place, Secret]:
    """What waits in the intake for these places, opened; workers only. Nothing is moved.

    What waited too long or does not open has no entry.
    """
    wanted = {(place.table, place.row_id, place.field): place for place in places}
    rows = Intake.objects.filter(
        row_id__in={row_id for _, row_id, _ in wanted}, expires_at__gt=timezone.now()
    ).values_list("table_name", "row_id", "field", "blob")
    found: dict[Place, Secret] = {}
    for table, row_id, name, blob in rows:
        if (place := wanted.get((table, row_id, name))) is not None:
            with suppress(SealBroken):
                found[place] = vault.intake_open(bytes(blob), place)
    return found


def discard_many(table: str, row_ids: Iterable[UUID]) -> None:
    """Nothing waits for these rows any more."""
    Intake.objects.filter(table_name=table, row_id__in=list(row_ids)).delete()
