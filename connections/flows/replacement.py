"""What a person does to replace a credential: enter, switch, go back, withdraw, or leave it.

Each deed sets the stage and wakes a worker, who does what the stage says (`replacing.py`). The old
credential works until the switch and is kept, sealed, until it is withdrawn.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from django.utils import timezone

from connections import places, registry
from connections.contracts import BASE_URL, Manifest, Method
from connections.flows import (
    link_inputs as inputs,
    pace,
    rights,
    telling_replacements as telling,
)
from connections.flows.problems import FlowProblem
from connections.models import Connection, Credential, Replacement
from portal import audit, clock, vault, work
from portal.policy import Actor
from portal.secret import Secret

Stage = Replacement.Stage
JOB: Final = "advance_replacement"
LATER = timedelta(days=7)


def under_way(connection: Connection) -> Replacement | None:
    """The replacement that has not ended yet."""
    found: Replacement | None = Replacement.objects.filter(
        connection_id=connection.id, ended_at=None
    ).first()
    return found


def ways(manifest: Manifest) -> list[Method]:
    """The methods whose secret can be pasted in the place of another one."""
    return [method for method in manifest.choices if method.kind.is_pasted]


def hand_in(
    *,
    actor: Actor,
    connection: Connection,
    method: str,
    fields: Mapping[str, str],
    secret: Secret | None,
) -> Replacement:
    """The new secret is sealed and a worker asks the vendor about it; the old one works on."""
    actor = rights.mender(actor, connection)
    pace.keep("link", actor)
    connection.hold()
    manifest = registry.get(connection.connector).manifest
    chosen = inputs.method_of(manifest, method)
    if not chosen.kind.is_pasted:
        raise FlowProblem("method", "method", "Choose one of the ways in the list.")
    inputs.refuse_impossible(manifest, chosen, connection.capabilities)
    inputs.refuse_personal(chosen, connection)
    one = under_way(connection) or begun(connection, actor=actor)
    if one.stage != Stage.ENTERING:
        raise FlowProblem("under_way", "", "A replacement is under way already. See to it first.")
    one.method, one.fields = chosen.key, _fields(connection, chosen, fields)
    end = inputs.told_end(fields)
    one.found = {"expires_at": end.isoformat()} if end else {}
    vault.take_in(
        new_place(one),
        inputs.pasted(manifest, chosen, secret),
        expires_at=timezone.now() + inputs.LIFETIME,
    )
    one.user_id, one.user_name = actor.id, actor.name[:200]
    put_to_work(one, Stage.CHECKING)
    return one


def _fields(connection: Connection, method: Method, given: Mapping[str, str]) -> dict[str, str]:
    """The answers of the method's form; where a product lies does not change with its secret."""
    kept = {BASE_URL: connection.fields[BASE_URL]} if BASE_URL in connection.fields else {}
    return kept | inputs.clean_fields(method, given)


def begun(
    connection: Connection,
    *,
    actor: Actor,
    stage: str = Stage.ENTERING,
    because: str = Replacement.Because.PERSON,
    automatic: bool = False,
) -> Replacement:
    """A new replacement of what is in use now. The connection is held; it is not at work yet."""
    if connection.state == Connection.State.REVOKED:
        raise FlowProblem("revoked", "", "A revoked connection stays revoked. Link a new one.")
    old = Credential.objects.filter(connection_id=connection.id, replaced_at=None).first()
    one: Replacement = Replacement.objects.create(
        connection=connection,
        old_id=old.id if old else None,
        old_token_id=old.token_id if old else "",
        automatic=automatic,
        because=because,
        stage=stage,
        method=connection.method,
        fields=connection.fields,
        before=_before(connection),
        user_id=actor.id if actor.kind == "person" else None,
        user_name=actor.name[:200],
    )
    audit.record(
        audit.Action.REPLACEMENT_BEGUN,
        actor=actor,
        subject=connection,
        automatic=automatic,
        because=because,
    )
    return one


def _before(connection: Connection) -> dict[str, object]:
    """What the connection goes back to."""
    return {
        "method": connection.method,
        "fields": connection.fields,
        "consumer": str(connection.consumer_id or ""),
        "account": connection.account_id,
        "account_name": connection.account_name,
        "account_kind": connection.account_kind,
        "account_url": connection.account_url,
    }


def switch(*, actor: Actor, replacement: Replacement) -> None:
    """From now on the new one is used, if nothing moved meanwhile; the old one is kept."""
    put_to_work(_held(actor, replacement, Stage.CHECKED), Stage.SWITCHING)


def go_back(*, actor: Actor, replacement: Replacement) -> None:
    """The old one is used again, and the new one forgotten."""
    one = _held(actor, replacement, Stage.SWITCHED)
    if one.old_id is None:
        raise FlowProblem("nothing", "", "There was no credential before this one.")
    put_to_work(one, Stage.GOING_BACK)


def cancel(*, actor: Actor, replacement: Replacement) -> None:
    """The credential in use stays in use, and what was entered is forgotten."""
    one = _held(actor, replacement, Stage.ENTERING, Stage.CHECKING, Stage.CHECKED)
    put_to_work(one, Stage.DROPPING)


def withdrawn(*, actor: Actor, replacement: Replacement) -> None:
    """The person withdrew the old one at the vendor; here it is erased. No way leads back."""
    one = _held(actor, replacement, Stage.SWITCHED)
    one.withdrawn_how, one.withdrawn_by_name = Replacement.How.PERSON, actor.name[:200]
    put_to_work(one, Stage.WITHDRAWING)


def withdraw(*, actor: Actor, replacement: Replacement) -> None:
    """The vendor is asked to withdraw the old one, whose id is known."""
    one = _held(actor, replacement, Stage.SWITCHED)
    if not one.old_token_id:
        raise FlowProblem("by_hand", "", "This one can only be withdrawn at the vendor.")
    one.withdrawn_how, one.withdrawn_by_name = Replacement.How.VENDOR, actor.name[:200]
    put_to_work(one, Stage.WITHDRAWING)


def postpone(*, actor: Actor, replacement: Replacement) -> None:
    """Nobody is reminded of the old one for a week; what reminds of it now goes quiet."""
    one = _held(actor, replacement, Stage.SWITCHED)
    one.remind_at = clock.now() + LATER
    one.save(update_fields=["remind_at"])
    telling.withdrawn(one.connection)


def put_to_work(one: Replacement, stage: str) -> None:
    """A worker takes it from this stage on."""
    one.stage, one.asked_at = stage, clock.now()
    one.error = one.error_detail = ""
    one.save()
    work.later(JOB, priority=work.WAITING, replacement_id=one.id)


def new_place(one: Replacement) -> vault.Place:
    """Where the new secret waits and stays: where the credential of that id will look for it."""
    return places.of_grant(one.organization_id, one.new_id, places.SECRET)


def _held(actor: Actor, replacement: Replacement, *stages: str) -> Replacement:
    """The replacement as it is now, locked, by somebody who may; raises FlowProblem."""
    rights.mender(actor, replacement.connection)
    replacement.connection.hold()
    one: Replacement = Replacement.objects.select_related("connection").get(id=replacement.id)
    if one.stage not in stages:
        raise FlowProblem("too_late", "", "This replacement has moved on. Look where it is now.")
    one.user_id, one.user_name = actor.id, actor.name[:200]
    return one
