"""Requests: who lacks a right asks for one link, or for more scopes; an admin answers with a click.

The same wish of another person is the same request, and each of them is told. Nobody answers their
own. What nobody answers ends after thirty days.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.utils import timezone

from connections import registry
from connections.contracts import Manifest
from connections.flows import hosts, link_inputs as inputs, pace, rights, telling_requests
from connections.flows.problems import FlowProblem
from connections.models import Connection, LinkRequest, RequestKind, RequestState
from portal import audit, notices, roles, tenancy, work
from portal.audit import Action
from portal.models import User
from portal.policy import SYSTEM, Actor, Permission, authorize

State = RequestState
EXPIRE = "expire_link_request"
SHORTEST_WHY = 10
USABLE = timedelta(days=7)  # for one link, once approved
OVER = "This was answered, taken back or has expired meanwhile. Look at it again."


def ask_for_link(
    *,
    actor: Actor,
    connector: str,
    relink: Connection | None = None,
    capabilities: Sequence[str] | None = None,
    team_id: UUID | None = None,
    why: str,
) -> LinkRequest:
    """The admins are asked for one link to this product, or for this connection again.

    It is for these capabilities, else the least there are, and for this team; a connection keeps
    its own. Raises FlowProblem for somebody who may do it without asking.
    """
    actor = authorize(actor, Permission.CONNECTION_VIEW)
    manifest = registry.get(connector).manifest
    try:
        rights.linker(actor, relink, connector)
    except PermissionDenied:
        pass
    else:
        raise FlowProblem("allowed", "", "You may link it yourself. Nobody has to be asked.")
    what = f"a new link of {relink.name}" if relink else f"a link to {manifest.name}"
    wanted = relink.capabilities if relink else _wanted(manifest, capabilities)
    team = None if relink else inputs.team_of(team_id, connector)
    place = relink.id if relink else team
    return _asked(
        actor,
        RequestKind.LINK,
        f"{actor.id}:{connector}:{place}:{','.join(wanted)}",
        connector=connector,
        connection=relink,
        capabilities=wanted,
        terms={} if relink else {"team": str(team or "")},
        what=what,
        why=_reason(why),
    )


def ask_for_host(*, actor: Actor, connector: str, base_url: str, why: str) -> LinkRequest:
    """The admins are asked whether this person may link a server at a base URL that is new here.

    Raises FlowProblem for one that cannot be, or that may be linked without asking.
    """
    actor = authorize(actor, Permission.CONNECTION_VIEW)
    manifest = registry.get(connector).manifest
    if manifest.self_hosted is None:
        raise FlowProblem("connector", "", f"{manifest.name} has one address for everybody.")
    found = hosts.canonical(actor=actor, manifest=manifest, text=base_url)
    if hosts.may_name(actor, manifest, found):
        raise FlowProblem("allowed", "", "You may link it yourself. Nobody has to be asked.")
    return _asked(
        actor,
        RequestKind.HOST,
        f"{actor.id}:{connector}:{found}",
        connector=connector,
        terms={"base_url": found},
        what=f"a link to {manifest.name} at {found}"[:200],
        why=_reason(why),
    )


def ask_for_more(
    *, actor: Actor, connection: Connection, capabilities: Sequence[str], why: str
) -> LinkRequest:
    """The admins are asked that this connection may do more than it was linked for."""
    actor = authorize(actor, Permission.CONNECTION_VIEW)
    manifest = registry.get(connection.connector).manifest
    known = {each.key: each.title for each in manifest.capabilities}
    wanted = [key for key in known if key in set(capabilities) - set(connection.capabilities)]
    if not wanted or not set(capabilities) <= known.keys():
        raise FlowProblem("capabilities", "capabilities", "Choose what it cannot do yet.")
    if connection.state == Connection.State.REVOKED:
        raise FlowProblem("revoked", "", "A revoked connection stays revoked. Link a new one.")
    titles = ", ".join(known[key] for key in wanted)
    return _asked(
        actor,
        RequestKind.CAPABILITY,
        f"{connection.id}:{','.join(wanted)}",
        connector=connection.connector,
        connection=connection,
        capabilities=wanted,
        what=f"{titles} with {connection.name}"[:200],
        why=_reason(why),
    )


def approve(*, actor: Actor, request: LinkRequest) -> LinkRequest:
    """What was asked for is allowed: one link, or the capabilities stand on the connection.

    More capabilities need a new link, because the vendor has to be asked; who asked is told so.
    """
    actor = authorize(actor, Permission.LINK_REQUEST_DECIDE)
    with tenancy.transaction():
        held = _held_open(actor, request)
        if held.kind == RequestKind.CAPABILITY:
            _extend(actor, held)
        held.state, held.expires_at = State.APPROVED, timezone.now() + USABLE
        _answer(held, actor)
        audit.record(Action.LINK_REQUEST_APPROVED, actor=actor, subject=held, **_facts(held))
        telling_requests.tell_askers(held, "approved")
    return held


def decline(*, actor: Actor, request: LinkRequest, why: str) -> LinkRequest:
    """It stays as it was, and who asked reads the reason."""
    actor = authorize(actor, Permission.LINK_REQUEST_DECIDE)
    with tenancy.transaction():
        held = _held_open(actor, request)
        held.decision_why, held.state = _reason(why), State.DECLINED
        _answer(held, actor)
        audit.record(
            Action.LINK_REQUEST_DECLINED, actor=actor, subject=held, because=held.decision_why
        )
        telling_requests.tell_askers(held, "declined")
    return held


def withdraw(*, actor: Actor, request: LinkRequest) -> None:
    """This person does not ask any more; where others asked for the same, it stays theirs."""
    actor = authorize(actor, Permission.CONNECTION_VIEW)
    with tenancy.transaction():
        held = _open(request)
        if actor.id == held.asked_by_id and not held.also_asked_by:
            held.state = State.WITHDRAWN
            _answer(held, actor)
        elif actor.id == held.asked_by_id:
            _hand_on(held)
        elif actor.id in held.also_asked_by:
            held.also_asked_by.remove(actor.id)
            held.formerly_asked_by = [*held.formerly_asked_by, actor.id]
            held.save(update_fields=["also_asked_by", "formerly_asked_by"])
        else:
            raise PermissionDenied("Somebody else asked for this.")
        audit.record(Action.LINK_REQUEST_WITHDRAWN, actor=actor, subject=held)


@work.job(EXPIRE)
def expire(claim: work.Claim, *, request_id: str) -> None:
    """What nobody answered in thirty days is over, and who asked is told."""
    with tenancy.transaction():
        claim.hold()
        for held in LinkRequest.objects.select_for_update().filter(
            id=request_id, state=State.OPEN, expires_at__lte=timezone.now()
        ):
            held.state = State.EXPIRED
            _answer(held, SYSTEM)
            audit.record(Action.LINK_REQUEST_EXPIRED, actor=SYSTEM, subject=held)
            telling_requests.tell_askers(held, "not answered in 30 days")
        claim.done()


def _hand_on(held: LinkRequest) -> None:
    """It is the next one's wish, under their name."""
    held.formerly_asked_by = [*held.formerly_asked_by, held.asked_by_id]
    held.asked_by_id, *held.also_asked_by = held.also_asked_by
    held.asked_by_name = str(User.objects.get(id=held.asked_by_id))[:200]
    held.save(update_fields=["asked_by", "asked_by_name", "also_asked_by", "formerly_asked_by"])


def _wanted(manifest: Manifest, capabilities: Sequence[str] | None) -> list[str]:
    if capabilities is None:
        return [each.key for each in manifest.capabilities if each.minimal]
    known = [each.key for each in manifest.capabilities]
    if not capabilities or not set(capabilities) <= set(known):
        raise FlowProblem("capabilities", "capabilities", "Choose at least one of the list.")
    return [key for key in known if key in set(capabilities)]


def _asked(
    actor: Actor, kind: RequestKind, same_as: str, *, what: str, **values: Any
) -> LinkRequest:
    same_as = f"{kind}:{hashlib.sha256(same_as.encode()).hexdigest()}"
    with tenancy.transaction():
        pace.keep("link_request", actor)
        before = _same(same_as)
        if before is not None:
            return _joined(before, actor)
        try:
            with transaction.atomic(using=roles.current()):
                made: LinkRequest = LinkRequest.objects.create(
                    kind=kind,
                    same_as=same_as,
                    what=what,
                    asked_by_id=actor.id,
                    asked_by_name=actor.name[:200],
                    **values,
                )
        except IntegrityError:
            return _joined(LinkRequest.objects.get(same_as=same_as, state=State.OPEN), actor)
        audit.record(Action.LINK_REQUESTED, actor=actor, subject=made, **_facts(made))
        work.later(EXPIRE, run_at=made.expires_at, request_id=made.id)
        telling_requests.tell_admins(made)
    return made


def _same(same_as: str) -> LinkRequest | None:
    found = LinkRequest.objects.select_for_update().filter(same_as=same_as, state=State.OPEN)
    known: LinkRequest | None = found.first()
    if known is not None and known.expires_at <= timezone.now():
        known.state = State.EXPIRED
        _answer(known, SYSTEM)
        return None
    return known


def _joined(before: LinkRequest, actor: Actor) -> LinkRequest:
    """The same wish of one more person."""
    if actor.id and actor.id not in (before.asked_by_id, *before.also_asked_by):
        before.also_asked_by = [*before.also_asked_by, actor.id]
        before.save(update_fields=["also_asked_by"])
        audit.record(Action.LINK_REQUESTED, actor=actor, subject=before, joined=True)
    return before


def _held_open(actor: Actor, request: LinkRequest) -> LinkRequest:
    held = _open(request)
    if actor.id in (held.asked_by_id, *held.also_asked_by, *held.formerly_asked_by):
        raise PermissionDenied("You asked for this yourself. Somebody else answers.")
    return held


def _open(request: LinkRequest) -> LinkRequest:
    found: LinkRequest | None = (
        LinkRequest.objects.select_for_update().filter(id=request.id, state=State.OPEN).first()
    )
    if found is None or found.expires_at <= timezone.now():
        raise FlowProblem("over", "", OVER)
    return found


def _extend(actor: Actor, held: LinkRequest) -> None:
    connection = Connection.objects.select_for_update(no_key=True).get(id=held.connection_id)
    if connection.state == Connection.State.REVOKED:
        raise FlowProblem("revoked", "", "The connection was revoked. Decline the request.")
    known = registry.get(connection.connector).manifest.capabilities
    wanted = {*connection.capabilities, *held.capabilities}
    connection.capabilities = [each.key for each in known if each.key in wanted]
    if any(each.writes and each.key in held.capabilities for each in known):
        connection.reason = connection.reason or held.why[:300]
    connection.save(update_fields=["capabilities", "reason"])
    audit.record(Action.CONNECTION_EDITED, actor=actor, subject=connection, more=held.capabilities)


def _answer(held: LinkRequest, actor: Actor) -> None:
    held.decided_by_id, held.decided_by_name = actor.id, actor.name[:200]
    held.decided_at = timezone.now()
    held.save()
    notices.resolve(telling_requests.cause(held))


def _reason(why: str) -> str:
    why = " ".join(why.split())[:500]
    if len(why) < SHORTEST_WHY:
        raise FlowProblem("why", "why", "Say in a sentence why (10 letters or more).")
    return why


def _facts(held: LinkRequest) -> dict[str, Any]:
    named = {"connector": held.connector, "capabilities": held.capabilities, "why": held.why}
    return named | {key: text for key, text in held.terms.items() if text}
