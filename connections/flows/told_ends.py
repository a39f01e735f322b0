"""Say until when the credential in use is good, where the vendor does not."""

from __future__ import annotations

from connections.flows import link_inputs as inputs, rights
from connections.flows.problems import FlowProblem
from connections.models import Connection, Credential
from portal import audit
from portal.policy import Actor


def tell(*, actor: Actor, connection: Connection, ends_on: str) -> None:
    """The credential ends on this day, in ISO form, or no end of it is known."""
    actor = rights.mender(actor, connection)
    connection.hold()
    held = Credential.objects.filter(connection_id=connection.id, replaced_at=None).first()
    if held is None or not may_be_told(held):
        raise FlowProblem("known", "", "Its end is known here already, without anybody's word.")
    held.expires_at = inputs.told_end({inputs.ENDS_ON: ends_on})
    held.save(update_fields=["expires_at"])
    audit.record(
        audit.Action.CREDENTIAL_END_TOLD,
        actor=actor,
        subject=connection,
        ends_on=ends_on or "no known end",
    )


def may_be_told(credential: Credential) -> bool:
    """Whether its end is a person's word: neither renewed by itself nor made through us."""
    return not credential.refreshable and not credential.token_id
