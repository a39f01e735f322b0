"""An import brings another credential for a connection: in use at once, with a way back.

What the vendor said of it is compared first. The old one stays sealed until somebody withdraws it,
as after any other replacement (`switching.py`). Call these inside a transaction.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final
from uuid import UUID

from django.utils import timezone

from connections.flows import (
    accounts,
    checks,
    policies,
    replacement,
    stages,
    switching,
    sync,
    telling_replacements as telling,
    verify,
)
from connections.flows.import_asking import Asked
from connections.models import Connection, Credential, ImportRow, Replacement
from portal import clock
from portal.policy import Actor

Stage = Replacement.Stage
PERSONAL: Final = "personal"
OTHER_PLACE: Final = "other_place"
LOSES, UNDER_WAY, RENEWING = "loses_capabilities", "replacement_under_way", "refresh_under_way"


def refusal(one: Asked, connection: Connection) -> tuple[str, str]:
    """Why this connection keeps the credential it has, and a detail; empty when it need not."""
    if replacement.under_way(connection) is not None:
        return UNDER_WAY, ""
    old = stages.current(connection)
    if old is not None and switching.is_being_renewed(old):
        return RENEWING, ""
    if acts_as_forbidden(one, connection):
        return PERSONAL, ""
    if one.way is not None and accounts.moves(connection, one.way.fields, one.way.method):
        return OTHER_PLACE, ""
    lost = _lost(one, connection)
    return (LOSES, ", ".join(lost)) if lost else ("", "")


def acts_as_forbidden(one: Asked, connection: Connection | None) -> bool:
    """Whether it acts as a person, which the policy of this connection, or a new one, forbids."""
    acts_as_person = one.way is not None and one.way.method.personal
    return acts_as_person and policies.forbids_personal(connection)


def _lost(one: Asked, connection: Connection) -> list[str]:
    """What this connection is for and the new credential has no scope for, in words."""
    assert one.way is not None and one.identity is not None
    has = one.identity
    return [
        each.title
        for each in one.way.manifest.capabilities
        if each.key in connection.capabilities
        and checks.missing_scopes(one.way, each, has.vocabulary, has.scopes)
    ]


def switched(actor: Actor, row: ImportRow, one: Asked, connection: Connection) -> Replacement:
    """The connection is ready for the credential of id `new_id`; the old one is put away."""
    assert one.identity is not None
    account, old = one.identity.account, stages.current(connection)
    made = replacement.begun(connection, actor=actor)
    made.before = made.before | switching.kept_of(connection)
    made.method, made.fields = row.method, row.fields
    made.found = {
        "account": account.name[:200],
        "account_id": account.remote_id,
        "account_kind": account.kind,
        "account_url": account.url[:500],
        "scopes": None if one.identity.scopes is None else sorted(one.identity.scopes),
    }
    made.checked_at = made.switched_at = clock.now()
    if old is not None:
        switching.put_away(old)
    verify.supersede(connection)
    sync.stop(connection)
    connection.method, connection.fields = row.method, row.fields
    connection.state = Connection.State.UNVERIFIED
    connection.granted_by_id, connection.granted_by_name = actor.id, actor.name
    connection.linked_at = timezone.now()
    connection.save()
    return made


def settled(made: Replacement, ticked: Iterable[UUID]) -> None:
    """The new credential is in use; of the old one somebody is told, unless it has expired."""
    made.found |= {switching.TICKED: [str(each) for each in ticked]}
    old = stages.credential(made.old_id)
    telling.replaced(made.connection)
    if old is None:
        stages.end(made, Stage.DONE)
    elif _has_expired(old):
        made.withdrawn_how = Replacement.How.EXPIRED
        replacement.put_to_work(made, Stage.WITHDRAWING)
    else:
        stages.move(made, Stage.SWITCHED)
        telling.to_withdraw(made)


def _has_expired(old: Credential) -> bool:
    return not old.refreshable and old.expires_at is not None and old.expires_at <= clock.now()


def taken_back(rows: Iterable[ImportRow]) -> None:
    """Workers bring back what these rows' credentials replaced."""
    ids = [row.credential_id for row in rows]
    for made in Replacement.objects.filter(new_id__in=ids, stage=Stage.SWITCHED):
        replacement.put_to_work(made, Stage.GOING_BACK)
