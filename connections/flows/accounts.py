"""Whose account a link leads to: one that is linked already, or another than it was before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any
from uuid import UUID

from django.db import IntegrityError

from connections.access import Way
from connections.contracts import Account, Identity, Method, WorkspaceRecord
from connections.flows import guests
from connections.models import Connection, PendingLink, Workspace
from connections.paging import every_page
from connections.vendor_api import VendorApi
from portal import tenancy, vault, work
from portal.models import Membership, TeamMembership
from portal.policy import SEES_ALL_TEAMS
from portal.secret import Secret

Stage = PendingLink.Stage
UNPROVEN = "unproven:"  # before an account id that no vendor ever confirmed (a dead import)

_TAKEN = {
    "connection_account_once": "account_taken",
    "connection_name_once": "name_taken",
    "connection_default_once": "default_taken",
}


def other_with(pending: PendingLink, account: Account) -> Connection | None:
    """The other connection of this organization that acts as this account through this consumer."""
    return acting_as(
        account.remote_id,
        connector=pending.connector,
        consumer_id=pending.consumer_id,
        but=pending.relink_id,
    )


def told(identity: Identity, secret: Secret) -> dict[str, Any]:
    """What a credential's row says of it: what the vendor told, and by what it is recognized."""
    return {
        "kind": identity.credential_kind,
        "vocabulary": identity.vocabulary,
        "scopes": None if identity.scopes is None else sorted(identity.scopes),
        "last_four": secret.last_four,
        "fingerprint": vault.fingerprint(secret),
    }


def is_proven(connection: Connection) -> bool:
    """Whether the vendor ever said whose account this connection acts as."""
    return not connection.account_id.startswith(UNPROVEN)


def acting_as(
    account_id: str, *, connector: str, consumer_id: UUID | None, but: UUID | None
) -> Connection | None:
    """The live connection that acts as this account through this consumer, unless it is `but`."""
    found: Connection | None = (
        Connection.objects.filter(
            connector=connector, consumer_id=consumer_id, account_id=account_id
        )
        .exclude(state=Connection.State.REVOKED)
        .exclude(id=but)
        .first()
    )
    return found


def conflict(error: IntegrityError, pending: PendingLink, account: Account) -> tuple[str, str]:
    """What was taken meanwhile, as the code of a failed link, and the other connection's name.

    Raises the error again when it is about something else.
    """
    code = taken(error)
    if code != "account_taken":
        return code, ""
    with tenancy.transaction():
        other = other_with(pending, account)
        return code, told_name(other, pending.user_id) if other else ""


def taken(error: IntegrityError) -> str:
    """What was taken meanwhile; raises the error again when it is about something else."""
    said = getattr(getattr(error.__cause__, "diag", None), "constraint_name", "")
    code = _TAKEN.get(said)
    if code is None:
        raise error
    return code


def told_name(other: Connection, user_id: UUID) -> str:
    """The other connection's name for this person; nothing when it is a team's they are not in."""
    if other.team_id is None:
        return other.name
    role = Membership.objects.filter(user_id=user_id).values_list("role", flat=True).first()
    mine = TeamMembership.objects.filter(user_id=user_id, team_id=other.team_id)
    return other.name if role in SEES_ALL_TEAMS or mine.exists() else ""


def moves(connection: Connection, fields: Mapping[str, str], method: Method) -> bool:
    """Whether these answers lead the connection to another of the vendor's places.

    One account may open several, and in each there are things of the same name.
    """
    place = method.lookup.field if method.lookup else ""
    return place in connection.fields and connection.fields[place] != fields.get(place)


def must_ask(pending: PendingLink, identity: Identity, method: Method) -> bool:
    """Whether this is another account, or place, than before, and no person agreed to it."""
    relink = pending.relink
    if relink is None:
        return False
    is_same = relink.account_id == identity.account.remote_id
    if is_same and not moves(relink, pending.fields, method):
        return False
    agreed = pending.found_account.get("now", {}).get("remote_id")
    return not (pending.account_confirmed and agreed == identity.account.remote_id)


def reached(way: Way, api: VendorApi, pending: PendingLink) -> list[WorkspaceRecord]:
    """The workspaces that the new credential reaches."""
    pages = every_page(
        lambda after: way.connector.workspaces(api, pending.fields, way.method, after)
    )
    records = (record for page in pages for record in page.records)
    return [record for record in records if isinstance(record, WorkspaceRecord)]


def ask(
    claim: work.Claim, pending: PendingLink, identity: Identity, found: list[WorkspaceRecord]
) -> None:
    """The person is shown both accounts, and which workspaces are gained and lost."""
    relink = pending.relink
    assert relink is not None
    with tenancy.transaction():
        claim.hold()
        before = Workspace.objects.filter(connection_id=relink.id, gone_at=None)
        had = dict(before.values_list("remote_id", "name"))
        has = {record.remote_id: record.name for record in found}
        pending.found_account = pending.found_account | {
            "now": asdict(identity.account),
            "before": {"name": relink.account_name, "remote_id": relink.account_id},
            "gained": sorted(name for key, name in has.items() if key not in had),
            "lost": sorted(name for key, name in had.items() if key not in has),
        }
        pending.stage, pending.account_confirmed = Stage.CONFIRM_ACCOUNT, False
        pending.save(update_fields=["found_account", "stage", "account_confirmed"])
        if pending.connect_link_id:
            guests.ask_about_account(pending)
        claim.done()
