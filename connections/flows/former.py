"""After a link again: the grant that was replaced ends at the vendor, and is then forgotten here.

It would outlive the connection otherwise, and nobody could name it at the vendor any more.
"""

from __future__ import annotations

import logging
from typing import Final

from connections import access, places, registry
from connections.contracts import EndsGrants, MethodKind
from connections.errors import ReauthorizationRequired, VendorError
from connections.flows import counted
from connections.models import Connection, Credential, PendingLink
from portal import tenancy, vault, work

log = logging.getLogger(__name__)

JOB: Final = "end_former_grant"
TRIES: Final = 3


def put_away(connection: Connection, old: Credential, pending: PendingLink) -> None:
    """The old one is forgotten, at once or as soon as its vendor has ended it.

    It is sent only where it came from: to the server of the same consumer.
    """
    consumer_id = connection.consumer_id
    if consumer_id and consumer_id == pending.consumer_id and _is_endable(connection):
        work.later(JOB, credential_id=old.id, consumer_id=consumer_id)
    else:
        places.forget_credential(old)


def _is_endable(connection: Connection) -> bool:
    connector = registry.get(connection.connector)
    known = {each.key: each.kind for each in connector.manifest.methods}
    by_consent = known.get(connection.method) is MethodKind.AUTHORIZATION_CODE
    return by_consent and isinstance(connector, EndsGrants)


def end(claim: work.Claim, *, credential_id: str, consumer_id: str) -> None:
    """The vendor was asked with the old access token; whatever it said, nothing is sealed of it.

    Raises what waiting may cure, a few times.
    """
    with tenancy.transaction():
        rows = Credential.objects.select_related("connection", "connection__consumer")
        old = rows.filter(id=credential_id).exclude(replaced_at=None).first()
    if old is not None and str(old.connection.consumer_id) == consumer_id:
        try:
            _ask(claim, old)
        except VendorError as error:
            if error.retry and claim.job.attempts < TRIES:
                raise
            log.warning("former.left_at_vendor", extra={"code": error.code})
        except LookupError:  # its product or method is gone from the code
            log.warning("former.left_at_vendor", extra={"code": "unknown_method"})
    with tenancy.transaction():
        claim.hold()
        if old is not None:
            places.forget_credential(old)
        claim.done()


def _ask(claim: work.Claim, old: Credential) -> None:
    with tenancy.transaction():
        way = access.way_of(old.connection)
        place = places.of_credential(old, places.ACCESS)
        token = access.opened(place) if vault.holds(place) else None
    if token is None or not isinstance(way.connector, EndsGrants):
        return
    api = counted.api(way, token, old.connection, lambda _: claim.stay())
    try:
        way.connector.end_grant(api, way.fields, way.method)
    except ReauthorizationRequired:
        log.info("former.grant_had_ended")
