"""Many secrets at once: one statement, and each data key is unwrapped once.

What `vault` promises for one place holds here for each. All places belong to the acting
organization; call both inside its transaction.
"""

from __future__ import annotations

import json
import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from uuid import UUID

from django.utils import timezone

from portal import data_keys, roles, tenancy, vault
from portal.keys import Cipher, SealBroken
from portal.models import DataKey, SealedValue
from portal.secret import Secret
from portal.vault import Place

log = logging.getLogger(__name__)

# All values arrive as JSON, which costs our side a fraction of a parameter for each.
_KEEP = """
INSERT INTO portal_sealedvalue
       (id, organization_id, table_name, row_id, field, domain, blob, created_at, updated_at)
SELECT gen_random_uuid(), %s, s.t, s.r, s.f, s.d, decode(s.b, 'hex'), %s, %s
  FROM json_to_recordset(%s::json) AS s(t text, r uuid, f text, d text, b text)
    ON CONFLICT (organization_id, table_name, row_id, field)
    DO UPDATE SET domain = EXCLUDED.domain, blob = EXCLUDED.blob, updated_at = EXCLUDED.updated_at
"""


def keep_many(secrets: Sequence[tuple[Place, Secret]]) -> None:
    """Each secret is stored in its place, replacing what was there; raises SealBroken."""
    if not secrets:
        return
    active = _active_data_keys({place.domain: place for place, _ in secrets})
    values = [
        {
            "t": at.table,
            "r": str(at.row_id),
            "f": at.field,
            "d": at.domain,
            "b": vault.seal_under(active[at.domain], secret, at).hex(),
        }
        for at, secret in secrets
    ]
    here, now = tenancy.organization_id(), timezone.now()
    with roles.connection().cursor() as cursor:
        cursor.execute(_KEEP, [here, now, now, json.dumps(values)])


def _active_data_keys(places: dict[str, Place]) -> dict[str, tuple[int, Cipher]]:
    """The key that seals now in each of these domains, one statement for all that are there."""
    rows = DataKey.objects.filter(domain__in=list(places), state=DataKey.State.ACTIVE)
    found = {
        row.domain: (
            row.version,
            data_keys.unwrapped(bytes(row.wrapped), places[row.domain], row.version),
        )
        for row in rows
    }
    missing = places.keys() - found.keys()
    return found | {domain: vault.active_data_key(places[domain]) for domain in missing}


def open_many(places: Iterable[Place]) -> dict[Place, Secret | None]:
    """What is stored in these places: None for what does not open, no entry where nothing is."""
    wanted: dict[tuple[str, str], dict[UUID, Place]] = defaultdict(dict)
    for place in places:
        wanted[place.table, place.field][place.row_id] = place
    find = _remembering()
    found: dict[Place, Secret | None] = {}
    for (table, field), by_row in wanted.items():
        rows = SealedValue.objects.filter(table_name=table, field=field, row_id__in=list(by_row))
        for row_id, domain, blob in rows.values_list("row_id", "domain", "blob"):
            found[by_row[row_id]] = None
            with suppress(SealBroken):
                at = vault.stored_at(by_row[row_id], domain)
                found[by_row[row_id]] = vault.unseal_under(find, bytes(blob), at)
        log.info("secret.opened", extra={"table": table, "field": field, "rows": len(by_row)})
    return found


def _remembering() -> Callable[[Place, int], Cipher]:
    """Finds data keys and unwraps each of them once."""
    keys: dict[tuple[str, int], Cipher] = {}

    def find(place: Place, version: int) -> Cipher:
        if (place.domain, version) not in keys:
            keys[place.domain, version] = data_keys.find(place, version)
        return keys[place.domain, version]

    return find
